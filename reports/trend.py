"""The trend of a gate: what earlier runs measured of the same paths, and where their level changed. Information only.

The gate's record brings the series and the change points (``details["trend"]``, docs/gate.md); nothing is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from harness.record import RunRecord
from reports.figure import INK, SERIES, STYLE, plain, to_svg
from reports.plots import Plot, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["level_changes", "trend_plot"]

_COLUMNS = 2
MOST_POINTS = 200


def trend_plot(record: RunRecord, prefix: str) -> Plot | None:
    """A panel per metric, runs from left to right; None where there is no earlier run."""
    import matplotlib as mpl

    metrics = {name: entry for name, entry in _trend(record).items() if len(entry["points"]) > 1}
    if not metrics:
        return None
    caption = (
        f"Speed against {record.details.get('reference', 'the reference')} in each run, oldest first, with its 99 % "
        "interval; a dashed line is where the level changed. Information, never a verdict."
    )
    rows = math.ceil(len(metrics) / _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = new_figure(9.2, 1.75 * rows + 0.3)
        for index, (name, entry) in enumerate(metrics.items()):
            axes = figure.add_subplot(rows, min(_COLUMNS, len(metrics)), index + 1)
            axes.set_title(plain(name))
            _panel(axes, entry)
    return Plot("Trend", caption, to_svg(figure, prefix, "Trend", caption))


def _panel(axes: Axes, entry: Mapping[str, Any]) -> None:
    points = entry["points"]
    middle = [point["ratio"] for point in points]
    ends = (
        [point["ratio"] - point["low"] for point in points],
        [point["high"] - point["ratio"] for point in points],
    )
    axes.errorbar(
        range(len(points)),
        middle,
        yerr=ends,
        color=SERIES[0],
        ecolor=SERIES[0],
        marker="o",
        markersize=3,
        elinewidth=0.8,
    )
    for begin in entry["changes"] or ():
        axes.axvline(begin - 0.5, color=INK, linestyle="--", linewidth=1.0)
    axes.set_xticks([0, len(points) - 1], [_day(points[0]), _day(points[-1])])
    axes.set_xlabel("run, by date", loc="right", labelpad=1)
    axes.set_ylabel("speed, times that\nof the reference")


def level_changes(record: RunRecord) -> tuple[str, Sequence[Sequence[str]]]:
    """A sentence on how changes were looked for, and a row per change: metric, first run of the level, from, to."""
    rows: list[list[str]] = []
    trend = _trend(record)
    looked = [entry["changes"] for entry in trend.values()]
    if not looked or all(changes is None for changes in looked):
        return "Changes of level were not looked for: the package ruptures is not installed.", rows
    for name, entry in trend.items():
        bounds = [0, *(entry["changes"] or ()), len(entry["points"])]
        levels = [median([p["ratio"] for p in entry["points"][a:b]]) for a, b in pairwise(bounds)]
        rows += [
            [name, entry["points"][begin]["started"], f"{before:.3g}", f"{after:.3g}", f"{after / before - 1:+.1%}"]
            for begin, (before, after) in zip(bounds[1:-1], pairwise(levels), strict=True)
        ]
    return "Changes of level by PELT on the logarithms (package ruptures); fewer than ten runs show none.", rows


def _trend(record: RunRecord) -> dict[str, dict[str, Any]]:
    """By metric, the last points, and the changes among them."""
    found = {}
    for name, entry in record.details.get("trend", {}).items():
        cut = max(len(entry["points"]) - MOST_POINTS, 0)
        changes = entry["changes"]
        kept = None if changes is None else [begin - cut for begin in changes if begin > cut]
        found[name] = {"points": entry["points"][cut:], "changes": kept}
    return found


def _day(point: Mapping[str, Any]) -> str:
    return plain(str(point["started"])[:10])
