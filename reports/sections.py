"""What the page shows of each kind of run: a table per kind, from the record's details.

A kind that is not registered still has its verdicts, its failures and its place in the counts of assertions; only its
details stay in results.json. The keys that each kind expects are documented in docs/report.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.record import RunRecord
from reports.curves import bench_curves
from reports.plots import Plot, gate_ratios
from reports.trend import level_changes, trend_plot

__all__ = ["Section", "Table", "sections"]


@dataclass(frozen=True)
class Table:
    """Rows of text; columns named in `numeric` are set to the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Section:
    anchor: str
    title: str
    text: str
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()


def sections(records: Sequence[RunRecord]) -> list[Section]:
    """The sections of the kinds that these records have, in the order of the registry."""
    made = []
    for kind, make in _REGISTRY.items():
        chosen = [record for record in records if record.kind == kind]
        if chosen:
            made.append(make(chosen))
    return made


def _explored(records: Sequence[RunRecord]) -> Section:
    rows = []
    for record in records:
        details = record.details
        rows.append(
            [
                record.scenario,
                str(details.get("driver", "")),
                str(details.get("model", "")),
                _count(details.get("executions")),
                _count(details.get("cut")),
                _count(details.get("bounded")),
                _count(details.get("distinct")),
                "exhausted" if details.get("exhausted") else "sampled or bounded",
                _pairs(details.get("bounds", {})),
                _counterexample(details.get("schedule", {})),
                record.outcome.value,
            ]
        )
    columns: tuple[str, ...] = (
        "program",
        "driver",
        "memory model",
        "executions",
        "cut in a wait",
        "left at a bound",
        "distinct histories",
        "coverage",
        "bounds",
        "counterexample",
        "verdict",
    )
    place = columns.index("counterexample")
    if not any(row[place] for row in rows):  # nothing failed: its width is the bounds'
        columns = (*columns[:place], *columns[place + 1 :])
        rows = [[*row[:place], *row[place + 1 :]] for row in rows]
    table = Table(
        "Executions explored",
        columns,
        rows,
        frozenset({"executions", "cut in a wait", "left at a bound", "distinct histories"}),
    )
    text = (
        "Every step of the same core, chosen by the explorer. What was not exhausted says nothing of the rest. "
        "The words are in the glossary at the end of this page."
    )
    return Section("explored", "Exploration", text, [table])


def _checked(records: Sequence[RunRecord]) -> Section:
    rows = [
        [record.scenario, record.mode, _count(record.details.get("operations")), record.outcome.value, record.reason]
        for record in records
    ]
    columns = ("history", "specification", "operations", "verdict", "what was decided")
    table = Table("Histories that were judged", columns, rows, frozenset({"operations"}))
    return Section("checked", "Histories", "Recorded elsewhere or before, judged by what they say alone.", [table])


def _detection(records: Sequence[RunRecord]) -> Section:
    planted = [entry for record in records for entry in record.details.get("mutants", ())]
    places: dict[str, list[bool]] = {}
    for entry in planted:
        places.setdefault(str(entry.get("tier", "")), []).append(bool(entry.get("killed")))
    totals = [[place, f"{sum(killed)}/{len(killed)}"] for place, killed in places.items()]
    rows = [
        [
            str(entry.get("name", "")),
            str(entry.get("tier", "")),
            "✔ found" if entry.get("killed") else "✘ missed",
            str(entry.get("rule", "")),
            "" if entry.get("seconds") is None else f"{entry['seconds']:.2g} s",
            _count(entry.get("steps")),
            str(entry.get("schedule", "")),
        ]
        for entry in planted
    ]
    columns = (
        "planted bug",
        "where",
        "result",
        "by rule",
        "time",
        "steps of the counterexample",
        "what one has to follow",
    )
    tables = [
        Table("Found, by where it was looked for", ("where", "found"), totals, frozenset({"found"})),
        Table("Planted bugs", columns, rows, frozenset({"time", "steps of the counterexample"})),
    ]
    bugs = {str(entry.get("name", "")) for entry in planted}
    missed = {str(entry.get("name", "")) for entry in planted if not entry.get("killed")}
    text = f"{len(bugs - missed)} of {len(bugs)} planted bugs were found wherever they were looked for"
    text += f" ({len(planted)} places). A check that cannot fail proves nothing."
    return Section("detection", "Detection power", text, tables)


def _gate(records: Sequence[RunRecord]) -> Section:
    tables, plots = [], []
    for number, record in enumerate(records):
        rows = [
            [
                str(entry["metric"]),
                str(entry["answer"]),
                _change(entry["estimate"]),
                _change(entry["noise"]),
                f"{entry['least_seen']:+.1%}" if "least_seen" in entry else "",
                str(entry["reason"]),
            ]
            for entry in record.details.get("judgements", ())
        ]
        reference = record.details.get("reference", "?")
        columns = ("metric", "answer", "change of speed, 99 % interval", "same against same", "smallest seen", "why")
        demanded = ", ".join(f"{name} {floor:g}x" for name, floor in record.details.get("yardstick", {}).items())
        caption = f"Against {reference}"
        if "compiler" in record.details:  # the gate builds both sides itself: not what built the package
            caption += f", both built by {record.details['compiler']}"
        caption += f"; changes are relative to what is demanded: {demanded}" if demanded else ""
        tables.append(Table(caption, columns, rows))
        notes = [[str(note)] for note in record.details.get("notes", ())]
        if notes:
            tables.append(Table("What was not measured", ("note",), notes))
        differences = [[str(line)] for line in record.details.get("differences", ())]
        if differences:
            tables.append(Table("Exact counters that differ", ("counter",), differences))
        plot, course = gate_ratios(record, f"plot-gate-{number}"), trend_plot(record, f"plot-trend-{number}")
        plots += [drawn for drawn in (plot, course) if drawn]
        if course:
            how, changes = level_changes(record)
            levels = ("metric", "since", "level before", "level after", "change")
            tables.append(Table(how, levels, changes, frozenset(levels[2:])))
    text = (
        "Speed against a reference in the same run, in alternating pairs; the build against itself shows what this "
        "machine could not have told apart, and 'smallest seen' is the smallest slowdown that the rule could have told "
        "with an interval of this width."
    )
    return Section("gate", "Performance gate", text, tables, plots)


def _bench(records: Sequence[RunRecord]) -> Section:
    tables, plots = [], []
    for number, record in enumerate(records):
        plots += list(bench_curves(record, f"plot-bench-{number}"))
        tables += [_throughput_table(record), _latency_table(record)]
        costs = [[_bytes(size), f"{cost:,.1f}"] for size, cost in record.details.get("native", ())]
        if costs:
            columns = ("message", "a write and a read together, ns")
            caption = "Native cost: one thread by itself, no Python; the least of five"
            tables.append(Table(caption, columns, costs, frozenset(columns)))
    text = (
        "Medians over interleaved rounds of one run, with their 95 % intervals; ratios are paired by round. Context "
        "switches are those of the workers' own threads, as the kernel counts them. A sleep is a wait of the channel's "
        "own, in the futex or in back-off, a wake-up a call that ends one. Peers count neither these nor retries."
    )
    return Section("bench", "Side by side with others", text, tables, plots)


def _throughput_table(record: RunRecord) -> Table:
    """A row per transport and cell; what most cells have in common is in the caption, and told where it differs."""
    cells = record.details.get("cells", ())
    capacities = Counter(cell["capacity"] for cell in cells if "capacity" in cell)
    usual = capacities.most_common(1)[0][0] if capacities else None
    rows = []
    for cell in cells:
        place = f"{cell['on']} {cell['senders']}x{cell['receivers']}, {_bytes(cell['size'])}"
        place += f", batch {cell['batch']}" if cell["batch"] > 1 else ""
        place += "" if cell.get("pinned", True) else ", not pinned"
        place += "" if cell.get("capacity", usual) == usual else f", capacity {_bytes(cell['capacity'])}"
        for figure in cell["figures"]:
            head = [str(cell["group"]), place, _transport(figure)]
            rate, ratio = figure["rate"], figure["ratio"]
            if rate is None:
                rows.append([*head, *[""] * 5])
                continue
            counters = figure.get("counters", {})
            rows.append(
                [
                    *head,
                    _interval(rate, 1e6),
                    "" if ratio is None else _interval(ratio, 1.0),
                    _per_thousand(figure, "switches"),
                    _per_thousand(counters, "sleeps", "wakeups"),
                    _per_thousand(counters, "retries"),
                ]
            )
    columns = (
        "group",
        "conditions",
        "transport",
        "M messages/s",
        "channel, times as fast",
        "switches",
        "sleeps + wake-ups",
        "retries",
    )
    caption = "Throughput; context switches, sleeps and wake-ups, and retries are per 1,000 messages"
    if usual is not None:
        caption += f". Workers pinned, capacity {_bytes(usual)}, where nothing else is said"
    return Table(caption, columns, rows, frozenset(columns[3:]))


def _latency_table(record: RunRecord) -> Table:
    """A percentile that a run had too few messages for has an empty cell."""
    latencies = record.details.get("latencies", ())
    percents = sorted({percent for latency in latencies for percent, _ in latency.get("percentiles", ())})
    columns = ["kind", "conditions", "transport", "messages", *(f"p{percent:g}" for percent in percents)]
    rows = []
    for latency in latencies:
        told = {percent: f"{value / 1e3:,.1f}" for percent, value in latency.get("percentiles", ())}
        place = str(latency.get("on", "")) + (f", {_bytes(latency['size'])}" if "size" in latency else "")
        values = [told.get(percent, "") for percent in percents]
        head = [str(latency.get("kind", "")), place, _transport(latency)]
        rows.append([*head, _count(latency.get("count")), *values])
    return Table("Latency, µs", columns, rows, frozenset(columns[3:]))


def _transport(figure: Mapping[str, Any]) -> str:
    """Its name, with what a reader must know of it, or why it was not measured."""
    skipped = figure.get("skipped", "")
    words = f"skipped: {skipped}" if skipped else str(figure.get("note", ""))
    return f"{figure.get('name', '')} ({words})" if words else str(figure.get("name", ""))


def _per_thousand(counts: Mapping[str, float], *names: str) -> str:
    """Counts per message as counts per thousand."""
    if not all(name in counts for name in names):
        return "not counted"
    values = [1e3 * counts[name] for name in names]
    return " + ".join(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values)


_REGISTRY: dict[str, Callable[[Sequence[RunRecord]], Section]] = {
    "check": _checked,
    "explore": _explored,
    "mutants": _detection,
    "gate": _gate,
    "bench": _bench,
}


def _count(value: Any) -> str:
    return "" if value is None else f"{value:,}"


def _bytes(size: int) -> str:
    return f"{size:,}\N{NO-BREAK SPACE}B"


def _pairs(values: dict[str, Any]) -> str:
    """``accesses 4,000, kills 0``; a line ends between the pairs, not in one."""
    numbers = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    return ", ".join(f"{name}\N{NO-BREAK SPACE}{value}" for name, value in numbers.items())


def _counterexample(cost: dict[str, Any]) -> str:
    """What a person has to follow in the schedule that failed; empty where none did."""
    names = ("stale", "switches", "kills", "steps")
    return ", ".join(f"{name} {cost[name]}" for name in names if name in cost)


def _change(estimate: dict[str, float]) -> str:
    return f"{estimate['change']:+.1%} [{estimate['low']:+.1%}, {estimate['high']:+.1%}]"


def _interval(summary: dict[str, float], unit: float) -> str:
    median, low, high = (summary[name] / unit for name in ("median", "low", "high"))
    return f"{median:.3g} [{low:.3g}, {high:.3g}]"
