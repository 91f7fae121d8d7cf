"""Which operations of a queue must come before which, by who saw whose message at the head.

Messages come to the head in the order in which they went in. So if u was seen there, or removed, by a call that
returned before another was made that saw v there, or removed it, then u went in before v. A message that nobody removed
is behind all that was at the head before anybody could have removed it, unless the queue drops messages by itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Seen", "forced_by_heads"]


@dataclass
class Seen:
    """What a history tells of one message.

    Attributes:
        writes, peeks, removals: calls, by index; of a write that never returned too, else only those that are OK. More
            than one write: nothing is known of it.
        maybe: the earliest call that may have removed it and never returned.
    """

    writes: list[int] = field(default_factory=list)
    peeks: list[int] = field(default_factory=list)
    removals: list[int] = field(default_factory=list)
    maybe: float = math.inf


@dataclass(frozen=True)
class _Message:
    """Its write; surely in from `inside` on; first known at the head by `first`, last at the head not before `last`."""

    write: int
    begin: int
    inside: float
    first: float
    last: float


def forced_by_heads(
    messages: Sequence[Seen], intervals: Sequence[tuple[int, int]], pending: Sequence[bool], *, drops: bool
) -> Iterator[tuple[int, int]]:
    """Pairs of calls, the second of which takes effect, if it does, after the first.

    Args:
        messages: of one queue, each written once. intervals, pending: of all calls.
        drops: does the queue drop messages by itself?
    """
    known = [_message(seen, intervals, pending, drops=drops) for seen in messages]
    for seen in messages:
        yield from itertools.product(seen.writes, [*seen.peeks, *seen.removals])
        yield from itertools.product(seen.peeks, seen.removals)
    known.sort(key=lambda message: message.begin)
    yield from _too_late(known)
    for place, one in enumerate(known):
        for at in range(place + 1, len(known)):
            other = known[at]
            if other.begin > one.inside:
                break
            if one.first < other.last:
                yield one.write, other.write
            if other.first < one.last:
                yield other.write, one.write


def _message(seen: Seen, intervals: Sequence[tuple[int, int]], pending: Sequence[bool], *, drops: bool) -> _Message:
    heads = [intervals[call] for call in (*seen.peeks, *seen.removals)]
    first = min((end for _, end in heads), default=math.inf)
    last = max((begin for begin, _ in heads), default=-math.inf)
    if not seen.removals and not drops:
        last = max(last, seen.maybe)
    (write,) = seen.writes
    begin, end = intervals[write]
    return _Message(write, begin, min(math.inf if pending[write] else end, first), first, last)


def _too_late(known: Sequence[_Message]) -> Iterator[tuple[int, int]]:
    """Pairs that contradict the times of the writes: of each message the earliest at the head, of all written later."""
    earliest = list(known)
    for at in range(len(known) - 2, -1, -1):
        if earliest[at + 1].first < known[at].first:
            earliest[at] = earliest[at + 1]
    place = 0
    for one in sorted(known, key=lambda message: message.inside):
        while place < len(known) and known[place].begin <= one.inside:
            place += 1
        later = earliest[place] if place < len(known) else one
        if later is not one and later.first < one.last:
            yield later.write, one.write
