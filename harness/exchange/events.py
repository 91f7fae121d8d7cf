"""Events: one line of a recorded history, in the form that Jepsen made customary, checked field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.history import PENDING_RETURN, HistoryError
from harness.words import shown

__all__ = ["FIELDS", "NUMBERS", "REQUIRED", "TYPES", "Event", "check_event"]

Event = Mapping[str, Any]
"""The fields of one event; they stand in ``docs/checks.md``. None is as good as no field."""

TYPES = ("invoke", "ok", "fail", "info")
REQUIRED = ("time", "process", "type", "f")
NUMBERS = ("id", "size", "cost", "retries", "timeout", "batch", "slept")
"""Fields that are integers from 0."""

FIELDS = frozenset([*REQUIRED, *NUMBERS, "value", "error", "intact", "index"])
"""Everything that an event may carry."""


def _is_natural(content: Any) -> bool:
    return type(content) is int and 0 <= content < 2**63


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "time": (lambda content: _is_natural(content) and content < PENDING_RETURN, "an integer of nanoseconds, from 0"),
    "process": (lambda content: type(content) in (int, str), "an integer or a string"),
    "type": (lambda content: content in TYPES, f"one of {', '.join(TYPES)}"),
    "f": (lambda content: isinstance(content, str), "a string"),
    "error": (lambda content: isinstance(content, str), "a string"),
    "intact": (lambda content: isinstance(content, bool), "true or false"),
    **dict.fromkeys(NUMBERS, (_is_natural, "an integer from 0, below 2^63")),
}


def check_event(where: str, event: Event) -> None:
    """Look at every field.

    Raises:
        HistoryError: one is unknown, missing, or of the wrong kind.
    """
    unknown = sorted(event.keys() - FIELDS)
    if unknown:
        raise HistoryError(f"{where}: unknown field {unknown[0]!r}; known: {', '.join(sorted(FIELDS))}")
    for name in REQUIRED:
        if event.get(name) is None:
            raise HistoryError(f"{where}: {name!r} is missing; an event has time, process, type and f")
    for name, (allowed, expected) in _RULES.items():
        content = event.get(name)
        if content is not None and not allowed(content):
            raise HistoryError(f"{where}: {name} {shown(content)}; expected {expected}")
