"""Jepsen's histories: its EDN, and the lines of its log.

    {:type :invoke, :f :cas, :value [3 0], :process 1, :time 120, :index 4}
    INFO  jepsen.util - 0  :invoke  :read  nil

A line of a log has no time: its number stands in for it, which is sound, for the log is written in order. What the
nemesis did is no call of the system, and is passed over.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from harness.exchange.columns import EventColumns, Vocabulary, columns_of
from harness.exchange.edn import EdnError, parse_edn, values_in
from harness.exchange.events import FIELDS, Event
from harness.exchange.lines import Piece, single_lines
from harness.history import HistoryError

__all__ = ["read_edn", "read_jepsen_log"]

_AT_ONCE = 20_000
_NEMESIS = "nemesis"
_LOG_LINE = re.compile(r"jepsen\.\S+\s+-?\s*(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)(.*)$")
_QUEUE_NAMES = {"enqueue": "write", "dequeue": "read"}


def read_edn(name: str, pieces: Iterator[Piece], words: Vocabulary, _header: dict[str, Any]) -> Iterator[EventColumns]:
    """The events of a history of one map an operation, with or without a vector around them.

    Raises:
        HistoryError: with file and line.
    """
    return _in_columns(name, _edn_events(name, pieces), words)


def read_jepsen_log(
    name: str, pieces: Iterator[Piece], words: Vocabulary, _header: dict[str, Any]
) -> Iterator[EventColumns]:
    """The operations in Jepsen's log; other lines are passed over.

    Raises:
        HistoryError: no line is an operation, or one is not understood.
    """
    return _in_columns(name, _log_events(name, pieces), words)


def _in_columns(name: str, events: Iterator[tuple[int, Event]], words: Vocabulary) -> Iterator[EventColumns]:
    while several := list(itertools.islice(events, _AT_ONCE)):
        yield columns_of(name, [event for _, event in several], [line for line, _ in several], words)


def _edn_events(name: str, pieces: Iterator[Piece]) -> Iterator[tuple[int, Event]]:
    try:
        for line, fields in values_in((line, text) for line, text, _ in single_lines(name, pieces)):
            if not isinstance(fields, dict):
                raise HistoryError(f"{name}:{line}: expected a map, one operation each")
            if fields.get("process") == _NEMESIS:
                continue
            known = {key: content for key, content in fields.items() if key in FIELDS}
            yield line, _normal({"time": line} | known)
    except EdnError as error:
        raise HistoryError(f"{name}:{error.line}: not EDN: {error}") from error


def _log_events(name: str, pieces: Iterator[Piece]) -> Iterator[tuple[int, Event]]:
    lines = found = 0
    for line, text, whole in single_lines(name, pieces):
        lines += bool(text)
        matched = _LOG_LINE.search(text)
        if matched is None or matched[1] == f":{_NEMESIS}":
            continue
        found += 1
        where = f"{name}:{line}"
        try:
            told = parse_edn(f"[{matched[4]}]")
            process = parse_edn(matched[1])
        except EdnError as problem:
            raise HistoryError(f"{where}: {problem}") from problem
        if not told or not whole:
            raise HistoryError(f"{where}: the line is cut short: no value, or no end of the line, after {matched[3]}")
        value, error = told[0], told[1] if len(told) > 1 else None
        if value == "timed-out":
            value, error = None, value
        fields = {"time": line, "process": process, "type": matched[2], "f": matched[3], "value": value, "error": error}
        yield line, _normal(fields)
    if lines and not found:
        raise HistoryError(f"{name}: no line of it is an operation, as in: INFO jepsen.util - 0 :invoke :read nil")


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
