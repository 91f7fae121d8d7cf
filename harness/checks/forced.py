"""What must come before what narrows the intervals of a history, and may refute it without a search.

If a comes before b in every order, then b has its effect not before the earliest instant of a, and a not after the
latest of b. A search that does not know that finds out at a read, many operations later, that two writes stood the
wrong way round, and tries all that is between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Narrowed", "narrow"]

Interval = tuple[int, int]


@dataclass(frozen=True)
class Narrowed:
    """A history with forced pairs.

    Attributes:
        needs: by operation those that must have been taken before. intervals: in which they have their effects.
        contradiction: an operation that has to have one and cannot, by times and pairs alone; None if there is none.
    """

    needs: list[list[int]]
    intervals: list[Interval]
    contradiction: int | None


def narrow(intervals: Sequence[Interval], pending: Sequence[bool], pairs: Iterable[tuple[int, int]]) -> Narrowed:
    """Take the pairs (first, second) into account: the second has no effect unless the first had its own before.

    One of an operation and itself says that it has none.

    Args:
        intervals: of operations. pending: those that never returned, and may have no effect, in parallel.
    """
    count = len(intervals)
    needs: list[list[int]] = [[] for _ in range(count)]
    needed_by: list[list[int]] = [[] for _ in range(count)]
    for first, second in dict.fromkeys(pairs):
        needs[second].append(first)
        needed_by[first].append(second)
    earliest = [begin for begin, _ in intervals]
    missing = [len(those) for those in needs]
    order = [index for index in range(count) if not missing[index]]
    for index in order:  # it grows
        for second in needed_by[index]:
            earliest[second] = max(earliest[second], earliest[index])
            missing[second] -= 1
            if not missing[second]:
                order.append(second)
    never = 1 + max((end for _, end in intervals), default=0)
    latest = [never if left else end for (_, end), left in zip(intervals, pending, strict=True)]
    for index in reversed(order):
        latest[index] = min([latest[index], *(latest[second] for second in needed_by[index])])
    # what is left waits for itself
    impossible = (
        index
        for index in range(count)
        if (missing[index] and not pending[index]) or (earliest[index] > latest[index] and latest[index] != never)
    )
    narrowed = [
        (begin, end if left else until)
        for begin, until, (_, end), left in zip(earliest, latest, intervals, pending, strict=True)
    ]
    return Narrowed(needs, narrowed, next(impossible, None))
