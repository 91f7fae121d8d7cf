"""Greedy shrinking of anything that is plain data (Zeller & Hildebrandt, *Simplifying and Isolating Failure-Inducing
Input*, 2002): the first simpler candidate that still fails is taken, until none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

__all__ = ["cuts", "reduced"]

T = TypeVar("T")
Element = TypeVar("Element")


def reduced(value: T, simpler: Callable[[T], Iterable[T]], fails: Callable[[T], bool]) -> T:
    """A value that fails, of which no candidate of `simpler` fails.

    Args:
        value: fails. simpler: candidates, the boldest first; none may lead back to where it came from.
        fails: does a candidate still fail?
    """
    while (better := next(filter(fails, simpler(value)), None)) is not None:
        value = better
    return value


def cuts(elements: Sequence[Element]) -> Iterator[tuple[Element, ...]]:
    """The elements without a half of them, without a quarter, ..., without one; what comes late is cut first."""
    length = max(1, len(elements) // 2) if elements else 0
    while length:
        for begin in range(len(elements) - length, -1, -1):
            yield (*elements[:begin], *elements[begin + length :])
        length //= 2
