"""Cells of the benchmark: transports measured in turn, round by round, so that all of them meet the same neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from harness.bench.crew import Crew, Slice, Stuck
from harness.bench.transport import Transport, Unavailable
from harness.metrics import has_beyond

__all__ = [
    "PERCENTILES",
    "Cell",
    "Figure",
    "LatencyCell",
    "Summary",
    "latency",
    "messages_for",
    "summarize",
    "throughput",
]

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
_PROBE_MESSAGES = 2_000
_GROWTH = 10
_CLOSE = 1.5
"""A slice so many times too short still tells the rate."""
_MOST_PROBES = 8
_CONFIDENCE = 0.95
_CAPACITY = 1 << 20

Make = Callable[[], Transport]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Summary:
    """A median over rounds with its 95 % interval (order statistics, by scipy's quantile test)."""

    median: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return dict(self.__dict__)


def summarize(values: Sequence[float] | npt.NDArray[np.float64]) -> Summary:
    """Median and interval; fewer than six values have no such interval, and get their range."""
    row = np.sort(np.asarray(values, dtype=float))
    median = float(np.median(row))
    if len(row) < 6:
        return Summary(median, float(row[0]), float(row[-1]))
    interval = stats.quantile_test(row, q=median, p=0.5).confidence_interval(_CONFIDENCE)
    return Summary(median, float(interval.low), float(interval.high))


@dataclass(frozen=True)
class Figure:
    """What one transport did in a cell.

    Attributes:
        name: of the transport. rate: messages per second. ratio: of the first transport's rate to this one's, paired
            by round; a ratio above 1 is in the first one's favour.
        switches: context switches per message. counters: of the transport's own, per message (a sleep is a wait in
            the futex or in back-off); empty where it counts nothing.
        skipped: why nothing was measured, else empty. note: what a reader must know.
    """

    name: str
    rate: Summary | None = None
    ratio: Summary | None = None
    switches: float = 0.0
    counters: Mapping[str, float] = field(default_factory=dict)
    skipped: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "counters": dict(self.counters),
            "rate": None if self.rate is None else self.rate.to_json(),
            "ratio": None if self.ratio is None else self.ratio.to_json(),
        }


@dataclass(frozen=True)
class Cell:
    """Throughput of several transports under the same conditions."""

    group: str
    on: str
    senders: int
    receivers: int
    size: int
    batch: int
    pinned: bool
    capacity: int
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "figures": [figure.to_json() for figure in self.figures]}

    def __getitem__(self, name: str) -> Figure:
        return next(figure for figure in self.figures if figure.name == name)


@dataclass
class _Contestant:
    transport: Transport
    crew: Crew | None = None
    count: int = 0
    slices: list[Slice] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    skipped: str = ""


def throughput(
    transports: Sequence[Transport],
    on: str,
    senders: int,
    receivers: int,
    size: int,
    *,
    batch: int = 1,
    rounds: int = 7,
    slice_s: float = 0.05,
    pin: bool = True,
    capacity: int = _CAPACITY,
    group: str = "",
    progress: Progress = lambda _: None,
) -> Cell:
    """Messages per second of each transport; those that cannot be used here are skipped with a word.

    Args:
        batch: messages per call; a transport without batches takes them call by call, which its note says.
        pin: workers to CPUs in turn. capacity: bytes of the channel, and of peers that ask.
        group: which curve the cell belongs to.

    First slices warm up and tell how many messages fill `slice_s`; then rounds in alternating order.
    """
    contestants = [_Contestant(transport) for transport in transports]
    with ExitStack() as stack:
        for one in contestants:
            progress(one.transport.name)
            try:
                one.crew = stack.enter_context(Crew([one.transport], on, senders, receivers, capacity, size, pin))
                one.count = messages_for(one.crew, slice_s, batch)
                one.before = one.crew.counters()
            except (Unavailable, Stuck, OSError) as error:
                one.skipped = str(error)
        for number in range(rounds):
            progress(f"round {number + 1}")
            for one in contestants if number % 2 == 0 else reversed(contestants):
                if one.crew is None or one.skipped:
                    continue
                try:
                    one.slices.append(one.crew.throughput(one.count, batch))
                except Stuck as error:
                    one.skipped = str(error)
        for one in contestants:
            if one.crew is not None and not one.skipped:
                try:
                    one.after = one.crew.counters()
                except Stuck as error:
                    one.skipped = str(error)
        figures = tuple(_figure(one, contestants[0], batch) for one in contestants)
    return Cell(group, on, senders, receivers, size, batch, pin, capacity, figures)


def messages_for(crew: Crew, seconds: float, batch: int = 1) -> int:
    """How many messages fill a slice, by slices that grow.

    Short ones mislead: threads that have just begun wait for the GIL, which is handed over every 5 ms.
    """
    count = _PROBE_MESSAGES
    for _ in range(_MOST_PROBES):
        wanted = int(crew.throughput(count, batch).rate * seconds)
        if wanted <= _CLOSE * count:
            return max(wanted, _PROBE_MESSAGES)
        count = min(wanted, _GROWTH * count)
    return count


def _figure(one: _Contestant, first: _Contestant, batch: int) -> Figure:
    reach = one.transport.reach
    note = reach.note if batch == 1 or reach.batches else "; ".join(filter(None, ["call by call", reach.note]))
    if one.skipped or one.crew is None:
        return Figure(one.transport.name, skipped=one.skipped, note=note)
    rates = np.asarray([piece.rate for piece in one.slices])
    messages = sum(piece.messages for piece in one.slices)
    counters = {name: (total - one.before.get(name, 0)) / messages for name, total in one.after.items()}
    ratio = None
    if not first.skipped:
        ratio = summarize(np.asarray([piece.rate for piece in first.slices]) / rates)
    switches = sum(piece.switches for piece in one.slices) / messages
    return Figure(one.transport.name, summarize(rates), ratio, switches, counters, note=note)


@dataclass(frozen=True)
class LatencyCell:
    """Latency of one transport: a round trip between two workers, or one way.

    Attributes:
        percentiles: pairs (percent, ns), of all `count` messages together, to the nearest rank; only those that at
            least one message lies beyond, and (100, maximum).
        p50: median over the rounds, with its interval. rounds: the p50 of each round, ns; the same round of another
            transport was measured beside it.
        skipped: why nothing was measured, else empty. note: what a reader must know.
    """

    name: str
    kind: str
    on: str
    size: int
    count: int = 0
    percentiles: tuple[tuple[float, float], ...] = ()
    p50: Summary | None = None
    rounds: tuple[float, ...] = ()
    skipped: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "rounds": list(self.rounds),
            "percentiles": [list(pair) for pair in self.percentiles],
            "p50": None if self.p50 is None else self.p50.to_json(),
        }


QUEUED = "messages queued up: the machine was too busy to take one before the next"
"""The note of a one-way latency that is the length of a queue, and says nothing of the transport."""


def queued(p50_ns: float, pace_ns: float) -> bool:
    """Was the median message on its way for longer than ten take to come? Wake-ups take two or three."""
    return p50_ns > 10 * pace_ns


def latency(
    makers: Sequence[Make],
    kind: str,
    on: str,
    size: int = 8,
    *,
    rounds: int = 6,
    count: int = 3_000,
    pace_ns: int = 20_000,
    pin: bool = True,
    progress: Progress = lambda _: None,
) -> list[LatencyCell]:
    """ns of a ``"round trip"`` (there and back by two of a kind) or ``"one way"`` (by the clock all workers share)."""
    if kind not in ("round trip", "one way"):
        raise ValueError(f"kind is 'round trip' or 'one way'; got {kind!r}")
    cells: list[LatencyCell] = []
    crews: dict[int, Crew] = {}
    seen: dict[int, list[npt.NDArray[np.int64]]] = {}
    skipped: dict[int, str] = {}
    names: list[str] = []
    notes: list[str] = []

    def one(crew: Crew, messages: int) -> npt.NDArray[np.int64]:
        slice_ = crew.round_trips(messages) if kind == "round trip" else crew.one_way(messages, pace_ns)
        return slice_.latencies

    with ExitStack() as stack:
        for i, make in enumerate(makers):
            transports = [make(), make()] if kind == "round trip" else [make()]
            names.append(transports[0].name)
            notes.append(transports[0].reach.note)
            progress(names[-1])
            try:
                crews[i] = stack.enter_context(Crew(transports, on, 1, 1, _CAPACITY, size, pin))
                one(crews[i], max(count // 10, 100))
            except (Unavailable, Stuck, OSError) as error:
                skipped[i] = str(error)
        for number in range(rounds):
            order = range(len(names)) if number % 2 == 0 else reversed(range(len(names)))
            for i in order:
                if i in skipped:
                    continue
                try:
                    seen.setdefault(i, []).append(one(crews[i], count))
                except Stuck as error:
                    skipped[i] = str(error)
    for i, (name, note) in enumerate(zip(names, notes, strict=True)):
        if i in skipped:
            cells.append(LatencyCell(name, kind, on, size, skipped=skipped[i], note=note))
            continue
        everything = np.concatenate(seen[i])
        told = [p for p in PERCENTILES if has_beyond(p, len(everything))]
        ranks = np.percentile(everything, [*told, 100.0], method="inverted_cdf")
        percentiles = tuple(zip([*told, 100.0], map(float, ranks), strict=True))
        medians = tuple(float(np.median(row)) for row in seen[i])
        p50 = summarize(medians)
        if kind == "one way" and queued(p50.median, pace_ns):
            note = "; ".join(filter(None, (note, QUEUED)))
        cells.append(LatencyCell(name, kind, on, size, len(everything), percentiles, p50, medians, note=note))
    return cells
