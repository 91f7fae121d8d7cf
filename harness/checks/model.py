"""A history as the decision procedures see it: values numbered densely, each with its write, removal and peeks.

The conventions (``docs/checks.md``): an operation is the closed interval [inv, ret]; a precedes b only if
ret(a) < inv(b), strictly, since equal stamps may hide either order (Herlihy & Wing, *Linearizability*, 1990). A pending
operation has ret = NEVER and may or may not have had its effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.history import INTACT, PENDING_RETURN, History
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status

__all__ = ["ALWAYS", "NEVER", "NOT", "Model", "Observations", "model_of"]

NEVER = int(PENDING_RETURN)
"""A time that does not come."""
ALWAYS = int(np.iinfo(np.int64).min)
"""A time before every other."""
NOT = -1
"""Row of an operation that is not in the history."""

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NUMBER_BITS = 40
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1
_MOST_WRITERS = 1 << 16

_WRITES = [kind.value for kind in Kind if kind.writes]
_REMOVALS = [kind.value for kind in Kind if kind.removes]
_READS = [Kind.READ.value, Kind.TRY_READ.value, Kind.READ_MANY.value]
_ANONYMOUS = [Kind.READ.value, Kind.TRY_READ.value, Kind.READ_MANY.value, Kind.SKIP_FORCE.value]


@dataclass(frozen=True)
class Observations:
    """Operations with an interval; the arrays run in parallel.

    Attributes:
        value: dense number of the value, where the operation has one. inv, ret: ns. row: in the history.
        size: accounted bytes, where the operation has some.
    """

    value: Ints
    inv: Ints
    ret: Ints
    row: Ints
    size: Ints

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Model:
    """Everything that the FIFO decision needs of a history.

    Attributes:
        count: how many values there are: 0 .. count - 1.
        write_row, write_inv, write_ret: of the write of each value; NOT, NEVER where nobody wrote it.
        removal_row, removal_inv, removal_ret: of its first removal; NOT, NEVER, NEVER where there is none.
        cost: accounted bytes of each value: round_up_16(8 + size).
        extra_removals: rows of removals of a value that was removed before.
        peeks: observations of the head without removal (peek, MISMATCH).
        empty: intervals in which the channel was empty at an instant (EMPTY, read TIMEOUT and CLOSED).
        full: intervals in which a message of `size` did not fit at an instant (FULL, write TIMEOUT).
        unseen: pending writes that nobody saw; they may count for FULL.
        anonymous: inv of pending removals that may have taken any value, sorted.
        pending_skips: pending skip of an entry whose value is known: (value, inv).
        write_order, read_order: rows of batches, in order: (group, value) with groups contiguous.
    """

    history: History
    count: int
    write_row: Ints
    write_inv: Ints
    write_ret: Ints
    removal_row: Ints
    removal_inv: Ints
    removal_ret: Ints
    cost: Ints
    extra_removals: Ints
    peeks: Observations
    empty: Observations
    full: Observations
    unseen: Observations
    anonymous: Ints
    pending_skips: tuple[Ints, Ints]
    write_order: tuple[Ints, Ints]
    read_order: tuple[Ints, Ints]


def _numbered(values: npt.NDArray[np.uint64]) -> tuple[Ints, int]:
    """Dense numbers of values, and how many there are.

    Messages of a program are (writer, number) with few gaps: a table does without the sort of np.unique.
    """
    writer, number = (
        (values >> np.uint64(_NUMBER_BITS)).astype(np.int64),
        (values & np.uint64(_NUMBER_MASK)).astype(np.int64),
    )
    if len(values) and writer.max() < _MOST_WRITERS:
        sizes = np.zeros(int(writer.max()) + 1, np.int64)
        np.maximum.at(sizes, writer, number + 1)
        if sizes.sum() <= 4 * len(values) + _MOST_WRITERS:
            place = (np.cumsum(sizes) - sizes)[writer] + number
            present = np.zeros(int(sizes.sum()), np.bool_)
            present[place] = True
            dense = np.cumsum(present) - 1
            return dense[place], int(dense[-1]) + 1
    distinct, inverse = np.unique(values, return_inverse=True)
    return inverse.astype(np.int64), len(distinct)


def among(column: npt.NDArray[np.uint8], wanted: list[int]) -> Bools:
    """np.isin for small numbers, by table."""
    table = np.zeros(256, np.bool_)
    table[wanted] = True
    member: Bools = table[column]
    return member


def cost_of(size: npt.NDArray[np.generic]) -> Ints:
    """Accounted bytes of payloads: round_up_16(8 + size)."""
    return (size.astype(np.int64) + 8 + 15) // 16 * 16


def model_of(history: History) -> Model:
    """Number the values and sort the operations by what they say about them."""
    rows = history.operations
    # fields of a 72-byte record are far apart: columns that are used often are copied together first
    kind, status, message = (np.ascontiguousarray(rows[name]) for name in ("kind", "status", "value"))
    ok, pending = status == Status.OK.value, status == Status.PENDING.value
    inv, ret = rows["invoked"].astype(np.int64), rows["returned"].astype(np.int64)
    ret = np.where(pending, NEVER, ret)

    writes = among(kind, _WRITES)
    removals = among(kind, _REMOVALS) & ok
    peeks = (kind == Kind.PEEK.value) & ok | (kind == Kind.SKIP.value) & (status == Status.MISMATCH.value)
    # a pending write matters only if somebody saw its message
    kept = writes & ok
    maybe = np.flatnonzero(writes & pending)
    kept[maybe[np.isin(message[maybe], message[removals | peeks])]] = True
    relevant = kept | removals | peeks
    number = np.full(len(rows), NOT, np.int64)
    number[relevant], count = _numbered(message[relevant])

    def per_value(mask: Bools) -> tuple[Ints, Ints, Ints, Ints]:
        """Row, inv and ret of the first operation of each value, and the rows beyond the first."""
        where = np.flatnonzero(mask)
        if (np.diff(inv[where]) < 0).any():
            where = where[np.argsort(inv[where], kind="stable")]
        first = np.full(count, NOT, np.int64)
        first[number[where][::-1]] = where[::-1]
        extra = where[first[number[where]] != where]
        absent = first == NOT
        return first, np.where(absent, NEVER, inv[first]), np.where(absent, NEVER, ret[first]), extra

    write_row, write_inv, write_ret, _ = per_value(kept)
    removal_row, removal_inv, removal_ret, extra_removals = per_value(removals)
    size_row = np.where(write_row != NOT, write_row, np.maximum(removal_row, 0))
    cost = cost_of(rows["size"][size_row]) if count else np.zeros(0, np.int64)

    def observations(mask: Bools, begin: Ints | None = None) -> Observations:
        where = np.flatnonzero(mask)
        start = inv if begin is None else begin
        return Observations(number[where], start[where], ret[where], where, cost_of(rows["size"][where]))

    timeout = rows["timeout"].astype(np.int64)
    timed_out = status == Status.TIMEOUT.value
    # the channel makes a last try at the deadline, so that is when it was empty, or full
    last_try = np.where(timed_out & (timeout != NO_TIMEOUT), inv + np.maximum(timeout, 0), inv)
    last_try = np.minimum(last_try, ret)
    asks_head = ~writes
    empties = asks_head & (
        (status == Status.EMPTY.value) | (status == Status.CLOSED.value) | (timed_out & among(kind, _READS))
    )
    fulls = writes & ((status == Status.FULL.value) | timed_out)

    skips = np.flatnonzero(pending & (kind == Kind.SKIP.value) & (rows["target"] != NO_ID))
    wanted = rows["target"][skips]
    holders = np.flatnonzero(relevant & (rows["id"] != NO_ID)) if len(skips) else skips
    holders = holders[np.isin(rows["id"][holders], wanted)]
    by_id = dict(zip(rows["id"][holders].tolist(), number[holders].tolist(), strict=True))
    named = np.array([by_id.get(entry, NOT) for entry in wanted.tolist()], np.int64)
    # an entry that nobody else named may be the message of any pending write
    anonymous = np.sort(np.concatenate([inv[pending & among(kind, _ANONYMOUS)], inv[skips[named == NOT]]]))
    skips, named = skips[named != NOT], named[named != NOT]

    def batches(mask: Bools) -> tuple[Ints, Ints]:
        where = np.flatnonzero(mask & (rows["batch"] > 0))
        group = rows["worker"][where].astype(np.int64) << 32 | rows["batch"][where].astype(np.int64)
        order = np.argsort(group, kind="stable")
        return group[order], number[where[order]]

    return Model(
        history=history,
        count=count,
        write_row=write_row,
        write_inv=write_inv,
        write_ret=write_ret,
        removal_row=removal_row,
        removal_inv=removal_inv,
        removal_ret=removal_ret,
        cost=cost,
        extra_removals=extra_removals,
        peeks=observations(peeks),
        empty=observations(empties, last_try),
        full=observations(fulls, last_try),
        unseen=observations(writes & pending & ~kept),
        anonymous=anonymous,
        pending_skips=(named, inv[skips]),
        write_order=batches(kept),
        read_order=batches(removals),
    )


def intact(history: History) -> Bools:
    """Which rows carry a payload that was verified bit for bit."""
    verified: Bools = (history.operations["flags"] & INTACT) != 0
    return verified
