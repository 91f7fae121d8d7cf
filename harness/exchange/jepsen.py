"""Jepsen's histories: its EDN, and the lines of its log.

    {:type :invoke, :f :cas, :value [3 0], :process 1, :time 120, :index 4}
    INFO  jepsen.util - 0  :invoke  :read  nil

Events without a time are written in order: the place in the file stands in for it, which is sound; the header then says
``"clock": "order"``. What the nemesis did is no call of the system, and is passed over.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from harness.exchange.columns import EventColumns, Vocabulary, columns_of
from harness.exchange.edn import EdnError, parse_edn, values_in
from harness.exchange.events import FIELDS, TYPES, Event
from harness.exchange.lines import Piece, single_lines
from harness.history import HistoryError

__all__ = ["read_edn", "read_jepsen_log"]

_AT_ONCE = 20_000
_NEMESIS = "nemesis"
_LOG_LINE = re.compile(r"(?:^\s*|jepsen\.\S+\s+(?:-\s+)?)(\d+|:[\w-]+)\s+:(\S*)(?:\s+:(\S+)(.*))?$")
_BEGINS_AS_EDN = re.compile(rb"(?:\xef\xbb\xbf)?(?:[\s,]|;[^\n]*\n)*[\[(]?\s*(?:#[\w.:]+\s*)?\{")
_QUEUE_NAMES = {"enqueue": "write", "dequeue": "read"}
_Numbered = Iterator[tuple[int, dict[str, Any]]]
"""Line and fields of each event."""


def read_edn(name: str, pieces: Iterator[Piece], words: Vocabulary, header: dict[str, Any]) -> Iterator[EventColumns]:
    """The events of a history of one map an operation, with or without a vector around them.

    Raises:
        HistoryError: with file and line.
    """
    return _in_columns(name, _drained(name, _edn_events(name, pieces, header)), words)


def read_jepsen_log(
    name: str, pieces: Iterator[Piece], words: Vocabulary, header: dict[str, Any]
) -> Iterator[EventColumns]:
    """The operations in Jepsen's log, or its history.txt; other lines are passed over. EDN is read as that.

    Raises:
        HistoryError: no line is an operation, or one is not understood.
    """
    first = list(itertools.islice(pieces, 1))
    pieces = itertools.chain(first, pieces)
    if first and _BEGINS_AS_EDN.match(first[0][1]):
        return read_edn(name, pieces, words, header)
    return _in_columns(name, _drained(name, _log_events(name, pieces, header)), words)


def _in_columns(name: str, events: Iterator[tuple[int, Event]], words: Vocabulary) -> Iterator[EventColumns]:
    while several := list(itertools.islice(events, _AT_ONCE)):
        yield columns_of(name, [event for _, event in several], [line for line, _ in several], words)


def _edn_events(name: str, pieces: Iterator[Piece], header: dict[str, Any]) -> _Numbered:
    place = 0
    timed: bool | None = None
    try:
        for line, content in values_in((line, text) for line, text, _ in single_lines(name, pieces)):
            if not isinstance(content, dict):
                raise HistoryError(f"{name}:{line}: expected a map, one operation each")
            told = {key: value for key, value in _plain_keys(name, line, content).items() if value is not None}
            if told.get("process") == _NEMESIS:
                continue
            place = max(place + 1, line)  # several may stand in one line
            if timed is not None and timed is not ("time" in told):
                raise HistoryError(f"{name}:{line}: some events have a :time and some have none; all or none of them")
            timed = "time" in told
            if not timed:
                header["clock"] = "order"
            fields = {key: value for key, value in told.items() if key in FIELDS}
            if "key" in told:
                fields["value"] = [told["key"], told.get("value")]
            yield line, _normal({"time": place} | fields)
    except EdnError as error:
        raise HistoryError(f"{name}:{error.line}: not EDN: {error}") from error


def _plain_keys(name: str, line: int, content: dict[str, Any]) -> dict[str, Any]:
    """Keys without their namespace."""
    plain = {key.rpartition("/")[2]: value for key, value in content.items()}
    if len(plain) < len(content):
        raise HistoryError(f"{name}:{line}: two keys of the map are one without their namespace")
    return plain


def _log_events(name: str, pieces: Iterator[Piece], header: dict[str, Any]) -> _Numbered:
    lines = found = 0
    for line, text, whole in single_lines(name, pieces):
        lines += bool(text)
        matched = _LOG_LINE.search(text)
        if matched is None or matched[1] == f":{_NEMESIS}":
            continue
        process, kind, f, rest = matched.groups()
        is_known = kind in TYPES
        if not is_known and whole and matched[0].startswith("jepsen.") and not matched[0].startswith("jepsen.util"):
            continue  # what another part of Jepsen says
        found += 1
        where = f"{name}:{line}"
        if not is_known and whole:
            raise HistoryError(f"{where}: process {process} :{kind}; expected one of :{', :'.join(TYPES)}")
        try:
            told = parse_edn(f"[{rest or ''}]")
            number = parse_edn(process)
        except EdnError as problem:
            raise HistoryError(f"{where}: {problem}") from problem
        if not told or not whole:
            raise HistoryError(f"{where}: the line is cut short: no value, or no end of the line, after {f or kind}")
        value, error = told[0], told[1] if len(told) > 1 else None
        if value == "timed-out":
            value, error = None, value
        if error is None and (kind, f) == ("fail", "cas") and value is not None:
            error = "mismatch"  # the client gave no other reason: it was told that the value is another one
        header["clock"] = "order"
        fields = {"time": line, "process": number, "type": kind, "f": f, "value": value, "error": error}
        yield line, _normal(fields)
    if lines and not found:
        raise HistoryError(f"{name}: no line of it is an operation, as in: INFO jepsen.util - 0 :invoke :read nil")


def _drained(name: str, events: _Numbered) -> _Numbered:
    """The events with each drain as the reads that it did: one batch, in its order.

    Raises:
        HistoryError: a drain has no list of what came out: then any number of messages may be gone.
    """
    draining: dict[Any, tuple[int, dict[str, Any]]] = {}
    batches = 0
    for line, fields in events:
        process = fields.get("process")
        if fields.get("f") != "drain":
            yield line, fields
        elif fields.get("type") == "invoke" and process not in draining:
            draining[process] = line, fields
        else:
            begun, invocation = draining.pop(process, (line, None))
            taken = fields.get("value")
            if fields.get("type") != "ok" or invocation is None or not isinstance(taken, list):
                raise HistoryError(
                    f"{name}:{begun}: a drain that is not :ok with the list of what came out may have taken anything"
                )
            batches += 1
            reads = {"f": "read", "batch": batches}
            yield from ((begun, invocation | reads | {"value": None}) for _ in taken)
            yield from ((line, fields | reads | {"value": value}) for value in taken)
    for begun, _ in draining.values():
        raise HistoryError(f"{name}:{begun}: a drain that never returned may have taken anything")


def _normal(fields: dict[str, Any]) -> dict[str, Any]:
    """Jepsen's words in those of the exchange format."""
    fields["f"] = _QUEUE_NAMES.get(str(fields.get("f")), fields.get("f"))
    error = fields.get("error")
    while isinstance(error, list):
        error = error[0] if error else None
    if error is not None:
        # a time-out of Jepsen's client says nothing of the channel's own deadline
        fields["error"] = "timed-out" if error == "timeout" and "timeout" not in fields else str(error)
    return fields
