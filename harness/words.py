"""Numbers and nouns in sentences for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["again", "before_and_after", "cause_of", "counted", "plural", "shown"]

_TAKE_ES = ("s", "x", "ch", "sh")
_VOWELS = "aeiou"
_LONGEST = 60


def plural(noun: str, count: int) -> str:
    """The noun as it stands after this number."""
    if count == 1:
        return noun
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(_TAKE_ES) else "s")


def counted(count: int, noun: str) -> str:
    """``1 assertion``, ``2,000 assertions``."""
    return f"{count:,} {plural(noun, count)}"


def again(reproduced: str) -> str:
    """How often a property failed again, as a record has it (``"5/5"``), in words that nobody takes wrong."""
    failed, slash, tries = reproduced.partition("/")
    if not slash:
        return reproduced  # "not tried"
    if failed == "0":
        return f"this did not fail again in {counted(int(tries), 'try')}; what happened above stands, and is rare"
    return f"reproduced {reproduced}"


def before_and_after(ns: Mapping[str, float | None]) -> str:
    """A time by ``"before"`` and ``"after"``: ``27 ns before, 165 ns after``; None: not measured."""
    times = {when: ns.get(when) for when in ("before", "after")}
    if all(time is None for time in times.values()):
        return "not measured"
    return ", ".join(f"{'not measured' if time is None else f'{time:.0f} ns'} {when}" for when, time in times.items())


def shown(value: Any) -> str:
    """A value from outside, as Python writes it, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def cause_of(error: BaseException) -> str:
    """What went wrong with a file, without number and name; the name stands before it already."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
