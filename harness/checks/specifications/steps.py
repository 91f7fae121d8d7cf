"""The steps of a specification, each asked for once.

A specification in Python costs more than the search around it, and a search asks the same over and over: so states and
operations are numbered, equal ones alike, and a table keeps what followed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from harness.checks.specifications.operation import Operation, Specification, StepError

__all__ = ["IMPOSSIBLE", "Steps"]

IMPOSSIBLE = -1
"""In the table: the operation cannot happen in this state."""


class Steps:
    """Numbered states and operations of one search.

    Attributes:
        table: by number of the state: number of the operation's kind -> number of the state after, or IMPOSSIBLE.
            State 0 is the first one.
        kinds: number of every operation; equal ones have the same.
    """

    def __init__(self, model: Specification, operations: Sequence[Operation]) -> None:
        self._model = model
        self._operations = operations
        self._key_of: Callable[[Any], Hashable] | None = getattr(model, "hash", None)
        self._states: list[Any] = []
        self._keys: list[Hashable] = []
        self._numbers: dict[Hashable, int] = {}
        self.table: list[dict[int, int]] = []
        known: dict[Hashable, int] = {}
        self.kinds = [
            known.setdefault(_kind(operation, index), len(known)) for index, operation in enumerate(operations)
        ]
        self._number(model.init(), 0)

    def take(self, state: int, index: int) -> int:
        """The state after an operation, by asking the specification; the table has it from then on.

        Raises:
            StepError: it does not know the operation, or breaks the rules of its form.
        """
        try:
            after = self._model.step(self._states[state], self._operations[index])
        except StepError:
            raise
        except Exception as error:
            told = str(error) if isinstance(error, ValueError) else f"step failed: {type(error).__name__}: {error}"
            raise StepError(told, index) from error
        if self._key_of is not None and self._key_of(self._states[state]) != self._keys[state]:
            raise StepError("step changed the state that it was given; it must return a new one", index)
        number = IMPOSSIBLE if after is None else self._number(after, index)
        self.table[state][self.kinds[index]] = number
        return number

    def _number(self, state: Any, index: int) -> int:
        if self._states and _is_answer(state) and not _is_answer(self._states[0]):
            raise StepError(f"step returned {state!r}; it must return the state after, or None", index)
        try:
            key = state if self._key_of is None else self._key_of(state)
            number = self._numbers.setdefault(key, len(self._states))
        except TypeError as error:
            raise StepError(
                f"a state of it cannot be told from others ({error}); make it of tuples and frozensets, or add "
                "hash(state)",
                index,
            ) from error
        if number == len(self._states):
            self._states.append(state)
            self._keys.append(key)
            self.table.append({})
        return number


def _is_answer(state: Any) -> bool:
    """Does it look like a yes or no, with or without a state, as other tools want it?"""
    return isinstance(state, bool) or (isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], bool))


def _kind(operation: Operation, index: int) -> Hashable:
    """What makes two operations one to any specification; an operation by itself if that cannot be told."""
    fields = tuple(sorted(operation.fields.items())) if operation.fields else None
    told = (_exact(operation.argument), _exact(operation.result), operation.error, operation.pending)
    key = (operation.f, told, operation.process, fields)
    try:
        hash(key)
    except TypeError:
        return index
    return key


def _exact(value: Any) -> Any:
    """Apart from what compares equal, as 1 and True do."""
    kind = type(value)
    return value if kind is int or kind is str or value is None else repr(value).encode()
