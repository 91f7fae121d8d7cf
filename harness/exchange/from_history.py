"""A History as events of the exchange format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.exchange.to_history import UNIT
from harness.history import HEAD_UNTOLD, INTACT, OWN_HEAD, History
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.resolve import UNKNOWN_VALUE

__all__ = ["events_of"]


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
        event |= {"value": int(row["value"]), "size": size, "cost": (size + 8 + UNIT - 1) // UNIT * UNIT}
    if kind is Kind.SKIP and int(row["target"]) != NO_ID:
        event["id"] = int(row["target"])
    # by value; a skip that returned tells it then, unless it tells of another message
    meant = int(row["flags"]) & (OWN_HEAD | HEAD_UNTOLD) or (kind is Kind.SKIP and row["status"] == Status.PENDING)
    if meant and int(row["target"]) == NO_ID and int(row["value"]) != UNKNOWN_VALUE:
        event["value"] = int(row["value"])
    if int(row["timeout"]) != NO_TIMEOUT:
        event["timeout"] = max(int(row["timeout"]), 0)
    return event


def _completion(row: np.void) -> dict[str, Any]:
    kind, status = Kind(int(row["kind"])), Status(int(row["status"]))
    event = _event(row, "ok" if status is Status.OK else "fail", int(row["returned"]))
    if status is not Status.OK:
        event["error"] = status.name.lower()
    if status is Status.OK or status is Status.MISMATCH:
        if int(row["value"]) != UNKNOWN_VALUE and not int(row["flags"]) & HEAD_UNTOLD:
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
