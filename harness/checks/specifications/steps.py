"""The steps of a specification by number, for a search that asks for each once.

A specification in Python costs more than the search around it, and a search asks the same over and over: so states and
operations are numbered, equal ones alike, and the search keeps what followed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from harness.checks.specifications.operation import (
    NOT_ITS_OWN,
    Operation,
    Specification,
    SpecificationError,
    StepError,
    asking,
    exact,
    what_it_raised,
)

__all__ = ["DIFFERENTLY", "IMPOSSIBLE", "OutOfRoom", "Steps", "is_own"]

IMPOSSIBLE = -1
"""For a number of a state: the operation cannot happen in this state."""
DIFFERENTLY = "step answered differently when it was asked again; it must depend on its arguments"
_ASKED_AGAIN = 10_000
_STATE_BYTES = 200
"""Of one more state, besides itself: its number, its hash, its places in the tables."""
_FIXED = frozenset((int, str, bytes, float, bool, type(None)))
_EXACT = frozenset((int, str, type(None)))
"""Types of values that are told apart as they are: a call less for most."""
_LIKE_ANSWERS = frozenset((bool, tuple))
_OWN = "harness.checks."
"""Specifications from here are known to be pure, and are not asked twice."""


MOST_BYTES = 1 << 30
"""For the states of one search: what follows one may be asked at any time, so none is forgotten."""


class OutOfRoom(BaseException):
    """The states of a search need more than `MOST_BYTES`; no `Exception`, as little as OutOfTime."""


def is_own(kind: type) -> bool:
    """Is the class one of this program?"""
    return kind.__module__.startswith(_OWN)


class Steps:
    """Numbered states and operations of one search.

    Attributes:
        kinds: number of every operation; equal ones have the same. State 0 is the first one.
        asked: of the specification so far.
        observes: of every operation, whether the specification says that it changes no state.
        full: did the states need more than `MOST_BYTES`?
    """

    def __init__(self, model: Specification, operations: Sequence[Operation]) -> None:
        self._model = model
        self._trusted = is_own(type(model))
        self._operations = operations
        self._key_of: Callable[[Any], Hashable] | None = getattr(model, "hash", None)
        self._states: list[Any] = []
        self._hashes: list[int] = []
        self._fixed: list[bool] = []
        self._asked: list[tuple[int, int, int]] = []
        self._bytes = 0
        self._held: set[int] = set()
        self.asked = 0
        self.full = False
        self._random = random.Random(0)
        self._numbers: dict[Hashable, int] = {}
        self.kinds = _kinds(operations, named=not (self._trusted and getattr(model, "anonymous", False)))
        observes: Callable[[Operation], bool] = getattr(model, "observes", lambda _: False)
        with asking("observes"):
            self.observes = [bool(observes(operation)) for operation in operations]
        with asking("init"):
            first = model.init()
        try:
            self._number(first, 0)
        except StepError as error:  # that was no operation's fault
            raise SpecificationError(f"init: {error}") from error

    def take(self, state: int, index: int) -> int:
        """The state after an operation, or IMPOSSIBLE, by asking the specification.

        Raises:
            StepError: it does not know the operation, or breaks the rules of its form. OutOfRoom: too many states.
        """
        self.asked += 1
        number = self._ask(state, index)
        if self.observes[index] and number not in (IMPOSSIBLE, state):
            raise StepError("observes says that it changes no state, and step changed one", index)
        if self._trusted:
            return number
        if len(self._asked) < _ASKED_AGAIN:
            self._asked.append((state, index, number))
        elif (place := self._random.randrange(self.asked)) < _ASKED_AGAIN:
            self._asked[place] = state, index, number
        return number

    def ask_again(self) -> None:
        """Ask once more for what was answered, refusals too: for all, or for 10,000 drawn alike (Vitter 1985, R).

        Raises:
            StepError: an answer is another one now.
        """
        for state, index, number in self._asked:
            if self._ask(state, index) != number:
                raise StepError(DIFFERENTLY, index)

    def _ask(self, state: int, index: int) -> int:
        given = self._states[state]
        try:
            after = self._model.step(given, self._operations[index])
        except (StepError, *NOT_ITS_OWN):
            raise
        except BaseException as error:
            raise StepError(what_it_raised("step", error), index) from error
        if not self._fixed[state]:
            key, hashed = self._key(given, index)
            if hashed != self._hashes[state] or self._numbered(key, index) != state:
                raise StepError("step changed the state that it was given; it must return a new one", index)
        if after is None:
            return IMPOSSIBLE
        return state if after is given else self._number(after, index)

    def _number(self, state: Any, index: int) -> int:
        if type(state) in _LIKE_ANSWERS and self._states and _is_answer(state) and not _is_answer(self._states[0]):
            raise StepError(f"step returned {state!r}; it must return the state after, or None", index)
        key, hashed = self._key(state, index)
        number = self._numbered(key, index)
        if number == len(self._states):
            self._states.append(state)
            self._hashes.append(hashed)
            self._fixed.append(self._trusted or _is_fixed(state))
            self._bytes += _STATE_BYTES + self._size(state) + (0 if key is state else self._size(key))
            if self._bytes > MOST_BYTES:
                self.full = True
                raise OutOfRoom
        return number

    def _size(self, value: Any) -> int:
        """Bytes of a state, about: itself, and what it holds if it is a tuple and no other state held it before."""
        size = sys.getsizeof(value)
        if type(value) is tuple:
            for held in value:
                if id(held) not in self._held:  # it stays: the state is kept
                    self._held.add(id(held))
                    size += sys.getsizeof(held)
        return size

    def _numbered(self, key: Hashable, index: int) -> int:
        """Its number; the next one, if it is new."""
        try:
            return self._numbers.setdefault(key, len(self._states))
        except NOT_ITS_OWN:
            raise
        except BaseException as error:
            raise StepError(what_it_raised("__eq__ of a state", error), index) from error

    def _key(self, state: Any, index: int) -> tuple[Hashable, int]:
        """What tells a state from others, and its hash."""
        try:
            key: Hashable = state if self._key_of is None else self._key_of(state)
            if type(key).__hash__ is object.__hash__ and key is not None:
                raise StepError(_unlike(f"{type(key).__name__} has no __eq__ of its own"), index)
            return key, hash(key)
        except (StepError, *NOT_ITS_OWN):
            raise
        except TypeError as error:
            raise StepError(_unlike(str(error)), index) from error
        except BaseException as error:
            raise StepError(what_it_raised("hash of a state", error), index) from error


def _unlike(cause: str) -> str:
    return f"a state of it cannot be told from others ({cause}); make it of tuples and frozensets, or add hash(state)"


def _is_fixed(state: Any) -> bool:
    """Can nobody change it, whatever a step does with it?"""
    if type(state) in (tuple, frozenset):
        return all(map(_is_fixed, state))
    return type(state) in _FIXED


def _is_answer(state: Any) -> bool:
    """Does it look like a yes or no, with or without a state, as other tools want it?"""
    return isinstance(state, bool) or (isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], bool))


def _kinds(operations: Sequence[Operation], *, named: bool) -> list[int]:
    """Numbers of the operations; equal ones, which no specification tells apart, have the same.

    Args:
        named: does it matter who called, and what else was recorded?
    """
    known: dict[Hashable, int] = {}
    kinds = []
    for index, operation in enumerate(operations):
        argument, result = operation.argument, operation.result
        told = (
            operation.f,
            argument if type(argument) in _EXACT else exact(argument),
            result if type(result) in _EXACT else exact(result),
            operation.error,
            operation.pending,
            operation.process if named else None,
            tuple(sorted(operation.fields.items())) if named and operation.fields else None,
        )
        try:
            number = known.setdefault(told, len(known))
        except TypeError:  # that cannot be told: an operation by itself
            number = known.setdefault(index, len(known))
        kinds.append(number)
    return kinds
