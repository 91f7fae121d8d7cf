"""Events as columns: what of 10 GB of text can be held in memory.

An object of Python per event would take about 1 KB; a column takes 8 bytes, and fields that nobody tells take none.
Names are numbered once; the few values that are no small integers stand in a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.exchange.events import FIELDS, NUMBERS, TYPES, Event, check_event
from harness.history import PENDING_RETURN

__all__ = ["ABSENT", "NO_VALUE", "Bools", "EventColumns", "Ints", "Names", "Values", "Vocabulary", "columns_of"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NO_VALUE = -(2**63)
"""Stands for a value that an event does not carry, or carries as null."""
ABSENT = -1
"""Stands for any other number that an event does not carry."""

_PLAIN = 2**62
_TYPE_NUMBERS = {name: number for number, name in enumerate(TYPES)}


class Names(dict[Any, int]):
    """Numbers names in order of appearance: ``names[name]`` is its number."""

    def __missing__(self, name: Any) -> int:
        number = self[name] = len(self)
        return number


@dataclass
class Values:
    """Any JSON value as an integer: integers from 0 stand for themselves, the k-th of all others is -1 - k.

    `others` has those from the `first` on, each once; a stream forgets the oldest. What JSON tells apart stays apart:
    1, 1.0, true and "1" are four values.
    """

    others: list[Any] = field(default_factory=list)
    first: int = 0
    _numbers: dict[str | bytes, int] = field(default_factory=dict)

    def encode(self, value: Any) -> int:
        """Its integer; NO_VALUE for None."""
        if value is None:
            return NO_VALUE
        if type(value) is int and 0 <= value < _PLAIN:
            return value
        key = _key(value)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = -1 - self.first - len(self.others)
            self.others.append(value)
        return number

    def decode(self, number: int) -> Any:
        """The value of an integer."""
        if number == NO_VALUE:
            return None
        return number if number >= 0 else self.others[-1 - number - self.first]

    def forget(self, before: int) -> None:
        """Nobody will ask for one of the first `before` of the others again; who comes again is a new one."""
        count = max(before - self.first, 0)
        for value in self.others[:count]:
            del self._numbers[_key(value)]
        del self.others[:count]
        self.first += count

    def column(self, values: Sequence[Any]) -> Ints:
        """Many at once."""
        if set(map(type, values)) <= {int, NoneType}:
            missing = values.count(None)
            told = [NO_VALUE if value is None else value for value in values] if missing else values
            with suppress(OverflowError):
                column = np.fromiter(told, np.int64, len(told))
                plain = (column >= 0) & (column < _PLAIN)
                if len(column) - int(plain.sum()) == missing:
                    return column
        return np.fromiter(map(self.encode, values), np.int64, len(values))


def _key(value: Any) -> str | bytes:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True).encode()


@dataclass
class Vocabulary:
    """The names and values of a history."""

    processes: Names = field(default_factory=Names)
    functions: Names = field(default_factory=Names)
    errors: Names = field(default_factory=lambda: Names({"": 0}))
    values: Values = field(default_factory=Values)


@dataclass(frozen=True)
class EventColumns:
    """Events in the order of the file; the arrays run in parallel, and hold numbers of a Vocabulary.

    Attributes:
        time: ns. process, f, error: names. type: index in TYPES. value: see `Values`. line: from 1.
        intact: of the payload. numbers: those of NUMBERS that any event carries.
    """

    time: Ints
    process: Ints
    type: Ints
    f: Ints
    error: Ints
    value: Ints
    line: Ints
    intact: npt.NDArray[np.bool_]
    numbers: dict[str, Ints]

    def __len__(self) -> int:
        return len(self.time)

    def number(self, name: str) -> Ints:
        """A column of NUMBERS."""
        told = self.numbers.get(name)
        return np.full(len(self), ABSENT, np.int64) if told is None else told

    def take(self, where: npt.NDArray[Any]) -> EventColumns:
        """Some of the events."""
        plain = {name: getattr(self, name)[where] for name in _PLAIN_COLUMNS}
        return EventColumns(**plain, numbers={name: column[where] for name, column in self.numbers.items()})

    def followed_by(self, other: EventColumns) -> EventColumns:
        """Both, one after the other."""
        plain = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _PLAIN_COLUMNS}
        names = sorted(self.numbers.keys() | other.numbers.keys())
        numbers = {name: np.concatenate([self.number(name), other.number(name)]) for name in names}
        return EventColumns(**plain, numbers=numbers)


_PLAIN_COLUMNS = ("time", "process", "type", "f", "error", "value", "line", "intact")


def columns_of(
    name: str, events: Sequence[Event], lines: npt.ArrayLike, words: Vocabulary, *, absent: Iterable[str] = ()
) -> EventColumns:
    """Events as columns.

    Args:
        name: of the file, for errors. events: in the order of the file. lines: their numbers. words: numbers their
            names and values. absent: fields that no event of these carries, where the caller knows some.

    Raises:
        HistoryError: the first event that has a field which is unknown, missing, or of the wrong kind.
    """
    numbered = np.asarray(lines, np.int64)
    try:
        return _columns_of(events, numbered, words, frozenset(absent))
    except (_WrongEventError, KeyError, OverflowError):
        # one of them is wrong: looking at each finds which, and how
        for line, event in zip(numbered.tolist(), events, strict=True):
            check_event(f"{name}:{line}", event)
        raise


class _WrongEventError(Exception):
    """Some event is not as it should be."""


def _columns_of(events: Sequence[Event], lines: Ints, words: Vocabulary, absent: frozenset[str]) -> EventColumns:
    count = len(events)

    def required(name: str, *types: type) -> list[Any]:
        column = list(map(itemgetter(name), events))
        _require(set(map(type, column)) <= set(types))
        return column

    def optional(name: str, kind: type) -> list[Any]:
        """Contents, None where there is none; empty if there are none at all."""
        column = [] if name in absent else [event.get(name) for event in events]
        types = set(map(type, column))
        _require(types <= {kind, NoneType})
        return column if kind in types else []

    _require(set().union(*events) <= FIELDS)
    time = np.fromiter(required("time", int), np.int64, count)
    _require(bool(((time >= 0) & (time < PENDING_RETURN)).all()))
    numbers = {}
    for name in NUMBERS:
        if column := optional(name, int):
            missing = column.count(None)
            told = [ABSENT if content is None else content for content in column] if missing else column
            numbers[name] = np.fromiter(told, np.int64, count)
            _require(int((numbers[name] < 0).sum()) == missing)
    error, intact = optional("error", str), optional("intact", bool)
    return EventColumns(
        time=time,
        process=_numbered(required("process", int, str), words.processes),
        type=_numbered(required("type", str), _TYPE_NUMBERS),
        f=_numbered(required("f", str), words.functions),
        error=_numbered([told or "" for told in error], words.errors) if error else np.zeros(count, np.int64),
        value=words.values.column([event.get("value") for event in events]),
        line=lines,
        intact=np.array([told is not False for told in intact], np.bool_) if intact else np.ones(count, np.bool_),
        numbers=numbers,
    )


def _numbered(names: list[Any], numbers: dict[Any, int]) -> Ints:
    return np.fromiter(map(numbers.__getitem__, names), np.int64, len(names))


def _require(holds: bool) -> None:
    if not holds:
        raise _WrongEventError
