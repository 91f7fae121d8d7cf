"""Calls: invoke and completion events of a recorded history, paired, with every rule of the format enforced.

The events are those that Jepsen made customary: *invoke*, then *ok*, *fail* (certainly no effect) or *info* (nobody
knows); a process has one call open at a time, except the messages of one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.history import PENDING_RETURN, HistoryError

__all__ = ["FIELDS", "Call", "Event", "Recording", "pair"]

Event = Mapping[str, Any]

_REQUIRED = ("time", "process", "type", "f")
_OPTIONAL = ("value", "id", "size", "retries", "timeout", "batch", "cost", "error", "slept", "intact", "index")
FIELDS = frozenset([*_REQUIRED, *_OPTIONAL])
"""Everything that an event may carry."""

_TYPES = ("invoke", "ok", "fail", "info")


@dataclass(frozen=True, slots=True)
class Call:
    """One operation.

    Attributes:
        process: who called. f: what. argument: the value of the invocation. result: the value of the completion.
        type: ``"ok"``, ``"fail"`` or ``"info"``; info means pending. error: why it failed, or empty.
        invoked, returned: times; PENDING_RETURN if it never returned.
        line: of the invocation, from 1. fields: everything else that either event carried; the entry id that an
            invocation asks for is ``"target"``, the one that a completion tells ``"id"``.
    """

    process: int | str
    f: str
    argument: Any
    result: Any
    type: str
    invoked: int
    returned: int
    line: int
    error: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recording:
    """A history as somebody wrote it down: its calls in order of invocation, and what its header says."""

    name: str
    calls: tuple[Call, ...]
    header: Mapping[str, Any] = field(default_factory=dict)


def pair(name: str, events: Iterable[tuple[int, Event]]) -> tuple[Call, ...]:
    """Put completions to their invocations.

    Args:
        name: of the file, for errors. events: (line number, event), in the order of the file.

    Raises:
        HistoryError: the history was not understood; the message names file and line.
    """
    # a slot per invocation keeps the order of the file, in which the messages of a batch have their order
    calls: list[Call | None] = []
    opened: dict[int | str, list[tuple[int, int, Event]]] = {}
    clock: dict[int | str, int] = {}
    for line, event in events:
        where = f"{name}:{line}"
        _validate(where, event)
        process, time = event["process"], event["time"]
        if time < clock.get(process, time):
            raise HistoryError(f"{where}: time runs backwards in process {process!r}: {time} after {clock[process]}")
        clock[process] = time
        mine = opened.setdefault(process, [])
        if event["type"] == "invoke":
            if mine and (event.get("batch") is None or mine[0][2].get("batch") != event["batch"]):
                raise HistoryError(
                    f"{where}: process {process!r} has a call open since line {mine[0][1]}; one at a time, unless both "
                    'have the same "batch"'
                )
            mine.append((len(calls), line, event))
            calls.append(None)
            continue
        slot, begun, invocation = mine.pop(_partner(where, mine, event))
        calls[slot] = _call(where, begun, invocation, event)
    for left in opened.values():
        for slot, begun, invocation in left:
            calls[slot] = _call(f"{name}:{begun}", begun, invocation, None)
    return tuple(sorted(_all(calls), key=lambda call: call.invoked))


def _all(calls: list[Call | None]) -> Iterator[Call]:
    return (call for call in calls if call is not None)


def _validate(where: str, event: Event) -> None:
    unknown = event.keys() - FIELDS
    if unknown:
        raise HistoryError(f"{where}: unknown field {min(unknown)!r}; known: {', '.join(sorted(FIELDS))}")
    for name in _REQUIRED:
        if name not in event:
            raise HistoryError(f"{where}: {name!r} is missing; an event has time, process, type and f")
    if event["type"] not in _TYPES:
        raise HistoryError(f"{where}: type {event['type']!r}; allowed: {', '.join(_TYPES)}")
    if not _is_integer(event["time"]) or not 0 <= event["time"] < PENDING_RETURN:
        raise HistoryError(f"{where}: time {event['time']!r}; expected an integer of nanoseconds, from 0")
    if not _is_integer(event["process"]) and not isinstance(event["process"], str):
        raise HistoryError(f"{where}: process {event['process']!r}; expected an integer or a string")
    if not isinstance(event["f"], str):
        raise HistoryError(f"{where}: f {event['f']!r}; expected a string")
    for name in ("id", "size", "retries", "timeout", "batch", "cost", "slept"):
        value = event.get(name)
        if value is not None and (not _is_integer(value) or value < 0):
            raise HistoryError(f"{where}: {name} {value!r}; expected an integer, from 0")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _partner(where: str, mine: list[tuple[int, int, Event]], event: Event) -> int:
    """Which of the open calls of its process an event completes."""
    if not mine:
        raise HistoryError(
            f"{where}: process {event['process']!r} has no open call that {event['type']} could complete"
        )
    same = [index for index, (_, _, invocation) in enumerate(mine) if invocation["f"] == event["f"]]
    if not same:
        raise HistoryError(
            f"{where}: completes {event['f']!r}, but process {event['process']!r} invoked {mine[0][2]['f']!r}"
        )
    if len(mine) > 1 and event.get("value") is not None:
        named = [index for index in same if mine[index][2].get("value") == event["value"]]
        return named[0] if named else same[0]
    return same[0]


def _call(where: str, line: int, invocation: Event, completion: Event | None) -> Call:
    done = completion if completion is not None else {}
    error = done.get("error", "")
    if not isinstance(error, str):
        raise HistoryError(f"{where}: error {error!r}; expected a string")
    kind = done.get("type", "info")
    own = ("time", "process", "type", "f", "value", "error", "index")
    fields = {key: value for event in (invocation, done) for key, value in event.items() if key not in own}
    if "id" in invocation:
        fields["target"] = invocation["id"]
        fields["id"] = done.get("id")
    return Call(
        invocation["process"],
        invocation["f"],
        invocation.get("value"),
        done.get("value"),
        kind,
        invocation["time"],
        PENDING_RETURN if kind == "info" else done["time"],
        line,
        error,
        fields,
    )
