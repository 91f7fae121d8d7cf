"""Jepsen's histories: EDN, one map an operation, and the lines of its log.

    {:type :invoke, :f :cas, :value [3 0], :process 1, :time 120, :index 4}
    INFO  jepsen.util - 0  :invoke  :read  nil

Only the part of EDN (https://github.com/edn-format/edn) that such histories use is read: maps, vectors, lists, sets,
keywords, strings, numbers, nil and booleans. A line of a log has no time: its number stands in for it, which is sound,
for the log is written in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from harness.exchange.calls import FIELDS, Event, Recording, pair
from harness.history import HistoryError

__all__ = ["parse_edn", "read_edn", "read_jepsen_log"]

_TOKEN = re.compile(r'[\s,]*(#\{|[{}\[\]()]|"(?:\\.|[^"\\])*"|;[^\n]*|[^\s,{}\[\]()";]+)')
_CLOSING = {"{": "}", "#{": "}", "[": "]", "(": ")"}
_LOG_LINE = re.compile(r"jepsen\.\S+\s+-?\s*(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)\s*(.*)$")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_QUEUE_NAMES = {"enqueue": "write", "dequeue": "read"}


class EdnError(ValueError):
    """The text is no EDN that this module reads."""


def parse_edn(text: str) -> Any:
    """The first value of a text. Keywords become strings, lists, vectors and sets become lists.

    Raises:
        EdnError: it has none, or an unfinished one.
    """
    value, _ = _value(_tokens(text), 0)
    return value


def _tokens(text: str) -> list[str]:
    return [token for token in _TOKEN.findall(text) if not token.startswith(";")]


def _value(tokens: list[str], at: int) -> tuple[Any, int]:
    if at >= len(tokens):
        raise EdnError("the value is cut short")
    token = tokens[at]
    if token in _CLOSING:
        items: list[Any] = []
        at += 1
        while at < len(tokens) and tokens[at] != _CLOSING[token]:
            item, at = _value(tokens, at)
            items.append(item)
        if at >= len(tokens):
            raise EdnError(f"{token} is never closed")
        if token != "{":
            return items, at + 1
        if len(items) % 2:
            raise EdnError("a map with a key and no value")
        return dict(zip(map(str, items[::2]), items[1::2], strict=True)), at + 1
    if token in ("}", "]", ")"):
        raise EdnError(f"{token} closes nothing")
    return _atom(token), at + 1


def _atom(token: str) -> Any:
    if token.startswith('"'):
        return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), token[1:-1])
    if token in ("nil", "true", "false"):
        return {"nil": None, "true": True, "false": False}[token]
    for number in (int, float):
        try:
            return number(token.removesuffix("N"))
        except ValueError:
            continue
    return token.removeprefix(":")


def read_edn(name: str, stream: IO[str]) -> Recording:
    """A history of one map a line, with or without a vector around it.

    Raises:
        HistoryError: with file and line.
    """
    return Recording(name, pair(name, _edn_events(name, stream)), {})


def _edn_events(name: str, stream: IO[str]) -> Iterator[tuple[int, Event]]:
    for line, text in enumerate(stream, 1):
        text = text.strip()
        if line == 1:
            text = text.removeprefix("[")
        text = text.removesuffix("]") if text.count("]") > text.count("[") else text
        if not text or text.startswith(";"):
            continue
        try:
            event = parse_edn(re.sub(r"^#[\w.]+(?=\{)", "", text))
        except EdnError as error:
            raise HistoryError(f"{name}:{line}: not EDN: {error}") from error
        if not isinstance(event, dict):
            raise HistoryError(f"{name}:{line}: expected a map, one operation a line")
        event.setdefault("time", line)
        if event.get("process") == "nemesis":
            continue  # faults that Jepsen injected: no call of the system
        yield line, _normal({key: content for key, content in event.items() if key in FIELDS})


def read_jepsen_log(name: str, stream: IO[str]) -> Recording:
    """The operations in Jepsen's log; other lines are passed over.

    Raises:
        HistoryError: no line is an operation, or the operations make no history.
    """
    return Recording(name, pair(name, _log_events(name, stream)), {})


def _log_events(name: str, stream: IO[str]) -> Iterator[tuple[int, Event]]:
    found = False
    for line, text in enumerate(stream, 1):
        matched = _LOG_LINE.search(text)
        if matched is None or matched[1] == ":nemesis":
            continue
        found = True
        try:
            tokens = _tokens(matched[4])
            value, used = _value(tokens, 0) if tokens else (None, 0)
            error = _atom(tokens[used]) if used < len(tokens) else ""
        except EdnError as problem:
            raise HistoryError(f"{name}:{line}: {problem}") from problem
        if value == "timed-out":
            value, error = None, "timed-out"
        process = _atom(matched[1])
        event = {"time": line, "process": process, "type": matched[2], "f": matched[3], "value": value}
        yield line, _normal(event | ({"error": error} if error else {}))
    if not found:
        raise HistoryError(f"{name}: no line of it is an operation, as in: INFO jepsen.util - 0 :invoke :read nil")


def _normal(event: dict[str, Any]) -> Event:
    event["f"] = _QUEUE_NAMES.get(event.get("f", ""), event.get("f"))
    error = event.get("error")
    if isinstance(error, list):
        event["error"] = str(error[0]) if error else ""
    return event
