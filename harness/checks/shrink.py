"""A small part of a history that is a violation by itself.

Deleting every operation of one value from a history that is linearizable as an unbounded FIFO queue leaves a
linearizable one, and so does deleting an operation that only looks. So what still fails after such deletions proves
that the whole history fails. Deleting only a read, or a pending removal, would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from harness.checks.model import Ints
from harness.history import History
from harness.operation import Kind, Status

__all__ = ["shrink"]

_LARGEST = 200
"""Rows beyond which a candidate is not worth shrinking: every deletion is decided anew."""

_ALWAYS_KEPT = [
    kind.value for kind in Kind if kind.removes or kind.writes
]  # as pending operations: they explain what nobody recorded


def shrink(history: History, rows: tuple[int, ...], fails: Callable[[History], bool]) -> tuple[int, ...] | None:
    """Rows that fail by themselves together with the pending operations, in order of invocation; None if none do.

    Args:
        history: that fails. rows: where the violation was found. fails: does a history fail?
    """
    operations = history.operations
    pending = np.flatnonzero((operations["status"] == Status.PENDING.value) & np.isin(operations["kind"], _ALWAYS_KEPT))

    def still_fails(kept: Ints) -> bool:
        part = np.union1d(kept, pending)
        return fails(History(operations[part], history.capacity, history.shutdown))

    found = np.array(rows)
    mates = _with_batches(history, found)
    for candidate in (_of_same_values(history, found), mates, np.union1d(mates, _leftovers(history, found))):
        if len(candidate) <= _LARGEST and still_fails(candidate):
            break
    else:
        return None
    for group in _deletable(history, candidate):
        smaller = np.setdiff1d(candidate, group)
        if len(smaller) and still_fails(smaller):
            candidate = smaller
    candidate = candidate[~np.isin(candidate, pending)]
    return tuple(int(row) for row in candidate[np.argsort(operations["invoked"][candidate], kind="stable")])


def _speaks_of_a_value(history: History) -> npt.NDArray[np.bool_]:
    operations = history.operations
    writes = np.isin(operations["kind"], [kind.value for kind in Kind if kind.writes])
    done = np.isin(operations["status"], [Status.OK.value, Status.MISMATCH.value])
    speaks: npt.NDArray[np.bool_] = done | writes & (operations["status"] == Status.PENDING.value)
    return speaks


def _of_same_values(history: History, rows: Ints) -> Ints:
    """The rows, and every operation on a value that one of them speaks of."""
    speaks = _speaks_of_a_value(history)
    values = history.operations["value"]
    same = np.flatnonzero(speaks & np.isin(values, values[rows[speaks[rows]]]))
    return np.union1d(rows, same)


def _with_batches(history: History, rows: Ints) -> Ints:
    """The same for all messages of the batches that these operations belong to, and of the batches of those."""
    operations = history.operations
    call = operations["worker"].astype(np.int64) << 32 | operations["batch"].astype(np.int64)
    batched = operations["batch"] > 0
    found = _of_same_values(history, rows)
    while len(found) <= _LARGEST:
        mates = np.flatnonzero(batched & np.isin(call, call[found[batched[found]]]))
        larger = _of_same_values(history, np.union1d(found, mates))
        if len(larger) == len(found):
            break
        found = larger
    return found


def _leftovers(history: History, rows: Ints) -> Ints:
    """Everything about messages that nobody is known to have removed: too many of them for the pending removals?"""
    operations = history.operations
    writes = np.isin(operations["kind"], [kind.value for kind in Kind if kind.writes])
    removals = np.isin(operations["kind"], [kind.value for kind in Kind if kind.removes])
    done = operations["status"] == Status.OK.value
    removed = operations["value"][removals & done]
    left = np.flatnonzero(writes & done & ~np.isin(operations["value"], removed))
    return _of_same_values(history, np.union1d(rows, left[:_LARGEST]))


def _deletable(history: History, rows: Ints) -> list[Ints]:
    """Groups of rows that may be deleted: all of one value; one that only looks."""
    operations = history.operations
    speaks = _speaks_of_a_value(history)[rows]
    of_values = rows[speaks]
    groups = [of_values[operations["value"][of_values] == value] for value in np.unique(operations["value"][of_values])]
    looks = speaks & (
        (operations["kind"][rows] == Kind.PEEK.value) | (operations["status"][rows] == Status.MISMATCH.value)
    )
    return groups + [rows[index : index + 1] for index in np.flatnonzero(looks | ~speaks).tolist()]
