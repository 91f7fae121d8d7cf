"""How far a FIFO history is linearizable, and in which order.

A history is linearizable only if all its prefixes are (Herlihy & Wing, *Linearizability*, 1990). So the first return
that no prefix survives is found by bisection, each prefix decided by the FIFO check itself: where it returns, the
history sticks.

An order is looked for among the calls that somebody wants to see, by the general search. It need not guess in which
order messages went in, for their entry ids tell, or the order in which they came out. Without an order found in time
there is none to show, and nothing is concluded from that.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.checks.fifo import check_fifo
from harness.checks.model import among
from harness.checks.specifications.operation import Operation
from harness.checks.wgl import instants, search
from harness.history import HEAD_UNTOLD, PENDING_RETURN, History
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.verdict import Outcome

__all__ = ["Break", "find_break", "find_order"]

_WRITES = [kind.value for kind in Kind if kind.writes]
_REMOVALS = [kind.value for kind in Kind if kind.removes]
_SAYING_EMPTY = [Status.EMPTY.value, Status.CLOSED.value, Status.TIMEOUT.value]

Ints = npt.NDArray[np.int64]
Order = dict[int, tuple[int, int]]
"""By row: its place in a linearization, from 1, and an instant (ns) for it."""


@dataclass(frozen=True)
class Break:
    """Where a history stops being linearizable.

    Attributes:
        row: the operation whose return no prefix survives. at: when it returns, ns. before: how many had returned.
    """

    row: int
    at: int
    before: int


def find_break(history: History, witness: tuple[int, ...], *, budget: float) -> Break | None:
    """The end of the longest linearizable prefix of a history that is not linearizable.

    Args:
        history: that `check_fifo` fails. witness: rows that prove it. budget: s.

    Returns:
        None if the FIFO check passes all that the witness speaks of, or the budget ran out.
    """
    give_up = time.monotonic() + budget
    returned = history.operations["returned"]
    latest = returned[list(witness)]
    latest = latest[latest != PENDING_RETURN]
    if not len(latest):
        return None
    ends = np.unique(returned[returned <= latest.max()])
    if _passes(history, int(ends[-1])):
        return None
    low, high = -1, len(ends) - 1  # the prefix up to ends[low] passes, that up to ends[high] fails
    while high - low > 1:
        if time.monotonic() > give_up:
            return None
        middle = (low + high) // 2
        low, high = (middle, high) if _passes(history, int(ends[middle])) else (low, middle)
    at = int(ends[high])
    candidates = np.flatnonzero(returned == at).tolist()
    row = next((row for row in candidates if row in witness), candidates[0])
    return Break(row, at, int((returned < at).sum()))


def _passes(history: History, until: int) -> bool:
    return check_fifo(_prefix(history, until)[0]).outcome is not Outcome.FAIL


def _prefix(history: History, until: int) -> tuple[History, Ints]:
    """What had been seen of the history at a time, and the rows that it is made of: who had not returned is pending."""
    rows = np.flatnonzero(history.operations["invoked"] <= until)
    operations = history.operations[rows]
    opened = operations["returned"] > until
    operations["status"][opened] = Status.PENDING.value
    operations["returned"][opened] = PENDING_RETURN
    unknown = opened & ~among(operations["kind"], _WRITES)
    operations["value"][unknown] = 0
    operations["id"][opened] = NO_ID
    # a skip that names no entry may remove anything as long as nobody knows what it answered
    nameless = opened & (operations["kind"] == Kind.SKIP.value) & (operations["target"] == NO_ID)
    operations["kind"][nameless] = Kind.SKIP_FORCE.value
    return History(operations, history.capacity, history.shutdown), rows


def find_order(history: History, wanted: Ints, *, until: int | None = None, budget: float) -> Order:
    """An order of the calls on the messages that the wanted rows speak of, and of the wanted EMPTY.

    Messages that nobody asked for are left out: a FIFO queue's history without them is one of a FIFO queue. Calls that
    certainly had no effect, FULL among them, are in no order.

    Args:
        history: to be explained. wanted: rows. until: ns; of the history up to then. budget: s.

    Returns:
        Empty if none was found.
    """
    numbers = np.arange(len(history))
    if until is not None:
        history, numbers = _prefix(history, until)
        wanted = np.flatnonzero(np.isin(numbers, wanted))
    operations = history.operations
    kind, status = operations["kind"], operations["status"]
    ok, pending = status == Status.OK.value, status == Status.PENDING.value
    writes = among(kind, _WRITES)
    sees = ok | (status == Status.MISMATCH.value) & ((operations["flags"] & HEAD_UNTOLD) == 0)
    speaks = sees | pending & writes
    values = np.unique(operations["value"][wanted[speaks[wanted]]])
    chosen = np.flatnonzero(speaks & np.isin(operations["value"], values))
    empty = wanted[~writes[wanted] & among(status[wanted], _SAYING_EMPTY)]
    place = _places(history, chosen)
    rows = np.union1d(chosen, empty)
    asked, intervals, kept = [], [], []
    for row in rows.tolist():
        value = int(operations["value"][row])
        if not speaks[row]:
            role, number = "empty", 0
        elif value not in place:
            continue  # a pending write that nobody saw may never have happened
        else:
            role = "write" if writes[row] else "remove" if ok[row] and kind[row] in _REMOVALS else "see"
            number = place[value]
        invoked, returned = int(operations["invoked"][row]), int(operations["returned"][row])
        if status[row] == Status.TIMEOUT.value and operations["timeout"][row] != NO_TIMEOUT:
            # the last try comes at the deadline
            invoked = min(invoked + int(operations["timeout"][row]), returned)
        asked.append(Operation(role, number, pending=bool(pending[row])))
        intervals.append((invoked, returned))
        kept.append(int(numbers[row]))
    found = search(_ByPlace(), asked, intervals, give_up=time.monotonic() + budget)
    if not found.linearizable:
        return {}
    at = instants(intervals[index][0] for index in found.order)
    return {kept[index]: (rank, instant) for rank, (index, instant) in enumerate(zip(found.order, at, strict=True), 1)}


def _places(history: History, chosen: Ints) -> dict[int, int]:
    """By value its place in the queue, from 0: by entry id where all have one, else in the order of coming out."""
    operations = history.operations
    ids: dict[int, int] = {}
    out: dict[int, int] = {}
    written: dict[int, int] = {}
    seen: set[int] = set()
    for row in chosen.tolist():
        value, kind = int(operations["value"][row]), Kind(int(operations["kind"][row]))
        if operations["id"][row] != NO_ID:
            ids.setdefault(value, int(operations["id"][row]))
        if kind.writes:
            written[value] = int(operations["invoked"][row])
        if operations["status"][row] != Status.PENDING.value:
            seen.add(value)
            if kind.removes:
                out.setdefault(value, int(operations["returned"][row]))
    never = int(PENDING_RETURN)
    if seen <= ids.keys():
        ordered = sorted(seen, key=lambda value: ids[value])
    else:
        ordered = sorted(seen, key=lambda value: (out.get(value, never), written.get(value, 0)))
    return {value: number for number, value in enumerate(ordered)}


class _ByPlace:
    """A FIFO queue whose messages are known by their place in it; the state: how many went in, how many came out."""

    def __init__(self, capacity: int | None = None) -> None:
        pass

    def init(self) -> Hashable:
        return (0, 0)

    def step(self, state: tuple[int, int], operation: Operation) -> tuple[int, int] | None:
        written, removed = state
        place = operation.argument
        if operation.f == "write":
            return (written + 1, removed) if place == written else None
        if operation.f == "empty":
            return state if written == removed else None
        if place != removed or removed >= written:
            return None
        return (written, removed + 1) if operation.f == "remove" else state
