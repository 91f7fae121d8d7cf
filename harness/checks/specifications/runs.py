"""Which operations of a register must come before which, by the runs of its values.

A value that was written once is held in one piece: from its write to the next one, and whoever saw it did so in between
(the clusters of Gibbons & Korach, *Testing shared memories*, 1997). So if an operation of the run of u returned before
one of the run of v was called, all of u comes before the write of v.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Run", "forced_by_runs"]


@dataclass
class Run:
    """A value in a register.

    Attributes:
        write: the call that wrote it. seen: calls that were OK and saw it; only of a value that was written once.
        ended: those among them that wrote another value.
    """

    write: int
    seen: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)


def forced_by_runs(
    runs: Sequence[Run], intervals: Sequence[tuple[int, int]], pending: Sequence[bool]
) -> Iterator[tuple[int, int]]:
    """Pairs of calls, the second of which takes effect, if it does, after the first.

    Args:
        runs: of one register. intervals, pending: of all calls.
    """
    for run in runs:
        yield from ((run.write, seen) for seen in run.seen)
        yield from ((seen, ended) for ended in run.ended for seen in run.seen if seen != ended)
    known = [_Times.of(run, intervals, pending) for run in runs if run.seen or not pending[run.write]]
    known.sort(key=lambda times: times.begin)
    for place, one in enumerate(known):
        for at in range(place + 1, len(known)):
            other = known[at]
            if other.begin > one.end:
                break
            for before, after in ((one, other), (other, one)):
                if before.first < after.last:
                    write = after.run.write
                    yield from ((call, write) for call in (before.run.write, *before.run.seen) if call != write)


@dataclass(frozen=True)
class _Times:
    """From the first call of a run to the last return; its earliest return and its latest call."""

    run: Run
    begin: int
    end: float
    first: float
    last: int

    @classmethod
    def of(cls, run: Run, intervals: Sequence[tuple[int, int]], pending: Sequence[bool]) -> _Times:
        calls = [run.write, *run.seen]
        begun = [intervals[call][0] for call in calls]
        returned = [math.inf if pending[call] else intervals[call][1] for call in calls]
        first = min(returned)
        # a write that never returned took effect before whoever saw it returned
        end = max(first if pending[call] else until for call, until in zip(calls, returned, strict=True))
        return cls(run, min(begun), end, first, max(begun))
