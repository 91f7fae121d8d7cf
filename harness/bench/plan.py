"""What a run of the benchmark measures, cell by cell: curves by workers and by size, ends of the queue, peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from harness.bench.measure import Cell, LatencyCell, Progress, latency, throughput
from harness.bench.peers import PEERS, CloudtoidSpinning, ThreadSimpleQueue, peers
from harness.bench.transport import Transport

__all__ = ["FULL", "QUICK", "BenchRun", "Effort", "run_bench"]

ChannelMaker = Callable[[str, int | None], Transport]
"""Makes the channel under a name for tables, with that many spins (None: its default)."""

NativeMaker = Callable[[], Transport]
"""Makes the same channel, carrying in native loops."""

NativeCost = Callable[[int], float]
"""ns of a native write and read of so many bytes."""

_BATCH = 64
_NEAR_FULL = 512
_SPIN = 1 << 30


@dataclass(frozen=True)
class Effort:
    """How long a run takes.

    Attributes:
        rounds, slice_s: of a throughput cell. round_trips: of a latency slice; three of them reach p99.99.
        workers: (senders, receivers) of the curve by workers. sizes: bytes, of the curve by size.
    """

    rounds: int
    slice_s: float
    round_trips: int
    workers: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]

    @property
    def latency_rounds(self) -> int:
        return max(self.rounds // 2, 3)


QUICK = Effort(6, 0.03, 3_400, ((1, 1), (2, 2), (8, 8)), (8, 1024, 16384))
FULL = Effort(
    11,
    0.06,
    4_000,
    ((1, 1), (2, 1), (4, 1), (16, 1), (2, 2), (4, 4), (8, 8), (16, 16)),
    (8, 64, 256, 1024, 4096, 16384, 65536),
)


@dataclass(frozen=True)
class BenchRun:
    """All cells of a run. `native`: pairs (bytes, ns of a native write and read)."""

    cells: tuple[Cell, ...]
    latencies: tuple[LatencyCell, ...]
    native: tuple[tuple[int, float], ...]

    def group(self, name: str) -> list[Cell]:
        """The cells of one curve."""
        return [cell for cell in self.cells if cell.group == name]


def run_bench(
    channel: ChannelMaker,
    natively: NativeMaker,
    native: NativeCost,
    effort: Effort,
    on: Sequence[str] = ("processes", "threads"),
    with_peers: bool = True,
    progress: Progress = lambda _: None,
) -> BenchRun:
    """Measure everything; peers that are absent or cannot are named with a word."""
    cells: list[Cell] = []
    latencies: list[LatencyCell] = []

    def measure(
        group: str,
        where: str,
        transports: Sequence[Transport],
        senders: int = 1,
        receivers: int = 1,
        size: int = 8,
        batch: int = 1,
        pin: bool = True,
        capacity: int = 1 << 20,
    ) -> None:
        label = f"{group}: {where}, {senders}x{receivers}, {size} B"
        cells.append(
            throughput(
                transports,
                where,
                senders,
                receivers,
                size,
                batch=batch,
                rounds=effort.rounds,
                slice_s=effort.slice_s,
                pin=pin,
                capacity=capacity,
                group=group,
                progress=lambda what: progress(f"{label}: {what}"),
            )
        )

    def ours() -> list[Transport]:
        return [channel("channel", None)]

    def otherwise_waiting() -> list[Transport]:
        return [channel("channel, spinning", _SPIN), channel("channel, futex", 0)]

    def both_faces() -> list[Transport]:
        return [*ours(), natively()]

    for where in on:
        for senders, receivers in effort.workers:
            measure("workers", where, both_faces(), senders, receivers)
        for size in effort.sizes:
            measure("size", where, both_faces(), size=size)
        measure("batch", where, both_faces(), batch=_BATCH)
        measure("batch", where, both_faces(), 2, 2, batch=_BATCH)
        measure("unpinned", where, ours(), 2, 2, pin=False)
        measure("near full", where, [*ours(), *otherwise_waiting()], capacity=_NEAR_FULL)
        measure("near empty", where, [*ours(), *otherwise_waiting()], 1, 2)
        if with_peers:
            for workers, size in ((1, 8), (2, 8), (1, 1024)):
                # the channel against itself: what a ratio of 1 looks like here and now
                both = [*ours(), channel("channel, again", None)]
                measure("peers", where, [*both, *peers(where, workers, workers, size)], workers, workers, size)
        for kind in ("round trip", "one way"):
            latencies += latency(
                _late(channel, where, with_peers),
                kind,
                where,
                count=effort.round_trips,
                rounds=effort.latency_rounds,
                progress=lambda what, label=f"{kind}, {where}": progress(f"{label}: {what}"),  # type: ignore[misc]
            )
    if with_peers and "processes" in on:
        rivals = [peer for peer in peers("processes", 1, 1, 8) if peer.reach.batches]
        both = [*ours(), channel("channel, again", None)]
        measure("peers", "processes", [*both, *rivals], batch=_BATCH)
    costs = tuple((size, min(native(size) for _ in range(5))) for size in effort.sizes)
    return BenchRun(tuple(cells), tuple(latencies), costs)


def _late(channel: ChannelMaker, where: str, with_peers: bool) -> list[Callable[[], Transport]]:
    """Whose latency is measured: between threads, where the GIL decides, the channel's and one peer's."""
    ours = partial(channel, "channel", None)
    if where == "threads":
        return [ours, ThreadSimpleQueue] if with_peers else [ours]
    others: list[Callable[[], Transport]] = [*PEERS, CloudtoidSpinning] if with_peers else []
    chosen = [maker for maker in others if maker().reach.processes]
    return [partial(channel, "channel, spinning", _SPIN), ours, partial(channel, "channel, futex", 0), *chosen]
