"""How an exploration is shared out: who gets which pieces, and how much of each bound."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from harness.engine import Engine, EngineLost, deal
from harness.explore.distinct import Distinct
from harness.explore.parts import Part, Piece, Seen, Task, explore_part
from harness.explore.progress import Covered

__all__ = ["Collected", "Shares", "collect"]

FIRST_S = 0.05
"""The first part of an exploration makes pieces for the others; small programs end in it."""
SHORTEST_S, LONGEST_S = 0.03, 0.25
"""Of a part, while others could help: whoever has nothing to do waits no longer than that for pieces."""
BATCH = 16
"""New pieces in one part."""
WINDOW = 64
"""Of what is left, in one part: going on with the last keeps the list short, as depth first search does its stack."""
GRACE_S = 30.0
"""After the deadline, for an engine that is slow to answer."""
ENDLESS = 2**63


class Shares:
    """Pieces that wait to be explored, and what is left of the bounds.

    Args:
        pieces: made as they are needed. executions: at most, over all parts; None: as many as there are.
        deadline: by ``time.monotonic()``. alone: nobody could help, so that parts need not end early.
    """

    def __init__(self, pieces: Iterable[Piece], executions: int | None, deadline: float, *, alone: bool) -> None:
        self._new = iter(pieces)
        self._left: list[Piece] = []
        self._executions = ENDLESS if executions is None else executions
        self._start, self._deadline = time.monotonic(), deadline
        self._alone = alone

    def first(self) -> Part | None:
        """A short part, which leaves pieces for several."""
        return self._part(1, FIRST_S)

    def next_part(self, free: int) -> Part | None:
        """A fair share for one of `free` idle processes; None if nothing can be explored at present."""
        now = time.monotonic()
        seconds = min(LONGEST_S, max(SHORTEST_S, (now - self._start) / 10))
        return self._part(free, self._deadline - now if self._alone else seconds)

    def _part(self, free: int, seconds: float) -> Part | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0 or self._executions <= 0:
            return None
        # every so many-th of the last: what was left earlier is larger; some stay for who is idle next
        step = 1 if self._alone else free + 1
        window = slice(max(0, len(self._left) - step * WINDOW), None, step)
        pieces = self._left[window]
        del self._left[window]
        if not pieces:
            pieces = list(itertools.islice(self._new, BATCH))
        if not pieces:
            return None
        executions = self._executions if self._executions == ENDLESS else -(-self._executions // free)
        if executions != ENDLESS:
            self._executions -= executions
        return Part(tuple(pieces), executions, min(seconds, remaining), remaining)

    def take_back(self, part: Part, seen: Iterable[Seen]) -> None:
        """What a part has left of its pieces and of its executions."""
        spent = 0
        for each in seen:
            self._left += each.left
            spent += each.executions + each.cut + each.bounded
        if part.executions != ENDLESS:
            self._executions += max(0, part.executions - spent)

    def exhausted(self) -> bool:
        """Is nothing left? To be asked when nothing is being explored any more."""
        return not self._left and next(self._new, None) is None


@dataclass
class Collected:
    """What all parts of an exploration have seen together.

    Attributes:
        executions, cut, longest: as in Seen. histories: distinct ones, of each kill plan.
        bounded, loops: as in Seen. covered: what the progress driver tells. failure: the first that was found.
        exhausted: nothing is left so far. lost: why an engine gave up, or empty.
    """

    executions: int = 0
    cut: int = 0
    histories: Distinct = field(default_factory=Distinct)
    longest: tuple[int, ...] = ()
    bounded: int = 0
    loops: set[str] = field(default_factory=set)
    covered: Covered = field(default_factory=Covered)
    failure: Seen | None = None
    exhausted: bool = True
    lost: str = ""

    @property
    def is_over(self) -> bool:
        return self.failure is not None or bool(self.lost)

    @property
    def is_whole(self) -> bool:
        """Was every execution seen? One that ended at a bound takes along those that others' later steps would make."""
        return self.exhausted and self.bounded == 0

    def add(self, seen: Seen) -> None:
        self.executions += seen.executions
        self.cut += seen.cut
        self.longest = tuple(max(pair) for pair in itertools.zip_longest(self.longest, seen.longest, fillvalue=0))
        self.histories.add(seen.histories, seen.kills)
        self.bounded += seen.bounded
        self.loops.update(seen.loops)
        self.covered.add(seen)
        self.exhausted = self.exhausted and not seen.partial
        if seen.fault and self.failure is None:
            self.failure = seen


def collect(
    engine: Engine,
    task: Task,
    pieces: Iterable[Piece],
    *,
    executions: int | None,
    deadline: float,
    collected: Collected | None = None,
) -> Collected:
    """Explore pieces, and what comes of them, until nothing is left, or a bound is met, or a failure is found.

    `collected`: what was seen before, and belongs to the same bound on executions.
    """
    collected = collected or Collected()
    if executions is not None:
        executions -= collected.executions + collected.cut + collected.bounded
    shares = Shares(pieces, executions, deadline, alone=engine.is_here)
    try:
        for part, seen in _explored(engine, task, shares, deadline):
            shares.take_back(part, seen)
            for each in seen:
                collected.add(each)
            if collected.failure is not None:
                collected.exhausted = False
                return collected
    except EngineLost as error:
        collected.exhausted, collected.lost = False, str(error)
        return collected
    collected.exhausted = collected.exhausted and shares.exhausted()
    return collected


def _explored(engine: Engine, task: Task, shares: Shares, deadline: float) -> Iterator[tuple[Part, list[Seen]]]:
    if not engine.is_here:
        first = shares.first()
        if first is not None:
            engine.parts += 1
            yield first, explore_part(task, first)
    patience = max(0.0, deadline - time.monotonic()) + GRACE_S
    yield from deal(engine, partial(explore_part, task), shares.next_part, patience)
