"""A broken rule of a queue, before it becomes a verdict."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LONGEST_WITNESS", "Violation"]

LONGEST_WITNESS = 12
"""Operations that a person reads."""


@dataclass(frozen=True)
class Violation:
    """A broken rule and the history rows that prove it."""

    rule: str
    sentence: str
    rows: tuple[int, ...]
