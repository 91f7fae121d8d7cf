"""The page: one self-contained HTML file, read from the verdict downwards.

No request leaves it (the content security policy forbids all of them), and it is bounded: whatever can grow with the
number of runs is cut at a stated number, and says so.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2

from harness.record import Failure, RunRecord, Timeline
from harness.verdict import Outcome
from harness.words import again, before_and_after, counted, plural
from reports.interleaving import Lines, lines
from reports.noise import own_noise
from reports.plots import Plot, performance
from reports.results import assertions, label, operations, overall, variant
from reports.sections import Section, sections
from reports.timeline import Drawing, draw

__all__ = ["MOST_BYTES", "render"]

MOST_BYTES = 5_000_000
"""A page that is larger is made again with less in it."""
EXECUTORS = ("threads", "processes", "explored")

_FOLDER = Path(__file__).parent / "templates"
_MARKS = {Outcome.PASS: "✔", Outcome.FAIL: "✘", Outcome.INCONCLUSIVE: "?"}


@dataclass(frozen=True)
class _Limits:
    """How much of what can grow is shown; results.json has all."""

    runs: int
    failures: int
    witness: int
    rows: int
    text: int
    calls: int
    plots: bool = True


_LIMITS = (
    _Limits(runs=200, failures=50, witness=60, rows=500, text=4_000, calls=2_000),
    _Limits(runs=200, failures=50, witness=20, rows=200, text=400, calls=1_000),
    _Limits(runs=50, failures=10, witness=10, rows=50, text=200, calls=500),
    _Limits(runs=20, failures=5, witness=5, rows=20, text=100, calls=200, plots=False),
)
_FEWEST_CALLS = 40
_NO_HTML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MOST_SAMPLES = 4


@dataclass(frozen=True)
class _Row:
    """A scenario and its runs by executor; an executor without runs has an empty list."""

    scenario: str
    title: str
    cells: dict[str, list[_Run]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Run:
    record: RunRecord
    anchor: str

    @property
    def mark(self) -> str:
        return _MARKS[self.record.outcome]

    @property
    def assertions(self) -> int:
        return sum(self.record.assertions.values())

    @property
    def rate(self) -> float | None:
        metrics = self.record.metrics
        return metrics.operations / metrics.seconds if metrics and metrics.seconds else None

    @property
    def change(self) -> Mapping[str, Any]:
        """Against earlier runs of this report on this machine; empty where there are too few."""
        found: Mapping[str, Any] = self.record.details.get("change", {})
        return found

    @property
    def variant(self) -> str:
        return variant(self.record)

    @property
    def explored(self) -> list[str]:
        """Of an exploration: executions, how complete, model, bounds."""
        details = self.record.details
        if self.record.kind != "explore" or "executions" not in details:
            return []
        bounds = ", ".join(f"≤ {value} {name}" for name, value in details.get("bounds", {}).items() if value)
        complete = "exhausted" if details.get("exhausted") else "not exhausted"
        return [
            f"{_count(details['executions'])} {plural('execution', details['executions'])}",
            complete,
            str(details.get("model", "")),
            bounds,
        ]

    @property
    def slowest(self) -> tuple[str, float] | None:
        """The kind of operation with the highest p99, and that."""
        if self.record.metrics is None:
            return None
        found = [
            (dict(summary.percentiles).get(99.0, 0.0), kind) for kind, summary in self.record.metrics.latency.items()
        ]
        return (max(found)[1], max(found)[0]) if found else None


@dataclass(frozen=True)
class _Shown:
    """A failure, cut to what the page can bear."""

    run: _Run
    failure: Failure
    anchor: str
    limits: _Limits
    timeline: Drawing | None = None

    @property
    def operations(self) -> list[tuple[str, str]]:
        """The witness, each line with a link to its place in the timeline, or an empty one."""
        if self.failure.interleaving is not None:
            return []  # it says the same, beside the source
        shown = self.failure.operations[: self.limits.witness]
        links = [""] * len(shown)
        if self.timeline is not None and self.failure.timeline is not None:
            found = [self.timeline.links.get(row, "") for row in self.failure.timeline.witness]
            links = (found + links)[: len(shown)]
        return list(zip(shown, links, strict=True))

    @property
    def hidden(self) -> int:
        return len(self.failure.operations) - len(self.operations)

    @property
    def interleaving(self) -> Lines | None:
        found = self.failure.interleaving
        return None if found is None else lines(found, self.limits.rows)

    @property
    def last_words(self) -> str:
        return self.failure.last_words[-self.limits.text :]

    @property
    def command(self) -> str:
        """Whole or not at all: half a command reproduces nothing."""
        return self.failure.command if len(self.failure.command) <= _LIMITS[0].text else ""


def render(records: Sequence[RunRecord]) -> str:
    """The HTML of the report."""
    plots, made = list(performance(records)), sections(records)
    page = ""
    for limits in _LIMITS:
        page = _render(records, plots, made, limits)
        if len(page.encode()) <= MOST_BYTES:
            return page
    raise ValueError(f"the page has {len(page.encode()):,} bytes even when cut; at most {MOST_BYTES:,} are allowed")


def _render(records: Sequence[RunRecord], plots: list[Plot], made: list[Section], limits: _Limits) -> str:
    outcome, reason = overall(records)
    style, *scripts = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "timeline.js"))
    script = "".join(scripts)
    runs = [_Run(record, f"run-{number}") for number, record in enumerate(records)]
    failures = [
        _Shown(run, failure, f"failure-{run.anchor[4:]}-{number}", limits)
        for run in runs
        for number, failure in enumerate(run.record.failures)
    ][: limits.failures]
    samples = [(run, run.record.sample) for run in runs if run.record.sample is not None][:_MOST_SAMPLES]
    wanted = [failure.failure.timeline for failure in failures] + [sample for _, sample in samples]
    drawings = _draw(wanted, limits)
    failures = [replace(failure, timeline=drawing) for failure, drawing in zip(failures, drawings, strict=False)]
    # what did not pass is never cut away by what did; nor is a run that a failure points to
    named = {failure.run.anchor for failure in failures}
    first = sorted(runs, key=lambda run: (run.anchor not in named, run.record.outcome is Outcome.PASS))[: limits.runs]
    kept = {run.anchor for run in first}
    shown = [run for run in runs if run.anchor in kept]
    template = _environment(limits).get_template("page.html.j2")
    page = template.render(
        outcome=outcome.value,
        mark=_MARKS[outcome],
        reason=reason,
        limits=limits,
        style=style,
        script=script,
        script_hash=_hash(script),
        runs=shown,
        runs_hidden=len(runs) - len(shown),
        rows=_rows(shown),
        executors=EXECUTORS,
        failures=failures,
        failures_hidden=sum(len(record.failures) for record in records) - len(failures),
        assertions=sorted(assertions(records).items()),
        samples=[(run, drawing) for (run, _), drawing in zip(samples, drawings[len(failures) :], strict=True)],
        plots=plots if limits.plots else [],
        sections=made,
        environment=_environment_table(records),
        commit=_first(records, "commit"),
        started=min((record.started for record in records if record.started), default=""),
        duration=sum(record.duration for record in records),
        operations=sum(operations(record) for record in records),
        commands=list(dict.fromkeys(record.command for record in records if record.command))[:20],
    )
    return _NO_HTML.sub("\ufffd", page)


def _draw(timelines: Sequence[Timeline | None], limits: _Limits) -> list[Drawing | None]:
    """They share the calls that a page bears; the first that is drawn is the one that bare links mean."""
    count = sum(timeline is not None for timeline in timelines)
    most = max(limits.calls // max(count, 1), _FEWEST_CALLS)
    drawn: list[Drawing | None] = []
    for timeline in timelines:
        number = sum(drawing is not None for drawing in drawn) + 1
        drawn.append(None if timeline is None else draw(timeline, f"timeline-{number}", most, first=number == 1))
    return drawn


def _environment(limits: _Limits) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )

    def cut(text: object) -> str:
        whole = str(text)
        return whole if len(whole) <= limits.text else whole[: limits.text] + "…"

    environment.filters |= {
        "count": _count,
        "counted": counted,
        "again": again,
        "time": _time,
        "label": label,
        "mark": _MARKS.__getitem__,
        "cut": cut,
    }
    environment.filters["percent"] = "{:+.0%}".format
    return environment


def _rows(runs: Sequence[_Run]) -> list[_Row]:
    rows: dict[str, _Row] = {}
    for run in runs:
        record = run.record
        if record.kind not in ("stress", "explore"):
            continue
        title = str(record.details.get("title", ""))
        row = rows.setdefault(record.scenario, _Row(record.scenario, title, {name: [] for name in EXECUTORS}))
        row.cells.setdefault(record.executor, []).append(run)
    return list(rows.values())


def _first(records: Sequence[RunRecord], name: str) -> str:
    return next((str(record.environment[name]) for record in records if record.environment.get(name)), "")


def _environment_table(records: Sequence[RunRecord]) -> list[tuple[str, list[str]]]:
    """Each fact with its values over all runs: usually one; where runs differ, all of them (loads: the range)."""
    found: dict[str, list[str]] = {}
    for record in records:
        for name, content in _flat(record.environment):
            values = found.setdefault(name, [])
            if content not in values:
                values.append(content)
    for name in ("load before", "load"):
        if name in found:
            numbers = sorted(float(value) for value in found[name])
            ends = dict.fromkeys(f"{number:.2f}" for number in (numbers[0], numbers[-1]))
            found[name] = [f"{' to '.join(ends)} runnable tasks, mean of a minute"]
    if "load" in found:
        found["load after"] = found.pop("load")
    drawn = [record for record in records if record.kind == "stress"]  # nothing else is drawn from the record's seed
    if drawn:
        found["seed of the programs"] = list(dict.fromkeys(str(record.seed) for record in drawn))
    found["own noise"] = own_noise(records) or ["not measured in this run; gate and bench measure it"]
    return [(name, values[:12]) for name, values in found.items()]


def _flat(values: Any) -> list[tuple[str, str]]:
    flat = []
    for name, content in values.items():
        if name == "cache_line_ns":
            flat.append(("a cache line, core to core", before_and_after(content)))
        elif isinstance(content, dict):
            flat.append((name, ", ".join(f"{key} {value}" for key, value in content.items())))
        elif name == "memory_bytes":
            flat.append(("memory", f"{content / 2**30:.1f} GiB"))
        else:
            flat.append((name.replace("_", " "), str(content)))
    return flat


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _count(value: float) -> str:
    """1,234; 12.3 k; 1.23 M."""
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= unit:
            scale = 1e3 if sign == "k" else unit
            return f"{value / scale:.3g} {sign}"
    return f"{value:,.0f}"


def _time(nanoseconds: float) -> str:
    for unit, sign in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanoseconds >= unit:
            return f"{nanoseconds / unit:.3g} {sign}"
    return f"{nanoseconds:.0f} ns"
