"""Registers: one value, or one per key."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from harness.checks.specifications.operation import Operation, SpecificationError, exact
from harness.checks.specifications.runs import Run, forced_by_runs
from harness.words import shown

__all__ = ["KeyValue", "LatestValue", "Register"]


_NO_CLAIM = ("timeout", "closed")
"""Errors that say nothing of a register."""
_CLAIMS = ("empty", "full", "mismatch")
"""Errors that would say something, of whatever can end with them."""


class Register:
    """One value, initially None: read, write, cas [old, new]."""

    anonymous = True
    """Who called makes no difference, nor what else was recorded."""
    functions: tuple[str, ...] = ("read", "write", "cas")
    noun = "register"
    allowed = frozenset([("cas", "mismatch")])
    """Operations and errors of `_CLAIMS` that they can end with."""

    def __init__(self, capacity: int | None = None) -> None:
        del capacity

    def init(self) -> Any:
        return (None,)

    def hash(self, state: tuple[Any]) -> Hashable:
        """Tells 1, 1.0 and true apart, which are equal to Python and none of them in JSON."""
        return type(state[0]).__name__, repr(state[0])

    def observes(self, operation: Operation) -> bool:
        """Reads, and what has failed."""
        return operation.f in ("read", "get") or bool(operation.error)

    def claims(self, operation: Operation) -> bool:
        """Reads and what compares; a write fits any state."""
        if operation.pending or operation.error:
            return operation.error in _CLAIMS
        return operation.f in ("read", "get", "cas")

    def forced(
        self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """By the values that were written once, and who saw them."""
        if any(operation.f == "append" for operation in operations):
            return ()  # it makes values that nobody wrote
        runs, nowhere = _runs(operations)
        pending = [operation.pending for operation in operations]
        return itertools.chain(((index, index) for index in nowhere), forced_by_runs(runs, intervals, pending))

    def refuse(self, operation: Operation) -> str:
        """Why this is no operation of a register; empty if it is one."""
        f, argument, result = operation.f, operation.argument, operation.result
        if f not in self.functions:
            return f"a {self.noun} knows no {shown(f)}; it knows {', '.join(self.functions)}"
        if operation.error in _CLAIMS and (f, operation.error) not in self.allowed:
            known = ", ".join(f"{f} with {error!r}" for f, error in sorted(self.allowed))
            return f"{f} of a {self.noun} cannot fail with {operation.error!r}; what can is {known}"
        if f == "cas" and not _is_pair(argument):
            return f"cas takes a pair [old, new]; it was given {shown(argument)}"
        if f in ("write", "put") and argument is None:
            return f"{f} takes a value; it was given none, or null"
        if f == "append" and not isinstance(argument, str):
            return f"append takes text; it was given {shown(argument)}"
        if f not in ("read", "get") and not operation.error and result is not None and not _same(argument, result):
            return f"a {f} of {shown(argument)} ends with value {shown(result)}"
        return ""

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        # the value is wrapped, for None is a value and also the answer "cannot happen"
        f, error, argument = operation.f, operation.error, operation.argument
        if f == "cas":
            old, new = _pair(operation)
            is_old = _same(state[0], old)
            if error:
                return None if error == "mismatch" and is_old else state
            if is_old:
                return (new,)
            return state if operation.pending else None
        if f not in self.functions:
            raise SpecificationError(self.refuse(operation))
        if error:
            return state
        if f in ("write", "put"):
            return (argument,)
        return state if operation.pending or _same(state[0], operation.result) else None


class LatestValue(Register):
    """A channel of which only the latest value counts: reads do not consume, and are empty before the first write."""

    allowed = frozenset([("cas", "mismatch"), ("read", "empty")])

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        if operation.f == "read" and operation.error == "empty":
            return state if state[0] is None else None
        return super().step(state, operation)


class _Entry(Register):
    """What a key holds. get and put are read and write, and append lengthens text; a key that holds none gets ""."""

    functions = ("read", "write", "cas", "get", "put", "append")
    noun = "key"

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        f = operation.f
        if f == "append" and not operation.error:
            held = "" if state[0] is None else state[0]
            return (held + operation.argument,) if isinstance(held, str) else None
        if f == "get" and not operation.error and state[0] is None and operation.result == "":
            return state
        return super().step(state, operation)


class KeyValue:
    """A register per key; every value is a pair [key, value], and cas takes [key, [old, new]]."""

    anonymous = True
    """Who called makes no difference, nor what else was recorded."""

    def __init__(self, capacity: int | None = None) -> None:
        self._entry = _Entry(capacity)

    def init(self) -> Any:
        return self._entry.init()

    def hash(self, state: tuple[Any]) -> Hashable:
        """As of a register."""
        return self._entry.hash(state)

    def observes(self, operation: Operation) -> bool:
        """As of a register."""
        return self._entry.observes(operation)

    def claims(self, operation: Operation) -> bool:
        """As of a register."""
        return self._entry.claims(operation)

    def partition(self, operation: Operation) -> Hashable:
        """Keys do not affect each other; 1, 1.0 and true are three of them."""
        return repr(_pair(operation)[0])

    def forced(
        self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """As of a register, for the operations of one key."""
        if len({self.partition(operation) for operation in operations}) > 1:
            return ()
        return self._entry.forced([_of_entry(operation) for operation in operations], intervals)

    def refuse(self, operation: Operation) -> str:
        """Why this is no operation of a key; empty if it is one."""
        f, argument, result = operation.f, operation.argument, operation.result
        if f not in self._entry.functions:
            return self._entry.refuse(operation)
        if not _is_pair(argument):
            return f"{f} takes a pair [key, value]; it was given {shown(argument)}"
        answers = f in ("read", "get") and not operation.pending and not operation.error
        if not _is_pair(result) and (answers or (result is not None and not operation.error)):
            return f"{f} answers with a pair [key, value]; it was {shown(result)}"
        if answers and not _same(argument[0], result[0]):
            return f"a {f} of key {shown(argument[0])} ends with key {shown(result[0])}"
        return self._entry.refuse(_of_entry(operation))

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        if _is_pair(operation.result) and not _same(operation.result[0], _pair(operation)[0]):
            return None
        return self._entry.step(state, _of_entry(operation))


def _runs(operations: Sequence[Operation]) -> tuple[list[Run], list[int]]:
    """A run for each write, who saw a value belongs to it if it was written once; and who saw what nobody wrote."""
    nowhere: list[int] = []
    written: dict[Hashable, list[Run]] = {}
    for index, operation in enumerate(operations):
        if not operation.error and operation.f in ("write", "put", "cas"):
            new = _pair(operation)[1] if operation.f == "cas" else operation.argument
            written.setdefault(_told(new), []).append(Run(index))
    for index, operation in enumerate(operations):
        if operation.error or operation.pending:
            continue
        if operation.f == "cas":
            value, new = _pair(operation)
        elif operation.f in ("read", "get"):
            value = new = operation.result
        else:
            continue
        runs = written.get(_told(value), [])
        if _told(value) is None:
            continue
        if not runs:
            nowhere.append(index)
        elif len(runs) == 1 and runs[0].write != index:
            runs[0].seen.append(index)
            if _told(new) != _told(value):
                runs[0].ended.append(index)
    return [run for runs in written.values() for run in runs], nowhere


def _told(value: Any) -> Hashable:
    """What tells a whole number or a text from all others; None of anything else: equal ones may look unlike."""
    return (type(value).__name__, exact(value)) if type(value) in (int, str) and value != "" else None


def _of_entry(operation: Operation) -> Operation:
    """An operation of a key as that of the register that the key is."""
    result = operation.result
    return Operation(
        operation.f,
        _pair(operation)[1],
        result[1] if _is_pair(result) else result,
        operation.error,
        operation.pending,
    )


def _same(one: Any, other: Any) -> bool:
    """Are they one value of JSON?"""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def _pair(operation: Operation) -> tuple[Any, Any]:
    argument = operation.argument
    if not _is_pair(argument):
        raise SpecificationError(f"{operation.f} takes a pair; it was given {shown(argument)}")
    return argument[0], argument[1]
