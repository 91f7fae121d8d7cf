"""JSON Lines: one event a line, an optional header first. The format stands in ``docs/checks.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from harness.exchange.calls import Event, Recording, pair
from harness.history import HistoryError

__all__ = ["read_json_lines"]

_HEADER = {"history", "capacity", "spec", "shutdown", "info"}


def read_json_lines(name: str, stream: IO[str]) -> Recording:
    """Read a whole stream.

    Raises:
        HistoryError: with file and line.
    """
    header: dict[str, Any] = {}
    return Recording(name, pair(name, _events(name, stream, header)), header)


def _events(name: str, stream: IO[str], header: dict[str, Any]) -> Iterator[tuple[int, Event]]:
    last = 0
    try:
        for last, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                event = json.loads(text)
            except json.JSONDecodeError as error:
                cut = "" if text.endswith("\n") else "; the last line is cut short"
                raise HistoryError(f"{name}:{last}: not JSON: {error.msg} at column {error.colno}{cut}") from error
            if not isinstance(event, dict):
                raise HistoryError(f"{name}:{last}: expected an object, one event a line")
            if "history" in event:
                _take_header(f"{name}:{last}", last, event, header)
            else:
                yield last, event
    except UnicodeDecodeError as error:
        raise HistoryError(f"{name}:{last + 1}: not UTF-8 text: {error.reason}") from error


def _take_header(where: str, line: int, event: dict[str, Any], header: dict[str, Any]) -> None:
    if line != 1:
        raise HistoryError(f"{where}: a header belongs in the first line")
    if event["history"] != 1:
        raise HistoryError(f"{where}: history version {event['history']!r}; this program reads version 1")
    unknown = event.keys() - _HEADER
    if unknown:
        raise HistoryError(
            f"{where}: unknown field {min(unknown)!r} in the header; known: {', '.join(sorted(_HEADER))}"
        )
    capacity = event.get("capacity")
    if capacity is not None and (not isinstance(capacity, int) or capacity < 0):
        raise HistoryError(f"{where}: capacity {capacity!r}; expected an integer, from 0")
    shutdown = event.get("shutdown")
    pair_of_times = isinstance(shutdown, list) and len(shutdown) == 2 and all(isinstance(t, int) for t in shutdown)
    if shutdown is not None and not pair_of_times:
        raise HistoryError(f"{where}: shutdown {shutdown!r}; expected [invoked, returned]")
    header.update(event)
