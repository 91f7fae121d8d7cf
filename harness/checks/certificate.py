"""A certificate: an order of operations that proves a history linearizable as a bounded FIFO queue, and its replay.

Whoever found the order, and however, is not believed: `replay` takes the operations in that order and compares each
with what the sequential queue does, and the order with real time. It shares nothing with the search that found it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from harness.checks.model import NEVER, NOT, Bools, Ints

__all__ = ["Action", "QueueOperations", "replay"]

Small = npt.NDArray[np.int32]


class Action(IntEnum):
    """What an operation does to a queue, or says of it; the numbers are those of ``queue_history.hpp``."""

    WRITE = 0
    REMOVE = 1
    TAKE = 2
    """Removes whatever is at the head."""
    TAKE_UNNAMED = 3
    """The same, of an entry whose id no record gives to a value."""
    PEEK = 4
    EMPTY = 5
    FULL = 6
    OTHER = 7
    """Something is at the head, and not the value."""


@dataclass(frozen=True)
class QueueOperations:
    """The operations of a history that a bounded queue has to explain, in order of their calls; parallel arrays.

    Attributes:
        action: `Action`. value: dense number, NOT where the action has none. size: of FULL, the accounted bytes that
            did not fit. invoked, returned: ns; NEVER: it may have had its effect or not. before: the operation before
            in the same batch, or NOT. row: in the history. cost: per value, its accounted bytes; unnamed: per value,
            is its entry id unknown? capacity: of the queue, accounted bytes.
    """

    action: npt.NDArray[np.uint8]
    value: Small
    size: Ints
    invoked: Ints
    returned: Ints
    before: Small
    row: Small
    cost: Ints
    unnamed: Bools
    capacity: int

    def __len__(self) -> int:
        return len(self.action)


def replay(operations: QueueOperations, order: Small) -> str:
    """Why this order of operations is no linearization; empty if it is one.

    Args:
        operations: of the history. order: places in `operations`, each at most once.
    """
    count = len(operations)
    if len(order) and (order.min() < 0 or order.max() >= count):
        return "it names an operation that is not there"
    place = np.full(count, NOT, np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    if np.count_nonzero(place != NOT) != len(order):
        return "it names an operation twice"
    if ((place == NOT) & (operations.returned != NEVER)).any():
        return "an operation that returned is missing"
    latest_call = operations.invoked[order]
    np.maximum.accumulate(latest_call, out=latest_call)
    too_late = (operations.returned[order] < latest_call).any()
    del latest_call
    if too_late:
        return "an operation comes after one that was called only after its return"
    if _out_of_batch(operations, place):
        return "the messages of a batch are out of order"
    return _differs(operations, order)


def _out_of_batch(operations: QueueOperations, place: Small) -> bool:
    """Does an operation come before one that stands before it in its batch?"""
    latest = place.copy()
    behind = np.flatnonzero(operations.before != NOT)
    # a chain is as long as a batch; an operation that was left out passes on what came before it
    while len(behind):
        ahead = latest[operations.before[behind]]
        if (ahead > place[behind])[place[behind] != NOT].any():
            return True
        grown = behind[ahead > latest[behind]]
        latest[grown] = latest[operations.before[grown]]
        behind = behind[np.isin(operations.before[behind], grown)]
    return False


def _differs(operations: QueueOperations, order: Small) -> str:
    """What the sequential queue does otherwise."""
    action, value = operations.action[order], operations.value[order]
    went_in = value[action == Action.WRITE]
    leaves = (action == Action.REMOVE) | (action == Action.TAKE) | (action == Action.TAKE_UNNAMED)
    writes, removals = (np.cumsum(which, dtype=np.int32) for which in (action == Action.WRITE, leaves))
    if (removals > writes).any():
        return "something is removed from an empty queue"
    total = np.append(0, np.cumsum(operations.cost[went_in]))
    used = total[writes] - total[removals]
    if (used > operations.capacity).any():
        return "more is inside than fits"
    named = (action == Action.REMOVE) | (action == Action.PEEK)
    # how many were removed before it
    gone = removals[named] - leaves[named]
    if (gone >= writes[named]).any() or (went_in[np.minimum(gone, len(went_in) - 1)] != value[named]).any():
        return "another value was at the head"
    taken = went_in[removals[action == Action.TAKE_UNNAMED] - 1]
    if not operations.unnamed[taken].all():
        return "a value was removed as an entry that it is not"
    if (writes != removals)[action == Action.EMPTY].any():
        return "the queue was not empty"
    other = action == Action.OTHER
    if (writes == removals)[other].any():
        return "the queue was empty"
    if (went_in[removals[other]] == value[other]).any():
        return "the very value was at the head that was not"
    refused = action == Action.FULL
    if (used[refused] + operations.size[order[refused]] <= operations.capacity).any():
        return "it would have fitted"
    return ""
