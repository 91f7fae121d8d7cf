"""A history as the decision procedures see it: values numbered densely, each with its write, removal and peeks.

The conventions (``docs/checks.md``): an operation is the closed interval [inv, ret]; a precedes b only if
ret(a) < inv(b), strictly, since equal stamps may hide either order (Herlihy & Wing, *Linearizability*, 1990). A pending
operation has ret = NEVER and may or may not have had its effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.history import HEAD_UNTOLD, INTACT, PENDING_RETURN, History
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.resolve import UNKNOWN_VALUE

__all__ = ["ALWAYS", "NEVER", "NOT", "Model", "Observations", "among", "model_of"]

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
_BLOCK = 4096
_SPARSEST = 16
"""Places for a value, above which sorting is cheaper than a table."""

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

    def none(self) -> Observations:
        """Nothing of it."""
        return Observations(self.value[:0], self.inv[:0], self.ret[:0], self.row[:0], self.size[:0])


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
        others: of a head that is another message than `value`: MISMATCH that does not tell it. NOT where nobody knows
            which message was meant, or it was never written; from `count` on, `value` is one of `unseen`.
        empty: intervals in which the channel was empty at an instant (EMPTY, read TIMEOUT and CLOSED).
        full: intervals in which a message of `size` did not fit at an instant (FULL, write TIMEOUT).
        unseen: pending writes that nobody saw; they may count for FULL.
        anonymous: inv of pending removals that may have taken any value, sorted.
        vague: those among them that can have taken one value alone, but nobody told which; one of `unnamed`, then.
        unnamed: of each value, and of each of `unseen` behind them, whether it may be what a vague one took: it stayed,
            and no record tells its entry id. All False where none is vague.
        pending_skips: pending skip of an entry whose value is known, or told instead of an id: (value, inv).
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
    others: Observations
    empty: Observations
    full: Observations
    unseen: Observations
    anonymous: Ints
    vague: Ints
    unnamed: Bools
    pending_skips: tuple[Ints, Ints]
    write_order: tuple[Ints, Ints]
    read_order: tuple[Ints, Ints]


def _places(values: npt.NDArray[np.uint64]) -> tuple[Ints, int]:
    """Small numbers that tell the values apart, and a bound on them.

    Messages of a program are (writer, number) with few gaps: they need no sort.
    """
    if len(values):
        writers = int(values.max() >> np.uint64(_NUMBER_BITS)) + 1
        if writers <= _MOST_WRITERS:
            number = (values & np.uint64(_NUMBER_MASK)).view(np.int64)
            each = int(number.max()) + 1
            if writers * each <= _SPARSEST * len(values) + _MOST_WRITERS:
                number += (values >> np.uint64(_NUMBER_BITS)).view(np.int64) * each
                return number, writers * each
    distinct, inverse = np.unique(values, return_inverse=True)
    return inverse.astype(np.int64), len(distinct)


def _numbered(place: Ints, bound: int, written: Ints, others: Ints) -> tuple[Ints, Ints, int]:
    """Dense numbers of values in the order of their writes, then those that nobody wrote.

    Args:
        place, bound: as of `_places`, for every row. written: rows of writes, in order of invocation.
        others: rows of removals and peeks.

    Returns:
        The number of each row's value; the rows of the first write of each value; how many values there are.
    """
    table = np.full(bound, NOT, np.int64)
    table[place[written][::-1]] = np.arange(len(written) - 1, -1, -1)
    first = table[place[written]] == np.arange(len(written))
    if not first.all():
        written = written[first]
        table[place[written]] = np.arange(len(written))
    count = len(written)
    numbers = table[place]
    unknown = others[numbers[others] == NOT]
    if len(unknown):
        distinct, inverse = np.unique(place[unknown], return_inverse=True)
        numbers[unknown] = count + inverse
        count += len(distinct)
    return numbers, written, count


def among(column: npt.NDArray[np.uint8], wanted: list[int]) -> Bools:
    """np.isin for small numbers, by table."""
    table = np.zeros(256, np.bool_)
    table[wanted] = True
    member: Bools = table[column]
    return member


def _columns(rows: npt.NDArray[np.void], *names: str) -> list[npt.NDArray[Any]]:
    """Copies of fields, each together: block by block, for the records of a block stay in the cache."""
    columns = [np.empty(len(rows), rows.dtype[name]) for name in names]
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK]
        for name, column in zip(names, columns, strict=True):
            column[begin : begin + _BLOCK] = block[name]
    return columns


def cost_of(size: npt.NDArray[np.generic]) -> Ints:
    """Accounted bytes of payloads: round_up_16(8 + size)."""
    return (size.astype(np.int64) + 8 + 15) // 16 * 16


@dataclass(frozen=True)
class _Meant:
    """What pending skips were asked to remove.

    Attributes:
        row, holder, value: of a skip that can have removed one message alone; a row that has that message; the message.
        anything: rows of skips that may have removed any. vague: of skips of an entry that may be several messages.
        nameless: where there are vague ones, rows of the writes of these messages.
    """

    row: Ints
    holder: Ints
    value: npt.NDArray[np.uint64]
    anything: Ints
    vague: Ints
    nameless: Ints


def _meant(
    rows: npt.NDArray[np.void], left: Ints, writes: Bools, peeks: Bools, gone: Bools, *, unseen_count: bool
) -> _Meant:
    """Look up what pending skips mean. One whose message cannot have been written had no effect, and is in neither.

    Args:
        left: rows of pending skips. writes: of writes that may have happened. peeks: of who saw the head. gone: of
            removals. unseen_count: does it matter to anybody whether a message that nobody saw was inside? If not, a
            pending write of it, and the skip that removed it, may as well never have happened.
    """
    if not len(left):
        return _Meant(left, left, np.zeros(0, np.uint64), left, left, left)
    entry, value = rows["id"], rows["value"]
    written = np.flatnonzero(writes)
    telling = np.flatnonzero((writes | peeks | gone) & (entry != NO_ID))
    by_id = _places_of(entry, telling, rows["target"][left])
    by_value = _places_of(value, written, value[left])
    row: list[int] = []
    holder: list[int] = []
    anything: list[int] = []
    unknown: dict[int, int] = {}
    for skip in left[np.argsort(rows["invoked"][left], kind="stable")].tolist():
        target, asked = int(rows["target"][skip]), int(rows["value"][skip])
        if target == NO_ID and asked == UNKNOWN_VALUE:
            anything.append(skip)
            continue
        found = by_id.get(target) if target != NO_ID else by_value.get(asked)
        if found is not None:
            row.append(skip)
            holder.append(found)
        elif target != NO_ID:
            unknown.setdefault(target, skip)  # one entry is removed once, by the first of them at the earliest
    # a message has its id from its write, or from whoever saw it; without one it may be the entry that nobody named
    others = np.append(value[telling], value[gone])
    nameless = written[~np.isin(value[written], others)] if unknown else written[:0]
    if not unseen_count:
        pending = rows["status"][nameless] == Status.PENDING.value
        nameless = nameless[~pending | np.isin(value[nameless], value[peeks])]
    if len(nameless) == 1:
        row += unknown.values()
        holder += nameless.tolist() * len(unknown)
    vague = list(unknown.values()) if len(nameless) > 1 else []
    skips, holders, of_any, of_several = (np.array(numbers, np.int64) for numbers in (row, holder, anything, vague))
    return _Meant(skips, holders, value[holders], of_any, of_several, nameless if vague else nameless[:0])


def _places_of(column: npt.NDArray[np.uint64], rows: Ints, wanted: npt.NDArray[np.uint64]) -> dict[int, int]:
    """By wanted content of a column one of the rows that has it."""
    rows = rows[np.isin(column[rows], wanted)]
    return dict(zip(column[rows].tolist(), rows.tolist(), strict=True))


def _asked_for(rows: npt.NDArray[np.void], skips: Ints, telling: Ints, number: Ints, count: int, unseen: Ints) -> Ints:
    """Numbers of the messages that skips asked for, by value or by entry id; NOT where nobody wrote, or named, them.

    Args:
        skips: rows. telling: rows that may tell which message an entry is. number: of each row's value, NOT for those
            of writes that nobody saw. count: of the values that have a number. unseen: rows of those writes.
    """
    source = skips.copy()
    if not len(skips):
        return source
    by_id = np.flatnonzero(rows["target"][skips] != NO_ID)
    telling = telling[rows["id"][telling] != NO_ID]
    telling = telling[np.argsort(rows["id"][telling], kind="stable")]
    entry, wanted = rows["id"][telling], rows["target"][skips[by_id]]
    place = np.searchsorted(entry, wanted)
    known = place < len(entry)
    known[known] = entry[place[known]] == wanted[known]
    source[by_id[known]] = telling[place[known]]
    asked = number[source]
    # a write that never returned, and whose message nobody saw
    values = rows["value"][unseen]
    order = np.argsort(values, kind="stable")
    place = np.searchsorted(values[order], rows["value"][source])
    there = (place < len(values)) & (asked == NOT)
    there[there] = values[order][place[there]] == rows["value"][source[there]]
    asked[there] = count + order[place[there]]
    asked[by_id[~known]] = NOT
    return asked


def model_of(history: History) -> Model:
    """Number the values and sort the operations by what they say about them."""
    rows = history.operations
    kind, status, message, inv, ret, sizes, batch = _columns(
        rows, "kind", "status", "value", "invoked", "returned", "size", "batch"
    )
    ok, pending = status == Status.OK.value, status == Status.PENDING.value
    ret[pending] = NEVER

    writes = among(kind, _WRITES)
    removals = among(kind, _REMOVALS) & ok
    peeks = (kind == Kind.PEEK.value) & ok | (kind == Kind.SKIP.value) & (status == Status.MISMATCH.value)
    untold = np.flatnonzero(peeks & (kind == Kind.SKIP.value))
    untold = untold[(rows["flags"][untold] & HEAD_UNTOLD) != 0]
    peeks[untold] = False
    left = np.flatnonzero(pending & (kind == Kind.SKIP.value))
    unseen_count = history.capacity is not None or len(untold) > 0
    meant = _meant(rows, left, writes & (ok | pending), peeks, removals, unseen_count=unseen_count)
    # a pending write matters only if somebody saw its message, or may have taken it
    surely = writes & ok
    kept = surely
    maybe = np.flatnonzero(writes & pending)
    if len(maybe):
        surely[maybe[np.isin(message[maybe], message[removals | peeks])]] = True
        kept = surely.copy()
        kept[maybe[np.isin(message[maybe], meant.value)]] = True

    def in_time(mask: Bools) -> Ints:
        """Rows, in order of invocation."""
        where = np.flatnonzero(mask)
        begun = inv[where]
        return where if (begun[1:] >= begun[:-1]).all() else where[np.argsort(begun, kind="stable")]

    took = in_time(removals)
    number, written, count = _numbered(*_places(message), in_time(kept), np.append(took, np.flatnonzero(peeks)))
    nobody = count - len(written)
    write_row = np.append(written, np.full(nobody, NOT))
    write_inv, write_ret = (np.append(times[written], np.full(nobody, NEVER)) for times in (inv, ret))
    removal_row = np.full(count, NOT, np.int64)
    removal_row[number[took][::-1]] = took[::-1]
    extra_removals = took[removal_row[number[took]] != took]
    never = removal_row == NOT
    removal_inv, removal_ret = inv[removal_row], ret[removal_row]
    removal_inv[never] = removal_ret[never] = NEVER
    size_row = np.where(write_row != NOT, write_row, np.maximum(removal_row, 0)) if nobody else write_row
    cost = cost_of(sizes[size_row]) if count else np.zeros(0, np.int64)

    def observations(mask: Bools, begin: Ints | None = None) -> Observations:
        where = np.flatnonzero(mask)
        start = inv if begin is None else begin
        return Observations(number[where], start[where], ret[where], where, cost_of(sizes[where]))

    timed_out = status == Status.TIMEOUT.value
    # the channel makes a last try at the deadline, so that is when it was empty, or full
    last_try = inv
    if timed_out.any():
        last_try = inv.copy()
        waited = np.flatnonzero(timed_out)
        timeout = rows["timeout"][waited]
        last_try[waited] += np.where(timeout != NO_TIMEOUT, np.maximum(timeout, 0), 0)
        last_try[waited] = np.minimum(last_try[waited], ret[waited])
    asks_head = ~writes
    empties = asks_head & (
        (status == Status.EMPTY.value) | (status == Status.CLOSED.value) | (timed_out & among(kind, _READS))
    )
    fulls = writes & ((status == Status.FULL.value) | timed_out)

    unseen = observations(writes & pending & ~kept)
    others = Observations(
        _asked_for(
            rows, untold, np.flatnonzero((writes & (ok | pending)) | peeks | removals), number, count, unseen.row
        ),
        inv[untold],
        ret[untold],
        untold,
        cost_of(sizes[untold]),
    )

    anonymous = pending & among(kind, _ANONYMOUS)
    anonymous[meant.anything] = True
    vague = np.sort(inv[meant.vague])
    nameless = np.zeros(len(rows) + 1, np.bool_)  # of NOT, too, it is False
    nameless[meant.nameless] = True

    batched = np.flatnonzero(batch)

    def batches(mask: Bools) -> tuple[Ints, Ints]:
        where = batched[mask[batched]]
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
        others=others,
        empty=observations(empties, last_try),
        full=observations(fulls, last_try),
        unseen=unseen,
        anonymous=np.sort(np.append(inv[anonymous], vague)),
        vague=vague,
        unnamed=nameless[np.append(write_row, unseen.row)],
        pending_skips=(number[meant.holder], inv[meant.row]),
        write_order=batches(surely),  # one that may never have happened is before nobody
        read_order=batches(removals),
    )


def intact(history: History) -> Bools:
    """Which rows carry a payload that was verified bit for bit."""
    verified: Bools = (history.operations["flags"] & INTACT) != 0
    return verified
