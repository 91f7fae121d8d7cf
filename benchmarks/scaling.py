"""How the channel scales: by workers beyond the number of CPUs, and by size of the message.

    python benchmarks/scaling.py [--rounds N] [--json FILE]

Crews of all sizes stay and take turns, so a ratio is the median over neighbouring slices.
"""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from harness.bench.crew import Crew
from harness.bench.measure import messages_for, summarize, throughput
from harness.bench.rows import Row, arguments, cache_line_rows, publish, row, show
from harness.systems.transport import ChannelTransport

WORKERS = ((1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (4, 1), (16, 1), (1, 16))
SIZES = (8, 64, 256, 1024, 4096, 16384, 65536)
FLOORS = {(8, 8): 0.5}
"""Of the rate of 2x2: sixteen workers on two CPUs must not collapse."""
CAPACITY = 1 << 20
SLICE_S = 0.15


def by_workers(on: str, rounds: int) -> list[Row]:
    with ExitStack() as stack:
        crews = {pair: stack.enter_context(Crew([ChannelTransport()], on, *pair, CAPACITY, 8)) for pair in WORKERS}
        counts = {pair: messages_for(crew, SLICE_S) for pair, crew in crews.items()}
        rates: dict[tuple[int, int], list[float]] = {pair: [] for pair in WORKERS}
        for number in range(rounds):
            for pair in WORKERS if number % 2 == 0 else reversed(WORKERS):
                rates[pair].append(crews[pair].throughput(counts[pair]).rate)
    found = []
    for pair in WORKERS:
        ratio = summarize(np.asarray(rates[pair]) / np.asarray(rates[2, 2]))
        against = f"of 2x2 [{ratio.low:.2f}, {ratio.high:.2f}]"
        rate = float(np.median(rates[pair])) / 1e6
        found.append(row(f"{pair[0]}x{pair[1]} {on}, 8 B", rate, "M msg/s", against, ratio.median, FLOORS.get(pair)))
    return found


def by_size(on: str, rounds: int) -> list[Row]:
    found = []
    for size in SIZES:
        rate = throughput([ChannelTransport()], on, 1, 1, size, rounds=rounds, slice_s=SLICE_S / 3).figures[0].rate
        if rate is not None:
            found.append(row(f"1x1 {on}, {size} B", rate.median / 1e6, "M msg/s"))
            found.append(row(f"1x1 {on}, {size} B", rate.median * size / 1e9, "GB/s"))
    return found


def main() -> None:
    options = arguments(__doc__)
    found: list[Row] = show(cache_line_rows("before"))
    for on in ("processes", "threads"):
        found += show(by_workers(on, options.rounds))
        found += show(by_size(on, options.rounds))
    found += show(cache_line_rows("after"))
    publish(found, options)


if __name__ == "__main__":
    main()
