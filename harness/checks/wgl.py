"""Is a history linearizable by any sequential specification? The search of Wing, Gong and Lowe.

The search itself is native (``harness/native/checks/order_search.hpp``): it knows states and operations as numbers, and
asks the specification, in Python, once for each pair of them.

Pending operations have no return: they may be taken at any time after their call, or never.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness._native import search_order
from harness.checks.specifications.operation import Operation, Specification
from harness.checks.specifications.steps import OutOfRoom, Steps

__all__ = ["Search", "instants", "search"]

_MOST_WORDS = 1 << 26
"""Words of 8 bytes for the configurations that are remembered, about 1 GB with what finds them; then all are forgotten,
which costs time but no exactness."""
_NOBODY = -1

Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        linearizable: None if the time ran out, or the room for states.
        order: indices of operations, of the linearization found, or of the longest prefix of one.
        stuck: the operation that cannot follow any such prefix, before whose return the search had to go back.
        steps: of the specification, as many as were tried.
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
    try:
        found = _search(steps, operations, intervals, batches, give_up)
    except OutOfRoom:
        found = Search(None, (), None, steps.asked)
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
    # calls are 0 .. count - 1, returns count .. 2 * count - 1
    events = [(begin, 0, index) for index, (begin, _) in enumerate(intervals)]
    events += [(end, 1, count + index) for index, (_, end) in enumerate(intervals) if not operations[index].pending]
    events.sort()
    pending = np.fromiter((operation.pending for operation in operations), np.uint8, count)
    needs, bars_from, bars = _order_of_batches(batches, pending)
    decided, linearizable, order, stuck, tried = search_order(
        events=np.fromiter((event for _, _, event in events), np.int32, len(events)),
        kinds=np.fromiter(steps.kinds, np.int32, count),
        pending=pending,
        observes=np.fromiter(steps.observes, np.uint8, count),
        needs=needs,
        bars_from=bars_from,
        bars=bars,
        ask=steps.take,
        seconds=math.inf if give_up is None else give_up - time.monotonic(),
        most_words=_MOST_WORDS,
    )
    return Search(
        linearizable if decided else None,
        tuple(np.frombuffer(order, np.int32).tolist()),
        None if stuck == _NOBODY else stuck,
        tried,
    )


def _order_of_batches(
    batches: Sequence[Sequence[int]], pending: npt.NDArray[np.uint8]
) -> tuple[Numbers, Numbers, Numbers]:
    """By operation the one of its batch that must come before it, and those that must not: places in a list, and it."""
    needs = np.full(len(pending), _NOBODY, np.int32)
    after: dict[int, Sequence[int]] = {}
    for batch in batches:
        completed = _NOBODY
        for place, index in enumerate(batch):
            needs[index] = completed
            if pending[index]:
                # it may never happen, so what comes after does not wait for it
                after[index] = batch[place + 1 :]
            else:
                completed = index
    lengths = [len(after.get(index, ())) for index in range(len(pending))] if after else [0] * len(pending)
    bars = [index for first in sorted(after) for index in after[first]]
    return needs, np.cumsum([0, *lengths], dtype=np.int32), np.array(bars, np.int32)
