"""Numbers and nouns in sentences for a person."""

from __future__ import annotations

__all__ = ["counted", "plural"]

_TAKE_ES = ("s", "x", "ch", "sh")
_VOWELS = "aeiou"


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
