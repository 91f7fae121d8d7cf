"""The figures of the performance section, by matplotlib.

A figure shows a panel per scenario and executor; modes differ in the dash, kinds of operation in colour and marker, so
that colour is never the only sign.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.metrics import has_beyond
from harness.record import Metrics, RunRecord
from reports.figure import INK, MOST_MARKS, SERIES, STYLE, plain, to_svg

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Plot", "gate_ratios", "new_figure", "nines", "performance"]

MOST_PANELS = 12
MOST_RUNS = 8
"""In a panel."""
MOST_BARS = 32
_KINDS = (
    "write",
    "try_write",
    "write_many",
    "read",
    "try_read",
    "read_many",
    "peek",
    "skip",
    "skip_force",
)
_MARKERS = "osD^vP*Xh"
_DASHES = {"native": "-", "api": (0, (4, 2))}
_DASHED = "Solid: native scripts; dashed: through the Python API."
"""What every caption says whose lines have a dash by mode."""
_COLUMNS = 2
_CHANGES = (-90, -50, -25, -10, -5, 0, 5, 10, 25, 50, 100, 1_000, 10_000)
"""Ticks, in %."""
# as in harness.record.Metrics: singly to 16, then the first of each power of two
_RETRY_BINS = (*range(18), *(1 << exponent for exponent in range(5, 32)))

Panel = tuple[str, list[RunRecord]]


@dataclass(frozen=True)
class Plot:
    """An SVG element, with what it shows in words."""

    title: str
    caption: str
    svg: str


def performance(records: Sequence[RunRecord]) -> Iterator[Plot]:
    """Throughput, latency, retries and back-off of the runs that measured them."""
    measured = [record for record in records if record.metrics is not None and record.metrics.operations]
    if not measured:
        return
    panels = _panels(measured)
    left_out = ""
    if len(panels) > MOST_PANELS or any(len(runs) > MOST_RUNS for _, runs in panels):
        panels = [(title, runs[:MOST_RUNS]) for title, runs in panels[:MOST_PANELS]]
        drawn = sum(len(runs) for _, runs in panels)
        left_out = f" Drawn: {drawn} of {len(measured)} runs; results.json has all."
    drawings: list[tuple[str, str, str, Callable[[Axes, RunRecord, Metrics], None]]] = [
        (
            "throughput",
            "Throughput over time",
            f"Operations that returned per second, in slices of the run. {_DASHED}",
            _throughput,
        ),
        (
            "workers",
            "Throughput by worker",
            "Operations per second of each worker, from its first call to its last response; waiting is part of it. "
            "The last worker is the harness itself, which reads what is left when the others have ended.",
            _by_worker,
        ),
        (
            "latency",
            "Latency percentiles",
            "Time from call to return, on an axis of nines; waiting for a message or for space is part of it. "
            + _DASHED,
            _latency,
        ),
        (
            "retries",
            "Retry histograms",
            "How many operations needed so many retries; counts on a log axis, powers of two beyond 16. " + _DASHED,
            _retries,
        ),
    ]
    for name, title, caption, draw in drawings:
        figure = _grid(panels, draw)
        yield Plot(title, caption + left_out, to_svg(figure, f"plot-{name}", title, caption))
    caption = "Time asleep, in back-off or waiting, all workers together, by kind of operation."
    caption += f" Drawn: {MOST_BARS} of {len(measured)} runs." if len(measured) > MOST_BARS else ""
    yield Plot("Time asleep", caption, to_svg(_slept(measured[:MOST_BARS]), "plot-slept", "Time asleep", caption))


def _panels(records: Sequence[RunRecord]) -> list[Panel]:
    panels: dict[str, list[RunRecord]] = {}
    for record in records:
        panels.setdefault(f"{record.scenario} on {record.executor}", []).append(record)
    return list(panels.items())


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out by itself."""
    import matplotlib as mpl

    # only the agg and svg backends are touched: no display, no pyplot, no global state
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _grid(panels: list[Panel], draw: Callable[[Axes, RunRecord, Metrics], None]) -> Figure:
    import matplotlib as mpl

    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    with mpl.rc_context(STYLE):
        figure = new_figure(4.6 * columns, 2.0 * rows + 0.45)
        handles: dict[str, Artist] = {}
        for index, (title, records) in enumerate(panels):
            axes = figure.add_subplot(rows, columns, index + 1)
            axes.set_title(plain(title))
            for record in records:
                if record.metrics is not None:
                    draw(axes, record, record.metrics)
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.setdefault(name, handle)
        if handles:
            figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=9, fontsize=8)
    return figure


def _colour(kind: str) -> tuple[str, str]:
    index = _KINDS.index(kind) if kind in _KINDS else 0
    return SERIES[index % len(SERIES)], _MARKERS[index % len(_MARKERS)]


def _throughput(axes: Axes, record: RunRecord, metrics: Metrics) -> None:
    axes.set_xlabel("time since the start, s", loc="right", labelpad=1)
    axes.set_ylabel("throughput,\nM operations/s")
    pairs = metrics.throughput_over_time
    if not pairs:
        return
    seconds, rates = zip(*pairs, strict=True)
    index = 0 if record.mode == "native" else 1
    axes.plot(
        seconds,
        [rate / 1e6 for rate in rates],
        color=SERIES[index],
        linestyle=_DASHES.get(record.mode, ":"),
        label=plain(record.mode),
        rasterized=len(pairs) > MOST_MARKS,
    )
    # the modes are far apart, and a slice may hold nothing: logarithmic, and linear around 0
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", nbins=5)


def _by_worker(axes: Axes, record: RunRecord, metrics: Metrics) -> None:
    axes.set_xlabel("worker, by number", loc="right", labelpad=1)
    axes.set_ylabel("throughput,\nM operations/s")
    points = [
        (entry["worker"], entry["operations"] * 1e3 / (entry["last_ns"] - entry["first_ns"]))
        for entry in metrics.workers
        if entry["last_ns"] > entry["first_ns"]
    ]
    if not points:
        return
    index = 0 if record.mode == "native" else 1
    numbers, rates = zip(*points, strict=True)
    axes.plot(
        numbers,
        rates,
        color=SERIES[index],
        marker=_MARKERS[index],
        markersize=4,
        linestyle="",
        label=plain(record.mode),
    )
    axes.set_yscale("log")
    axes.locator_params(axis="x", integer=True, nbins=8)


def nines(percent: float) -> float:
    """0 at 0 %, 1 at 90 %, 2 at 99 %, ...; 100 % has no place on this axis."""
    return -math.log10(1 - percent / 100)


def _latency(axes: Axes, record: RunRecord, metrics: Metrics) -> None:
    for kind, summary in metrics.latency.items():
        points = [(nines(p), max(ns, 1.0) / 1e3) for p, ns in summary.percentiles if has_beyond(p, summary.count)]
        if not points:
            continue
        colour, marker = _colour(kind)
        axes.plot(
            *zip(*points, strict=True),
            color=colour,
            linestyle=_DASHES.get(record.mode, ":"),
            marker=marker,
            markersize=2.8,
            linewidth=1.0,
            label=plain(kind) if record.mode == "native" else None,
        )
    axes.set_yscale("log")
    most = max((summary.count for summary in metrics.latency.values()), default=0)
    percents = [p for p in (50, 90, 99, 99.9, 99.99, 99.999) if p <= 99 or has_beyond(p, most)]
    axes.set_xticks([nines(p) for p in percents], [f"{p:g}" for p in percents])
    axes.set_xlabel("percentile of operations, %", loc="right", labelpad=1)
    axes.set_ylabel("latency, µs")


def _retries(axes: Axes, record: RunRecord, metrics: Metrics) -> None:
    for kind, pairs in metrics.retries.items():
        if not pairs:
            continue
        # a bin that nothing fell into is a gap in the line, not a plateau
        counts = dict(pairs)
        bins = [number for number in _RETRY_BINS if number < pairs[-1][0]] + [pairs[-1][0]]
        colour, marker = _colour(kind)
        axes.plot(
            [number + 1 for number in bins],
            [counts.get(number, math.nan) for number in bins],
            color=colour,
            linestyle=_DASHES.get(record.mode, ":"),
            drawstyle="steps-mid",
            marker=marker,
            markersize=2.8,
            linewidth=1.0,
            label=plain(kind) if record.mode == "native" else None,
        )
    axes.set_yscale("log")
    axes.set_xscale("log", base=2)
    ticks = [0, 1, 3, 7, 16, 32, 128, 512, 2048, 8192]
    most = max((pairs[-1][0] for pairs in metrics.retries.values() if pairs), default=0)
    # the modes share a panel: the ticks reach as far as either has retries
    reach = max(most + 1, axes.get_xlim()[1] / 2)
    shown = [tick for tick in ticks if tick < max(reach, 2)]
    axes.set_xticks([tick + 1 for tick in shown], [str(tick) for tick in shown])
    axes.minorticks_off()
    axes.set_xlabel("retries of one operation, count", loc="right", labelpad=1)
    axes.set_ylabel("operations, count")


def _slept(records: Sequence[RunRecord]) -> Figure:
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = new_figure(9.2, 0.26 * len(records) + 0.9)
        axes = figure.add_subplot()
        names = [plain(f"{record.scenario} · {record.executor} · {record.mode}") for record in records]
        places = range(len(names))
        left = [0.0] * len(records)
        for index, kind in enumerate(_KINDS):
            values = [record.metrics.slept_ns.get(kind, 0) / 1e6 if record.metrics else 0.0 for record in records]
            if not any(values):
                continue
            colour, _ = _colour(kind)
            hatch = ("", "//", "..", "xx", "--", "\\\\", "oo", "++", "**")[index]
            axes.barh(places, values, left=left, color=colour, label=kind, hatch=hatch, edgecolor=INK, linewidth=0.3)
            left = [a + b for a, b in zip(left, values, strict=True)]
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlabel("time asleep, ms")
        axes.set_ylabel("run")
        axes.grid(visible=False, axis="y")
        if any(left):
            axes.legend(loc="best", ncols=3, fontsize=8)
    return figure


def gate_ratios(record: RunRecord, prefix: str) -> Plot | None:
    """The pairs of a gate's record as dots, their estimate with its interval, and the threshold band."""
    import matplotlib as mpl

    rows = record.details.get("pairs", {})
    judgements = {entry["metric"]: entry for entry in record.details.get("judgements", ())}
    if not rows:
        return None
    caption = (
        "Each dot is one pair, candidate against reference; right of 0 is faster. "
        "The diamond is the estimate with its 99 % interval; hollow marks are the build against itself. "
        "The band is what does not fail."
    )
    with mpl.rc_context(STYLE):
        figure = new_figure(9.2, 0.5 * len(rows) + 0.9)
        axes = figure.add_subplot()
        for position, (metric, pairs) in enumerate(rows.items()):
            for offset, name, marker, filled in ((0.16, "log_ratios", "o", True), (-0.2, "noise", "s", False)):
                values = [100 * math.expm1(value) for value in pairs.get(name, ())]
                axes.scatter(
                    values,
                    [position - offset] * len(values),
                    s=9,
                    marker=marker,
                    facecolors=SERIES[0] if filled else "none",
                    edgecolors=SERIES[0] if filled else SERIES[3],
                    linewidths=0.6,
                    alpha=0.6,
                    rasterized=len(values) > MOST_MARKS,
                )
            threshold = 100 * abs(judgements.get(metric, {}).get("threshold", 0.05))
            axes.fill_betweenx([position - 0.4, position + 0.4], -threshold, threshold, color=SERIES[1], alpha=0.12)
            estimate = judgements.get(metric, {}).get("estimate")
            if estimate:
                mid, low, high = (100 * estimate[name] for name in ("change", "low", "high"))
                axes.plot([low, high], [position, position], color=INK, linewidth=1.6)
                axes.plot([mid], [position], color=INK, marker="D", markersize=5)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [plain(metric) for metric in rows])
        axes.invert_yaxis()
        # a pair of contending threads may differ tenfold: linear where decisions are made, logarithmic beyond
        axes.set_xscale("symlog", linthresh=10, linscale=1.5)
        left, right = axes.get_xlim()
        axes.set_xticks([tick for tick in _CHANGES if left <= tick <= right], minor=False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_xlabel("change of speed, %")
        axes.set_ylabel("metric")
    return Plot("Pairs of the gate", caption, to_svg(figure, prefix, "Pairs of the gate", caption))
