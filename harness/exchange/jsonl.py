"""JSON Lines: one event a line, an optional header first. The format stands in ``docs/checks.md``.

A piece of the file is decoded at once, which is several times as fast as line by line. What that does not take, and
what it would not notice (a key that occurs twice), is read again line by line, which finds the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.exchange.columns import EventColumns, Vocabulary, columns_of
from harness.exchange.events import FIELDS, Event
from harness.exchange.lines import Piece
from harness.history import HistoryError

__all__ = ["read_json_lines", "read_piece"]

_HEADER = {"history", "capacity", "spec", "shutdown", "info"}
_SURROGATES = (rb"\ud", rb"\uD")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NO_ARRAY = "expected an object, one event a line; of an array, jq -c '.[]' makes such lines"


def read_json_lines(
    name: str, pieces: Iterator[Piece], words: Vocabulary, header: dict[str, Any]
) -> Iterator[EventColumns]:
    """The events of a file, piece by piece; `header` is filled in by the first.

    Raises:
        HistoryError: with file and line.
    """
    for first, text in pieces:
        yield read_piece(name, first, text, words, header)


def read_piece(name: str, first: int, text: bytes, words: Vocabulary, header: dict[str, Any]) -> EventColumns:
    """The events of one piece, whose first line has the number `first`.

    Raises:
        HistoryError: with file and line.
    """
    if first == 1:
        text = text.removeprefix(_BYTE_ORDER_MARK)
        line, _, rest = text.partition(b"\n")
        if b'"history"' in line and _take_header(f"{name}:1", line, header):
            first, text = 2, rest
    columns = _at_once(name, first, text, words)
    return columns if columns is not None else _line_by_line(name, first, text, words)


def _at_once(name: str, first: int, text: bytes, words: Vocabulary) -> EventColumns | None:
    """All lines together, or None if that is not certain to give what every line by itself would."""
    count = text.count(b"\n") + (not text.endswith(b"\n"))
    colons = text.count(b":")
    # one brace a line, at its beginning: one object a line, and none in another; every colon ends a key: none stands in
    # a string; NaN and Infinity are none of JSON, but the parser takes them
    if text.count(b"{") != count or text.count(b"\n{") + text.startswith(b"{") != count:
        return None
    if text.count(b'":') != colons or any(word in text for word in (b"NaN", b"Infinity", b'"history"', *_SURROGATES)):
        return None
    try:
        events = json.loads("[" + text.decode("utf-8").rstrip("\n").replace("\n", ",") + "]")
    except (ValueError, RecursionError):
        return None
    # as many keys as colons: no key came twice
    if len(events) != count or sum(map(len, events)) != colons:
        return None
    absent = [field for field in FIELDS if f'"{field}"'.encode() not in text]
    return columns_of(name, events, np.arange(first, first + count), words, absent=absent)


def _line_by_line(name: str, first: int, text: bytes, words: Vocabulary) -> EventColumns:
    events: list[Event] = []
    lines: list[int] = []
    last = first + text.count(b"\n")
    for line, content in enumerate(text.split(b"\n"), first):
        if not content.strip():
            continue
        where = f"{name}:{line}"
        fields = _object(where, content, whole=line < last)
        if "history" in fields:
            raise HistoryError(f"{where}: a header belongs in the first line")
        events.append(fields)
        lines.append(line)
    return columns_of(name, events, lines, words)


def _object(where: str, content: bytes, *, whole: bool) -> dict[str, Any]:
    """The object in one line, in which no key occurs twice."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise HistoryError(f"{where}: {twice!r} occurs twice in one object")
        return fields

    try:
        fields = json.loads(content.decode("utf-8"), object_pairs_hook=distinct, parse_constant=_no_number)
        if any(escape in content for escape in _SURROGATES):
            json.dumps(fields, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise HistoryError(f"{where}: not UTF-8 text: {error.reason}") from error
    except UnicodeEncodeError as error:
        raise HistoryError(f"{where}: half of a surrogate pair, which is no text") from error
    except HistoryError:
        raise
    except RecursionError as error:
        raise HistoryError(f"{where}: nested deeper than this program reads") from error
    except json.JSONDecodeError as error:
        if content.strip() == b"[":
            raise HistoryError(f"{where}: {_NO_ARRAY}") from error
        cut = "" if whole else "; the last line is cut short"
        raise HistoryError(f"{where}: not JSON: {error.msg} at column {error.colno}{cut}") from error
    except _NoNumber as error:
        raise HistoryError(f"{where}: not JSON: {error}") from error
    except ValueError as error:
        raise HistoryError(f"{where}: a number has more digits than this program reads") from error
    if not isinstance(fields, dict):
        raise HistoryError(
            f"{where}: {_NO_ARRAY if isinstance(fields, list) else 'expected an object, one event a line'}"
        )
    return fields


class _NoNumber(Exception):
    """NaN or an infinity, which JSON has not."""


def _no_number(constant: str) -> None:
    raise _NoNumber(f"{constant} is no number of JSON")


def _take_header(where: str, line: bytes, header: dict[str, Any]) -> bool:
    """Is the first line a header? Then take it."""
    told = _object(where, line, whole=True)
    if "history" not in told:
        return False
    if told["history"] != 1:
        raise HistoryError(f"{where}: history version {told['history']!r}; this program reads version 1")
    unknown = sorted(told.keys() - _HEADER)
    if unknown:
        raise HistoryError(f"{where}: unknown field {unknown[0]!r} in the header; known: {', '.join(sorted(_HEADER))}")
    capacity, shutdown = told.get("capacity"), told.get("shutdown")
    if capacity is not None and (type(capacity) is not int or not 0 <= capacity < 2**63):
        raise HistoryError(f"{where}: capacity {capacity!r}; expected an integer, from 0")
    if shutdown is not None and not _is_interval(shutdown):
        raise HistoryError(f"{where}: shutdown {shutdown!r}; expected [invoked, returned], in ns")
    for field, kind, words in (("info", dict, "an object"), ("spec", str, "a string")):
        if told.get(field) is not None and not isinstance(told[field], kind):
            raise HistoryError(f"{where}: {field} {told[field]!r}; expected {words}")
    header.update(told)
    return True


def _is_interval(told: object) -> bool:
    if not isinstance(told, list) or len(told) != 2 or not all(type(time) is int for time in told):
        return False
    return bool(0 <= told[0] <= told[1] < 2**63)
