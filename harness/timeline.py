"""From a history to a record's timeline: the calls around the witness, and what is known of their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.checks.linearizability import interval
from harness.checks.prefix import Break, find_break, find_order
from harness.checks.wgl import instants
from harness.exchange.calls import Recording
from harness.history import PENDING_RETURN, History
from harness.operation import Kind, Status
from harness.record import Timeline, TimelineCall
from harness.words import counted

__all__ = ["MOST_CALLS", "SAMPLE_CALLS", "nearest", "timeline_of", "timeline_of_recording"]

MOST_CALLS = 5_000
"""So many calls of a history are kept in a record."""
SAMPLE_CALLS = 300
"""Of one that passed."""

_NEAREST = "those nearest to the witness"
_MOST_ORDERED = 3_000
_PREFIX_BUDGET_S = 10.0
_ORDER_BUDGET_S = 1.0

Ints = npt.NDArray[np.int64]


def timeline_of(
    history: History,
    witness: Sequence[int] = (),
    *,
    most: int = MOST_CALLS,
    broken: bool = True,
    clock: str = "ns",
) -> Timeline:
    """The calls of a channel's history around the witness; without one, around the call that retried most.

    Args:
        history: whose. witness: rows that prove a violation. most: calls. broken: is it the order that is violated, so
            that the history has a longest linearizable prefix? clock: as in Timeline.
    """
    rows = history.operations
    if not len(rows):
        return Timeline((), 0)
    witness = tuple(witness)
    call_of, first = _calls(rows)
    stop = find_break(history, witness, budget=_PREFIX_BUDGET_S) if witness and broken else None
    around = [*witness, *([stop.row] if stop else [])] or [int(np.argmax(rows["retries"]))]
    kept = nearest(rows["invoked"][first], rows["returned"][first], np.unique(call_of[around]), most)
    members = np.flatnonzero(np.isin(call_of, kept[:_MOST_ORDERED]))
    # no order explains what cannot be explained
    order = (
        find_order(history, members, until=stop.at - 1 if stop else None, budget=_ORDER_BUDGET_S)
        if stop or not witness
        else {}
    )
    start = int(rows["invoked"].min())
    by_call: dict[int, list[int]] = {}
    for row in np.flatnonzero(np.isin(call_of, kept)).tolist():
        by_call.setdefault(int(call_of[row]), []).append(row)
    calls = [_call(history, by_call[number], near, start, order) for near, number in enumerate(kept.tolist())]
    calls.sort(key=lambda call: (call.invoked, call.rows))
    return Timeline(
        tuple(calls),
        len(first),
        _NEAREST if witness else "around the one that retried most",
        clock,
        witness,
        _prefix_in_words(history, stop, order),
        stop.row if stop else None,
        "worker" if history.unit is None else "process",
    )


def timeline_of_recording(
    recording: Recording,
    found: Sequence[int],
    witness: Sequence[int] = (),
    *,
    most: int = MOST_CALLS,
    clock: str = "ns",
) -> Timeline:
    """The calls of any recorded history around the witness; without one, in its middle.

    Args:
        recording: whose. found: rows in the order of the linearization that was found, or of its longest prefix.
        witness: rows; the prefix sticks at the last. most: calls. clock: as in Timeline.
    """
    calls = recording.calls
    if not calls:
        return Timeline((), 0)
    invoked = np.array([call.invoked for call in calls], np.int64)
    returned = np.array([call.returned for call in calls], np.int64)
    around = np.unique(np.array(witness or [len(calls) // 2]))
    at = instants(interval(calls[row])[0] for row in found)
    order = {row: (rank, instant) for rank, (row, instant) in enumerate(zip(found, at, strict=True), 1)}
    stuck = witness[-1] if witness and witness[-1] not in order else None
    start = int(invoked.min())
    shown = []
    for near, row in enumerate(nearest(invoked, returned, around, most).tolist()):
        call = calls[row]
        pending = call.type == "info"
        rank, point = order.get(row, (None, None))
        shown.append(
            TimelineCall(
                rows=(row,),
                worker=str(call.process),
                kind=call.f,
                told=call.told,
                outcome="pending" if pending else call.type,
                invoked=call.invoked - start,
                returned=None if pending else call.returned - start,
                near=near,
                rank=rank,
                point=None if point is None else point - start,
            )
        )
    shown.sort(key=lambda one: (one.invoked, one.rows))
    prefix = "The marks are the earliest instants of the order that was found." if order else ""
    if witness:
        prefix = f"The longest linearizable prefix that the search found has {counted(len(order), 'operation')}"
        prefix += f"; it sticks at {calls[stuck]}." if stuck is not None else "."
    where = _NEAREST if witness else "in the middle of the history"
    return Timeline(tuple(shown), len(calls), where, clock, tuple(witness), prefix, stuck, "process")


def nearest(invoked: Ints, returned: Ints, wanted: Ints, most: int) -> Ints:
    """Calls by their distance from the wanted ones, counted in calls; those under way at a wanted one's ends first.

    Args:
        invoked, returned: ns, by call. wanted: numbers of calls. most: how many.
    """
    position = np.empty(len(invoked), np.int64)
    position[np.argsort(invoked, kind="stable")] = np.arange(len(invoked))
    distance = np.full(len(invoked), len(invoked), np.int64)
    for number in wanted.tolist():
        np.minimum(distance, np.abs(position - position[number]), out=distance)
        for instant in (invoked[number], min(returned[number], invoked.max())):
            under_way = (invoked <= instant) & (returned >= instant)
            distance[under_way] = np.minimum(distance[under_way], 1)
    distance[wanted] = 0
    return np.lexsort((position, distance))[:most]


def _calls(rows: npt.NDArray[np.void]) -> tuple[Ints, Ints]:
    """By row the number of its call, and by call its first row: the messages of one batch are one call."""
    number = np.arange(len(rows))
    batched = np.flatnonzero(rows["batch"] > 0)
    if len(batched):
        key = rows["worker"][batched].astype(np.int64) << 32 | rows["batch"][batched].astype(np.int64)
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        number[batched] = batched[first][inverse]
    first_rows, call_of = np.unique(number, return_inverse=True)
    return call_of.astype(np.int64), first_rows.astype(np.int64)


def _call(
    history: History, rows: Sequence[int], near: int, start: int, order: Mapping[int, tuple[int, int]]
) -> TimelineCall:
    first, last = history.operations[rows[0]], history.operations[rows[-1]]
    told = history.told(rows[0])
    if len(rows) > 1:
        told = f"{len(rows):,} in one call: {told} ... {history.told(rows[-1])}"
    pending = int(first["status"]) == Status.PENDING.value or int(first["returned"]) == PENDING_RETURN
    # a batch has had all its effect when its last message has
    rank, point = order.get(max(rows, key=lambda row: order.get(row, (0, 0))), (None, None))
    return TimelineCall(
        rows=tuple(rows),
        worker=history.worker(int(first["worker"])),
        kind=Kind(int(first["kind"])).name.lower(),
        told=told,
        outcome="pending" if pending else "ok" if int(last["status"]) == Status.OK.value else "fail",
        invoked=int(first["invoked"]) - start,
        returned=None if pending else int(first["returned"]) - start,
        near=near,
        rank=rank,
        point=None if point is None else point - start,
    )


def _prefix_in_words(history: History, stop: Break | None, order: Mapping[int, tuple[int, int]]) -> str:
    shown = f"; the marks are the earliest instants of one order that explains {len(order):,} of them" if order else ""
    if stop is None:
        return "The marks are the earliest instants of one order that explains the calls shown." if order else ""
    return (
        f"The longest linearizable prefix has {counted(stop.before, 'completed operation')}; it sticks where this one "
        f"returns: {history.describe(stop.row)}{shown}."
    )
