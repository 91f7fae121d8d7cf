"""The figures of a benchmark: how the channel scales, how late messages are, and how it stands beside its peers.

The record is that of ``channel-harness bench``; docs/report.md documents its keys. The channel through Python is drawn
solid, its core in native loops dashed; threads and processes differ in colour and marker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.record import RunRecord
from reports.figure import INK, SERIES, STYLE, plain, to_svg
from reports.plots import Plot, new_figure, nines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bench_curves"]

Cell = Mapping[str, Any]

_ON = {"processes": (SERIES[0], "o"), "threads": (SERIES[1], "s")}
_PERCENTS = (50, 90, 99, 99.9, 99.99)
_MARKERS = "oD^vsP*Xhd<>"


def bench_curves(record: RunRecord, prefix: str) -> Iterator[Plot]:
    """Throughput by workers and by size, latency percentiles, and ratios to the peers, as far as they were measured."""
    cells: Sequence[Cell] = record.details.get("cells", ())
    by_group = {name: [cell for cell in cells if cell["group"] == name] for name in ("workers", "size", "peers")}
    drawings: tuple[tuple[str, str, str, Callable[[], Figure | None]], ...] = (
        (
            "workers",
            "Throughput by number of workers",
            "Messages of 8 bytes per second, by senders x receivers, on this machine's CPUs; medians with their 95 % "
            "intervals. Solid: through Python; dashed: native loops.",
            lambda: _by_workers(by_group["workers"]),
        ),
        (
            "size",
            "Throughput by size of the message",
            "One sender, one receiver. Solid: through Python; dashed: native loops; medians with their 95 % intervals.",
            lambda: _by_size(by_group["size"]),
        ),
        (
            "lateness",
            "Latency beside the peers",
            "Between two workers, on an axis of nines; a round trip is there and back. Thick: the channel.",
            lambda: _lateness(record.details.get("latencies", ())),
        ),
        (
            "peers",
            "Beside the peers",
            "How many times as fast the channel is, call by call, paired by round; bars: 95 % intervals. The line is "
            "1; 'channel, again' is the channel against itself.",
            lambda: _peers(by_group["peers"]),
        ),
    )
    for name, title, caption, draw in drawings:
        figure = draw()
        if figure is not None:
            yield Plot(title, caption, to_svg(figure, f"{prefix}-{name}", title, caption))


def _series(cells: Sequence[Cell], place: Callable[[Cell], Any]) -> dict[tuple[str, str], list[tuple[Any, Any]]]:
    """By (on, transport): pairs (place, rate), where a rate was measured."""
    found: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    for cell in cells:
        for figure in cell["figures"]:
            if figure["rate"] is not None:
                found.setdefault((cell["on"], figure["name"]), []).append((place(cell), figure["rate"]))
    return found


def _draw_rates(axes: Axes, series: dict[tuple[str, str], list[tuple[Any, Any]]], places: Sequence[Any]) -> None:
    """Each series over the positions of its places."""
    for (on, name), pairs in series.items():
        colour, marker = _ON.get(on, (SERIES[2], "^"))
        rates = [rate for _, rate in pairs]
        middle = [rate["median"] / 1e6 for rate in rates]
        below = [(rate["median"] - rate["low"]) / 1e6 for rate in rates]
        above = [(rate["high"] - rate["median"]) / 1e6 for rate in rates]
        axes.errorbar(
            [places.index(place) for place, _ in pairs],
            middle,
            yerr=[below, above],
            color=colour,
            marker=marker,
            markersize=4,
            capsize=2,
            linestyle=(0, (4, 2)) if "native" in name else "-",
            label=plain(f"{name}, {on}"),
        )
    axes.set_xticks(range(len(places)))
    axes.set_yscale("log")
    axes.set_ylabel("throughput, M messages/s")
    axes.legend(loc="best", fontsize=8)


def _by_workers(cells: Sequence[Cell]) -> Figure | None:
    import matplotlib as mpl

    series = _series(cells, lambda cell: (cell["senders"], cell["receivers"]))
    if not series:
        return None
    places = sorted({place for pairs in series.values() for place, _ in pairs}, key=lambda pair: (sum(pair), pair))
    with mpl.rc_context(STYLE):
        figure = new_figure(9.2, 3.0)
        axes = figure.add_subplot()
        _draw_rates(axes, series, places)
        axes.set_xticklabels([f"{senders}x{receivers}" for senders, receivers in places])
        axes.set_xlabel("workers, senders x receivers", loc="right")
    return figure


def _by_size(cells: Sequence[Cell]) -> Figure | None:
    import matplotlib as mpl

    series = _series(cells, lambda cell: cell["size"])
    if not series:
        return None
    places = sorted({place for pairs in series.values() for place, _ in pairs})
    with mpl.rc_context(STYLE):
        figure = new_figure(9.2, 3.0)
        axes = figure.add_subplot()
        _draw_rates(axes, series, places)
        axes.set_xticklabels([f"{size:,}" for size in places])
        axes.set_xlabel("size of a message, B", loc="right")
    return figure


def _lateness(latencies: Sequence[Mapping[str, Any]]) -> Figure | None:
    import matplotlib as mpl

    measured = [entry for entry in latencies if entry.get("percentiles")]
    panels: dict[str, list[Mapping[str, Any]]] = {}
    for entry in measured:
        panels.setdefault(f"{entry['kind']}, {entry['on']}" if "on" in entry else entry["kind"], []).append(entry)
    if not panels:
        return None
    names = list(dict.fromkeys(entry["name"] for entry in measured))
    with mpl.rc_context(STYLE):
        columns = min(len(panels), 2)
        rows = math.ceil(len(panels) / columns)
        figure = new_figure(9.2, 2.8 * rows + 0.8)
        for number, (title, entries) in enumerate(panels.items()):
            axes = figure.add_subplot(rows, columns, number + 1)
            axes.set_title(plain(title))
            for entry in entries:
                index = names.index(entry["name"])
                points = [(nines(p), max(ns, 1.0) / 1e3) for p, ns in entry["percentiles"] if p < 100]
                axes.plot(
                    *zip(*points, strict=True),
                    color=SERIES[index % len(SERIES)],
                    marker=_MARKERS[index % len(_MARKERS)],
                    markersize=3.5,
                    linewidth=2.0 if entry["name"].startswith("channel") else 0.9,
                    label=plain(entry["name"]),
                )
            axes.set_yscale("log")
            axes.set_xticks([nines(p) for p in _PERCENTS], [f"{p:g}" for p in _PERCENTS])
            axes.set_xlabel("percentile of messages, %", loc="right")
            axes.set_ylabel("latency, µs")
        handles: dict[str, Any] = {}
        for axes in figure.axes:
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.setdefault(name, handle)
        figure.legend(list(handles.values()), list(handles), loc="outside lower left", ncols=4, fontsize=8)
    return figure


def _peers(cells: Sequence[Cell]) -> Figure | None:
    import matplotlib as mpl

    rows: list[tuple[str, Mapping[str, float]]] = []
    for cell in cells:
        batch = f", batches of {cell['batch']}" if cell["batch"] > 1 else ""
        place = f"{cell['senders']}x{cell['receivers']} {cell['on']}, {cell['size']:,} B{batch}"
        rows += [
            (plain(f"{figure['name']} · {place}"), figure["ratio"])
            for figure in cell["figures"][1:]
            if figure["ratio"] is not None and math.isfinite(figure["ratio"]["median"])
        ]
    if not rows:
        return None
    with mpl.rc_context(STYLE):
        figure = new_figure(9.2, 0.2 * len(rows) + 0.8)
        axes = figure.add_subplot()
        middle = [ratio["median"] for _, ratio in rows]
        ends = (
            [ratio["median"] - ratio["low"] for _, ratio in rows],
            [ratio["high"] - ratio["median"] for _, ratio in rows],
        )
        axes.errorbar(
            middle, range(len(rows)), xerr=ends, fmt="D", color=SERIES[0], ecolor=INK, markersize=4, capsize=2
        )
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        axes.set_xlabel("speed of the channel, times that of the other", loc="right")
        axes.set_ylabel("transport")
    return figure
