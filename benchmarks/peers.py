"""The channel beside what Python programs use today, in one run, through each one's public Python API.

    python benchmarks/peers.py [--rounds N] [--json FILE]

A ratio is the median over rounds of neighbouring slices, in favour of the channel, with its 95 % interval; targets are
the floors of the project. Peers whose packages are absent are named and left out. Round trips are by p50 of a round,
latency of the peer over the channel's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from harness.bench.measure import Cell, LatencyCell, latency, summarize, throughput
from harness.bench.peers import PEERS, CloudtoidSpinning, peers
from harness.bench.rows import Row, arguments, cache_line_rows, publish, row, show
from harness.bench.transport import Transport
from harness.systems.transport import ChannelTransport

SLICE_S = 0.05
ROUND_TRIPS = 1_500
FEWEST_ROUNDS = 15
"""Of round trips: two workers that spin lose a whole round to a neighbour, so a median needs many."""
BATCH = 64
POLLING = ("cloudtoid-interprocess, polling", "iceoryx2")

# floors: (on, workers, size, batch) -> peer -> least ratio
FLOORS: dict[tuple[str, int, int, int], dict[str, float]] = {
    ("processes", 1, 8, 1): {"cloudtoid-interprocess": 3, "multiprocessing.Queue": 20},
    ("processes", 2, 8, 1): {"cloudtoid-interprocess": 3, "multiprocessing.Queue": 20},
    ("processes", 1, 1024, 1): {"cloudtoid-interprocess": 1.3},
    ("processes", 1, 8, BATCH): {"cloudtoid-interprocess": 6},
    ("threads", 1, 8, 1): {"queue.SimpleQueue": 0.5},
    ("threads", 2, 8, 1): {},
    ("threads", 1, 8, BATCH): {"queue.SimpleQueue": 1},
}


def cell_rows(cell: Cell, floors: dict[str, float]) -> list[Row]:
    """One row per transport of the cell."""
    batch = f", batches of {cell.batch}" if cell.batch > 1 else ""
    where = f"{cell.senders}x{cell.receivers} {cell.on}, {cell.size} B{batch}"
    found = []
    for figure in cell.figures:
        if figure.rate is None or figure.ratio is None:
            print(f"{figure.name}: left out: {figure.skipped}")
            continue
        ours = figure is cell.figures[0]
        rate = figure.rate.median / 1e6
        against = "" if ours else f"slower than the channel [{figure.ratio.low:.2f}, {figure.ratio.high:.2f}]"
        if figure.note:
            against += f" ({figure.note})"
        ratio = None if ours else figure.ratio.median
        found.append(row(f"{where}: {figure.name}", rate, "M msg/s", against, ratio, floors.get(figure.name)))
    return found


def latency_rows(cells: Sequence[LatencyCell], kind: str) -> list[Row]:
    """p50 of each, and of the channel against the best peer of its kind: polling, or woken by the kernel.

    A ratio is the median over the rounds of the peer's p50 over the channel's in the same round, with its interval.
    """
    seen = {cell.name: cell for cell in cells if cell.p50 is not None}
    medians = {cell.name: cell.p50.median for cell in seen.values() if cell.p50 is not None}
    found = [row(f"{kind} p50: {name}", value / 1e3, "us") for name, value in medians.items()]
    for ours, polls, floor in (("channel, spinning", True, 1.0), ("channel, futex", False, 1 / 3)):
        rivals = {n: v for n, v in medians.items() if not n.startswith("channel") and (n in POLLING) == polls}
        if ours in medians and rivals:
            best = min(rivals, key=lambda name: rivals[name])
            ratio = summarize(np.asarray(seen[best].rounds) / np.asarray(seen[ours].rounds))
            against = f"quicker than {best} [{ratio.low:.2f}, {ratio.high:.2f}]"
            found.append(row(f"{kind} p50: {ours}", medians[ours] / 1e3, "us", against, ratio.median, floor))
    return found


def main() -> None:
    options = arguments(__doc__)
    found: list[Row] = show(cache_line_rows("before"))
    for (on, workers, size, batch), floors in FLOORS.items():
        rivals = peers(on, workers, workers, size)
        if batch > 1:
            rivals = [peer for peer in rivals if peer.name in floors]
        transports = [ChannelTransport(), ChannelTransport("channel, again"), *rivals]
        cell = throughput(transports, on, workers, workers, size, batch=batch, rounds=options.rounds, slice_s=SLICE_S)
        found += show(cell_rows(cell, floors))
    makers: list[Callable[[], Transport]] = [
        partial(ChannelTransport, "channel, spinning", 1 << 30),
        partial(ChannelTransport, "channel, futex", 0),
    ]
    makers += [maker for maker in (*PEERS, CloudtoidSpinning) if maker().reach.processes]
    rounds = max(options.rounds, FEWEST_ROUNDS)
    cells = latency(makers, "round trip", "processes", rounds=rounds, count=ROUND_TRIPS)
    found += show(latency_rows(cells, "round trip"))
    found += show(cache_line_rows("after"))
    publish(found, options)


if __name__ == "__main__":
    main()
