"""Between recorded calls and the harness's own History.

A History keeps operations of a channel; calls keep those of anything. Messages of a foreign history may be strings, and
may be accounted in any unit: they are numbered, and costs become sizes that this channel would account alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.exchange.calls import Call, Recording
from harness.history import INTACT, OPERATION_RECORD, History, HistoryError
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.resolve import resolve_skips

__all__ = ["events_of", "history_of"]

_KINDS = {kind.name.lower(): kind for kind in Kind}
_ERRORS = {
    status.name.lower(): status for status in Status if status not in (Status.OK, Status.PENDING, Status.CORRUPTED)
}
_NO_EFFECT = Status.RETRY_LIMIT
_NEUTRAL = {"id": NO_ID, "target": NO_ID, "timeout": NO_TIMEOUT, "size": 0, "retries": 0, "batch": 0, "slept": 0}
_COLUMNS = ("kind", "status", "invoked", "returned", "value", *_NEUTRAL, "flags")
_UNIT = 16
"""Accounted bytes that stand for one unit of a foreign capacity."""
_INVENTED_IDS = 2**63
_MOST_WORKERS = 2**16


def history_of(recording: Recording) -> History:
    """The operations of a queue as a History.

    Raises:
        HistoryError: an operation is none of a queue, or two writes carry the same value.
    """
    calls = recording.calls
    workers = _numbered(recording, [call.process for call in calls], _MOST_WORKERS)
    messages = _numbered(recording, [message for call in calls for message in _messages(recording, call)], NO_ID)
    rows = np.zeros(len(calls), OPERATION_RECORD)
    # column by column: writing single fields of single records would take most of the time of reading a file
    columns = zip(*(_row(recording, call, messages) for call in calls), strict=True)
    for name, column in zip(_COLUMNS, columns, strict=False):
        try:
            rows[name] = column
        except OverflowError as error:
            largest = max(range(len(calls)), key=lambda index: column[index])
            raise HistoryError(
                f"{_where(recording, calls[largest])}: {name} {column[largest]} is larger than this program holds"
            ) from error
    rows["worker"] = [workers[call.process] for call in calls]
    _check_distinct(recording, rows)
    _name_pending_skips(rows, calls, messages)
    resolve_skips(rows)
    capacity = _account(recording, rows)
    shutdown = recording.header.get("shutdown")
    info = dict(recording.header.get("info") or {})
    if any(isinstance(message, str) for message in messages):
        info["messages"] = list(messages)
    return History(rows, capacity, None if shutdown is None else (shutdown[0], shutdown[1]), info)


def _where(recording: Recording, call: Call) -> str:
    return f"{recording.name}:{call.line}"


def _messages(recording: Recording, call: Call) -> Iterator[int | str]:
    for message in (call.argument, call.result):
        if message is None:
            continue
        if isinstance(message, bool) or not isinstance(message, int | str):
            raise HistoryError(f"{_where(recording, call)}: value {message!r}; a message is an integer or a string")
        yield message


def _numbered(recording: Recording, names: list[Any], limit: int) -> dict[Any, int]:
    """Integers that fit stand for themselves; otherwise all are numbered in order of appearance."""
    distinct = dict.fromkeys(names)
    if all(isinstance(name, int) and 0 <= name < limit for name in distinct):
        return {name: name for name in distinct}
    if len(distinct) > limit:
        raise HistoryError(f"{recording.name}: {len(distinct):,} processes; at most {limit:,} are read")
    return {name: number for number, name in enumerate(distinct)}


def _row(recording: Recording, call: Call, messages: dict[Any, int]) -> tuple[int, ...]:
    """The content of _COLUMNS for one call."""
    kind = _KINDS.get(call.f)
    if kind is None:
        raise HistoryError(f"{_where(recording, call)}: f {call.f!r} is none of a queue: {', '.join(_KINDS)}")
    status = _status(recording, call)
    message = call.argument if kind.writes else call.result
    if kind is Kind.SKIP and status in (Status.OK, Status.PENDING) and call.result is None:
        message = call.argument
    if kind.writes and message is None:
        raise HistoryError(f"{_where(recording, call)}: a write needs its value at the invocation")
    entry_id, target = call.fields.get("id"), call.fields.get("target")
    by_id = kind in (Kind.SKIP, Kind.SKIP_FORCE) and (entry_id is not None or target is not None)
    if status is Status.OK and message is None and not by_id:
        raise HistoryError(f"{_where(recording, call)}: {call.f} is ok but says no value; what came out?")
    if status is Status.MISMATCH and message is None and entry_id is None:
        status = _NO_EFFECT  # that some other entry is at the head says nothing that these checks could use
    content = [int(kind), int(status), call.invoked, call.returned, 0 if message is None else messages[message]]
    for name, neutral in _NEUTRAL.items():
        told = call.fields.get(name)
        content.append(neutral if told is None else told)
    content.append(INTACT if call.fields.get("intact", True) else 0)
    return tuple(content)


def _status(recording: Recording, call: Call) -> Status:
    if call.type == "info":
        return Status.PENDING
    if call.type == "ok":
        return Status.OK
    status = _ERRORS.get(call.error, _NO_EFFECT)
    if status is Status.TIMEOUT and call.fields.get("timeout") is None:
        raise HistoryError(f'{_where(recording, call)}: a time-out needs "timeout" (ns) at the invocation')
    return status


def _check_distinct(recording: Recording, rows: np.ndarray[Any, Any]) -> None:
    effective = np.flatnonzero(
        np.isin(rows["kind"], [kind.value for kind in Kind if kind.writes])
        & np.isin(rows["status"], [Status.OK.value, Status.PENDING.value])
    )
    values = rows["value"][effective]
    order = np.argsort(values, kind="stable")
    same = np.flatnonzero(values[order][1:] == values[order][:-1])
    if len(same):
        first, second = (recording.calls[int(effective[order[same[0] + step]])] for step in (0, 1))
        raise HistoryError(
            f"{_where(recording, second)}: value {second.argument!r} was already written in line {first.line}; "
            "a FIFO history needs distinct values"
        )


def _name_pending_skips(rows: np.ndarray[Any, Any], calls: tuple[Call, ...], messages: dict[Any, int]) -> None:
    """A pending skip names its entry by id in a History: give the message that it means an id if it has none."""
    for row, call in zip(rows, calls, strict=True):
        if (
            row["kind"] != Kind.SKIP
            or row["status"] != Status.PENDING
            or row["target"] != NO_ID
            or call.argument is None
        ):
            continue
        meant = messages[call.argument]
        writes = np.flatnonzero((rows["value"] == meant) & np.isin(rows["kind"], [k.value for k in Kind if k.writes]))
        if len(writes):
            write = int(writes[-1])
            if rows["id"][write] == NO_ID:
                rows["id"][write] = _INVENTED_IDS + write
            row["target"] = rows["id"][write]


def _account(recording: Recording, rows: np.ndarray[Any, Any]) -> int | None:
    """Make sizes and capacity one unit; reads that tell no size get that of their write."""
    capacity = recording.header.get("capacity")
    calls = recording.calls
    writes = np.isin(rows["kind"], [kind.value for kind in Kind if kind.writes])
    costs = np.array([call.fields.get("cost", 1) for call in calls], np.int64)
    accounted = (rows["size"].astype(np.int64) + 8 + _UNIT - 1) // _UNIT * _UNIT
    told = np.array([call.fields.get("size") is not None for call in calls], np.bool_)
    if capacity is not None and not (told & (costs == accounted))[writes].all():
        if costs[writes].min(initial=1) < 1:
            cheap = calls[int(np.flatnonzero(writes & (costs < 1))[0])]
            raise HistoryError(f"{_where(recording, cheap)}: cost {cheap.fields['cost']}; expected at least 1")
        if costs.max(initial=1) > 2**32 // _UNIT - 1:
            raise HistoryError(f"{recording.name}: a cost of {costs.max():,} is beyond what this program accounts")
        rows["size"][writes] = _UNIT * costs[writes] - 8
        told[~writes] = False
        capacity *= _UNIT
    effective = np.flatnonzero(writes & np.isin(rows["status"], [Status.OK.value, Status.PENDING.value]))
    silent = np.flatnonzero(~writes & ~told)
    if len(effective) and len(silent):
        effective = effective[np.argsort(rows["value"][effective])]
        place = np.minimum(np.searchsorted(rows["value"][effective], rows["value"][silent]), len(effective) - 1)
        rows["size"][silent] = rows["size"][effective[place]]
    return capacity


def events_of(history: History) -> Iterator[dict[str, Any]]:
    """The events of a History, header first, in order of time and in each worker's own order."""
    yield {"history": 1, "capacity": history.capacity, "spec": "fifo", "shutdown": history.shutdown} | (
        {"info": dict(history.info)} if history.info else {}
    )
    rows = history.operations
    own_order = np.lexsort((rows["returned"], rows["invoked"], rows["worker"]))
    times: list[int] = []
    events: list[tuple[int, bool]] = []
    at = 0
    while at < len(own_order):
        first = rows[own_order[at]]
        until = at + 1
        while (
            first["batch"]
            and until < len(own_order)
            and rows[own_order[until]]["batch"] == first["batch"]
            and rows[own_order[until]]["worker"] == first["worker"]
        ):
            until += 1
        # the messages of one batch have one interval, in the order of the rows
        together = np.sort(own_order[at:until]).tolist()
        for row in together:
            times.append(int(rows["invoked"][row]))
            events.append((row, True))
        for row in together:
            if rows["status"][row] != Status.PENDING:
                times.append(int(rows["returned"][row]))
                events.append((row, False))
        at = until
    for index in np.argsort(np.array(times, np.int64), kind="stable").tolist():
        row, begins = events[index]
        yield _invocation(rows[row]) if begins else _completion(rows[row])


def _invocation(row: np.void) -> dict[str, Any]:
    kind = Kind(int(row["kind"]))
    event = _event(row, "invoke", int(row["invoked"]))
    if kind.writes:
        size = int(row["size"])
        event |= {"value": int(row["value"]), "size": size, "cost": (size + 8 + _UNIT - 1) // _UNIT * _UNIT}
    if kind is Kind.SKIP and int(row["target"]) != NO_ID:
        event["id"] = int(row["target"])
    if int(row["timeout"]) != NO_TIMEOUT:
        event["timeout"] = max(int(row["timeout"]), 0)
    return event


def _completion(row: np.void) -> dict[str, Any]:
    kind, status = Kind(int(row["kind"])), Status(int(row["status"]))
    event = _event(row, "ok" if status is Status.OK else "fail", int(row["returned"]))
    if status is not Status.OK:
        event["error"] = status.name.lower()
    if status is Status.OK or status is Status.MISMATCH:
        event["value"] = int(row["value"])
        if int(row["id"]) != NO_ID:
            event["id"] = int(row["id"])
        if not kind.writes and status is Status.OK:
            event["size"] = int(row["size"])
            if kind not in (Kind.SKIP, Kind.SKIP_FORCE) and not int(row["flags"]) & INTACT:
                event["intact"] = False
    for name in ("retries", "slept"):
        if row[name]:
            event[name] = int(row[name])
    return event


def _event(row: np.void, kind: str, time: int) -> dict[str, Any]:
    event = {"time": time, "process": int(row["worker"]), "type": kind, "f": Kind(int(row["kind"])).name.lower()}
    return event | ({"batch": int(row["batch"])} if row["batch"] else {})
