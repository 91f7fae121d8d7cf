"""A small part of a history that is a violation by itself.

Deleting every operation of one value from a history that is linearizable as an unbounded FIFO queue leaves a
linearizable one, and so does deleting an operation that only looks. So what still fails after such deletions proves
that the whole history fails. Deleting only a read, or a pending removal, would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.checks.model import Ints, among
from harness.history import HEAD_UNTOLD, History
from harness.operation import NO_ID, Kind, Status
from harness.resolve import UNKNOWN_VALUE

__all__ = ["shrink"]

_LARGEST = 200
"""Rows beyond which a candidate is not worth shrinking: every deletion is decided anew."""

_WRITES = [kind.value for kind in Kind if kind.writes]
_REMOVALS = [kind.value for kind in Kind if kind.removes]


def shrink(history: History, rows: tuple[int, ...], fails: Callable[[History], bool]) -> tuple[int, ...] | None:
    """Rows that fail by themselves together with the pending operations, in order of invocation; None if none do.

    Args:
        history: that fails. rows: where the violation was found. fails: does a history fail?
    """
    operations = history.operations
    subjects = _Subjects.of(history)

    def still_fails(kept: Ints) -> bool:
        part = np.union1d(kept, subjects.unbound)
        return fails(History(operations[part], history.capacity, history.shutdown))

    found = np.array(rows)
    for candidate in subjects.candidates(found):
        if len(candidate) <= _LARGEST and still_fails(candidate):
            break
    else:
        return None
    for group in subjects.deletable(candidate):
        smaller = np.setdiff1d(candidate, group)
        if len(smaller) and still_fails(smaller):
            candidate = smaller
    candidate = candidate[~np.isin(candidate, subjects.unbound)]
    return tuple(int(row) for row in candidate[np.argsort(operations["invoked"][candidate], kind="stable")])


@dataclass(frozen=True)
class _Subjects:
    """Which operations speak of which message.

    Attributes:
        history: whose. value: of each row. speaks: does the row speak of that value, or of none?
        unbound: pending operations that may have to do with any value: they are part of every candidate, because they
            explain what nobody recorded.
    """

    history: History
    value: npt.NDArray[np.uint64]
    speaks: npt.NDArray[np.bool_]
    unbound: Ints

    @classmethod
    def of(cls, history: History) -> _Subjects:
        operations = history.operations
        kind, status = np.ascontiguousarray(operations["kind"]), np.ascontiguousarray(operations["status"])
        speaks = among(status, [Status.OK.value, Status.MISMATCH.value]) & ((operations["flags"] & HEAD_UNTOLD) == 0)
        value = operations["value"].copy()
        pending = np.flatnonzero(status == Status.PENDING.value)
        speaks[pending] = among(kind[pending], _WRITES)
        # a pending skip speaks of the message that it was asked to remove, by value or by an entry that somebody named
        skips = pending[kind[pending] == Kind.SKIP.value]
        by_value = skips[operations["target"][skips] == NO_ID]
        speaks[by_value] = value[by_value] != UNKNOWN_VALUE
        skips = skips[operations["target"][skips] != NO_ID]
        if len(skips):
            named = np.flatnonzero(speaks & np.isin(operations["id"], operations["target"][skips]))
            by_id = dict(zip(operations["id"][named].tolist(), value[named].tolist(), strict=True))
            for row in skips.tolist():
                target = int(operations["target"][row])
                if target in by_id:
                    value[row], speaks[row] = by_id[target], True
        return cls(history, value, speaks, pending[among(kind[pending], _REMOVALS) & ~speaks[pending]])

    def candidates(self, rows: Ints) -> Iterator[Ints]:
        """More and more that may prove by itself what these rows prove together with the rest."""
        yield self.with_values(rows)
        mates = self.with_batches(rows)
        yield mates
        left = self.with_leftovers(mates)
        yield left
        # and whoever found nothing: what the pending removals took for one of them, they did not for another
        others = np.setdiff1d(np.flatnonzero(~self.speaks), self.unbound)
        yield np.union1d(left, others[:_LARGEST])
        # and whoever was there: who was met at the head narrows the others' times there, and so those of their batches
        yield self.with_values(np.union1d(mates, self.beside(mates)))

    def with_values(self, rows: Ints) -> Ints:
        """The rows, and every operation on a value that one of them speaks of."""
        same = np.flatnonzero(np.isin(self.value, self.value[rows[self.speaks[rows]]]))
        return np.union1d(rows, same[self.speaks[same]])

    def with_batches(self, rows: Ints) -> Ints:
        """The same for all messages of the batches that these operations belong to, and of the batches of those."""
        operations = self.history.operations
        call = operations["worker"].astype(np.int64) << 32 | operations["batch"].astype(np.int64)
        batched = operations["batch"] > 0
        found = self.with_values(rows)
        while len(found) <= _LARGEST:
            mates = np.flatnonzero(batched & np.isin(call, call[found[batched[found]]]))
            larger = self.with_values(np.union1d(found, mates))
            if len(larger) == len(found):
                break
            found = larger
        return found

    def with_leftovers(self, rows: Ints) -> Ints:
        """Everything about messages that nobody is known to have removed: too many for the pending removals?"""
        operations = self.history.operations
        done = operations["status"] == Status.OK.value
        removed = self.value[done & np.isin(operations["kind"], _REMOVALS)]
        left = np.flatnonzero(done & np.isin(operations["kind"], _WRITES) & ~np.isin(self.value, removed))
        return self.with_values(np.union1d(rows, left[:_LARGEST]))

    def beside(self, rows: Ints) -> Ints:
        """Rows that overlap the time from the first of these to the last."""
        operations = self.history.operations
        begin, end = operations["invoked"][rows].min(), operations["returned"][rows].max()
        there: Ints = np.flatnonzero((operations["invoked"] <= end) & (operations["returned"] >= begin))
        return there

    def deletable(self, rows: Ints) -> list[Ints]:
        """Groups of rows that may be deleted: all of one value; one that only looks."""
        operations = self.history.operations
        bound = rows[self.speaks[rows]]
        groups = [bound[self.value[bound] == value] for value in np.unique(self.value[bound])]
        looks = (operations["kind"][rows] == Kind.PEEK.value) | (operations["status"][rows] == Status.MISMATCH.value)
        single = looks | ~self.speaks[rows] & ~np.isin(rows, self.unbound)
        return groups + [rows[index : index + 1] for index in np.flatnonzero(single).tolist()]
