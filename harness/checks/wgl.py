"""Is a history linearizable by any sequential specification? The search of Wing, Gong and Lowe.

Calls and returns stand in one doubly linked list in the order of time, calls first on ties. The search takes the next
call whose step the specification accepts, and unlinks it with its return; meeting a return whose call it did not take,
it goes back (Wing & Gong, *Testing and verifying concurrent objects*, 1993). A configuration, the set of operations
taken and the state, is entered once (Lowe, *Testing for linearizability*, 2017); it is compared exactly. The set is
kept as the first operation not taken and the bits beyond, so that memory grows with concurrency, not with length.

Pending operations have no return: they may be taken at any time after their call, or never.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.checks.specifications.operation import Operation, Specification
from harness.checks.specifications.steps import IMPOSSIBLE, Steps

__all__ = ["Search", "instants", "search"]

_ASK_THE_CLOCK = 1024
_MOST_SEEN = 4_000_000
"""Configurations that are remembered, about 1 GB; then all are forgotten, which costs time but no exactness."""


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        linearizable: None if the budget ran out. order: indices of operations, of the linearization found, or of the
            longest prefix of one. stuck: the operation that cannot follow any such prefix, before whose return the
            search had to go back. steps: of the specification, as many as were tried.
    """

    linearizable: bool | None
    order: tuple[int, ...]
    stuck: int | None
    steps: int


def instants(invoked: Iterable[int]) -> list[int]:
    """The earliest instants for calls in an order of linearization: none before its own call or its predecessor's.

    They lie inside the calls: an instant is the invocation of some call that stands before, and whoever returned
    before that would have had to stand before it too.
    """
    return list(itertools.accumulate(invoked, max))


def search(
    model: Specification,
    operations: Sequence[Operation],
    intervals: Sequence[tuple[int, int]],
    *,
    batches: Sequence[Sequence[int]] = (),
    give_up: float | None = None,
) -> Search:
    """Look for a linearization.

    Args:
        model: the specification. operations, intervals: in parallel; a pending operation's return does not matter.
        batches: operations that happen in this order, where they happen: each a list of indices.
        give_up: time.monotonic() at which to stop.

    Raises:
        StepError: the specification does not know an operation, or breaks its own rules.
    """
    steps = Steps(model, operations)
    found = _search(steps, operations, intervals, batches, give_up)
    steps.ask_again()
    return found


def _search(
    steps: Steps,
    operations: Sequence[Operation],
    intervals: Sequence[tuple[int, int]],
    batches: Sequence[Sequence[int]],
    give_up: float | None,
) -> Search:
    count = len(operations)
    # entries: 0 is the head of the list; calls are 1 .. count, returns count + 1 .. 2 * count
    events = [(begin, 0, 1 + index) for index, (begin, _) in enumerate(intervals)]
    events += [(end, 1, count + 1 + index) for index, (_, end) in enumerate(intervals) if not operations[index].pending]
    events.sort()
    following, previous = [0] * (2 * count + 1), [0] * (2 * count + 1)
    last = 0
    rank = [0] * (count + 1)
    calls = 0
    for _, returns, entry in events:
        following[last], previous[entry] = entry, last
        last = entry
        if not returns:
            rank[entry] = calls
            calls += 1
    following[last], previous[0] = 0, last
    pending = [True, *(operation.pending for operation in operations)]
    must = pending.count(False)
    ordered = _Order(batches, pending, rank) if batches else None

    table, kinds = steps.table, [0, *steps.kinds]
    state = 0
    row = table[state]
    base, taken = 0, 0
    seen: set[tuple[int, int, int]] = set()
    path: list[tuple[int, int, int, int]] = []
    longest: list[int] = []
    kept = 0  # so much of the longest prefix is the beginning of the path
    stuck: int | None = None
    tried = 0
    entry = following[0]
    while must:
        if 0 < entry <= count:
            tried += 1
            if not tried % _ASK_THE_CLOCK and give_up is not None and time.monotonic() > give_up:
                return Search(None, tuple(longest), stuck, tried)
            after = row.get(kinds[entry])
            if after is None:
                after = steps.take(state, entry - 1)
            if after != IMPOSSIBLE and (ordered is None or ordered.allows(entry, base, taken)):
                now = taken | 1 << (rank[entry] - base)
                ones = (now ^ (now + 1)).bit_length() - 1
                key = (base + ones, now >> ones, after)
                if key not in seen:
                    if len(seen) == _MOST_SEEN:
                        seen.clear()
                    seen.add(key)
                    path.append((entry, state, base, taken))
                    base, taken, state = key
                    row = table[state]
                    before, behind = previous[entry], following[entry]
                    following[before], previous[behind] = behind, before
                    if not pending[entry]:
                        must -= 1
                        before, behind = previous[entry + count], following[entry + count]
                        following[before], previous[behind] = behind, before
                    entry = following[0]
                    continue
            entry = following[entry]
            continue
        # a return whose call was not taken, or the end: no call before it can come next
        if len(path) > len(longest) or stuck is None:
            longest[kept:] = [item[0] - 1 for item in path[kept:]]
            kept = len(path)
            stuck = entry - count - 1
        if not path:
            return Search(False, tuple(longest), stuck, tried)
        entry, state, base, taken = path.pop()
        kept = min(kept, len(path))
        row = table[state]
        # exactly in the reverse order of taking it
        if not pending[entry]:
            must += 1
            end = entry + count
            following[previous[end]] = previous[following[end]] = end
        following[previous[entry]] = previous[following[entry]] = entry
        entry = following[entry]
    return Search(True, tuple(item[0] - 1 for item in path), None, tried)


class _Order:
    """The order of batches: what must be taken before an entry, and what after it if at all."""

    def __init__(self, batches: Sequence[Sequence[int]], pending: list[bool], rank: list[int]) -> None:
        self._needs: dict[int, int] = {}
        self._bars: dict[int, list[int]] = {}
        for batch in batches:
            entries = [index + 1 for index in batch]
            completed = 0
            for place, entry in enumerate(entries):
                if completed:
                    self._needs[entry] = rank[completed]
                if pending[entry]:
                    # it may never happen, so what comes after does not wait for it
                    self._bars[entry] = [rank[later] for later in entries[place + 1 :]]
                else:
                    completed = entry

    def allows(self, entry: int, base: int, taken: int) -> bool:
        """May this entry be taken next?"""

        def is_taken(place: int) -> bool:
            return place < base or bool(taken >> (place - base) & 1)

        needs = self._needs.get(entry)
        if needs is not None and not is_taken(needs):
            return False
        return not any(map(is_taken, self._bars.get(entry, ())))
