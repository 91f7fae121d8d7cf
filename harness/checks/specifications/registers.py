"""Registers: one value, or one per key."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from harness.checks.specifications.operation import Operation, SpecificationError

__all__ = ["KeyValue", "LatestValue", "Register"]


_NO_CLAIM = ("", "timeout", "closed")
"""Errors that say nothing of a register."""


class Register:
    """One value, initially None: read, write, cas [old, new]."""

    anonymous = True
    """Who called makes no difference, nor what else was recorded."""

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

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        # the value is wrapped, for None is a value and also the answer "cannot happen"
        f, error = operation.f, operation.error
        if f not in ("read", "write", "cas"):
            raise SpecificationError(f"a register knows no {f!r}; it knows read, write and cas")
        if f == "cas":
            old, new = _pair(operation)
            if error == "mismatch":
                return None if _same(state[0], old) else state
        if error not in _NO_CLAIM:
            raise SpecificationError(f"{f} of a register cannot fail with {error!r}; only cas can, with 'mismatch'")
        if error:
            return state
        if f == "cas":
            if _same(state[0], old):
                return (new,)
            return state if operation.pending else None
        if f == "write":
            if operation.argument is None:
                raise SpecificationError("write takes a value; it was given none, or null")
            return (operation.argument,)
        return state if operation.pending or _same(state[0], operation.result) else None


class LatestValue(Register):
    """A channel of which only the latest value counts: reads do not consume, and are empty before the first write."""

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        if operation.f == "read" and operation.error == "empty":
            return state if state[0] is None else None
        return super().step(state, operation)


class _Entry(Register):
    """What a key holds. get and put are read and write, and append lengthens text; a key that holds none gets ""."""

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        f, error = operation.f, operation.error
        if f not in ("get", "put", "append"):
            return super().step(state, operation)
        if error not in _NO_CLAIM:
            raise SpecificationError(f"{f} of a key cannot fail with {error!r}")
        if error:
            return state
        if f == "get":
            is_unset = state[0] is None and operation.result == ""
            return state if operation.pending or is_unset or _same(state[0], operation.result) else None
        if f == "put":
            return super().step(state, replace(operation, f="write"))
        held = "" if state[0] is None else state[0]
        if not isinstance(operation.argument, str):
            raise SpecificationError(f"append takes text; it was given {operation.argument!r}")
        return (held + operation.argument,) if isinstance(held, str) else None


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

    def partition(self, operation: Operation) -> Hashable:
        """Keys do not affect each other; 1, 1.0 and true are three of them."""
        return repr(_pair(operation)[0])

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        key, inner = _pair(operation)
        f, result = operation.f, operation.result
        if f not in ("read", "write", "cas", "get", "put", "append"):
            raise SpecificationError(f"a key knows no {f!r}; it knows read, write, cas, get, put and append")
        if f in ("read", "get") and not operation.pending and not operation.error:
            if not isinstance(result, tuple) or len(result) != 2:
                raise SpecificationError(f"{f} answers with a pair [key, value]; it was {result!r}")
            if not _same(result[0], key):
                return None
            result = result[1]
        return self._entry.step(state, Operation(f, inner, result, operation.error, operation.pending))


def _same(one: Any, other: Any) -> bool:
    """Are they one value of JSON?"""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _pair(operation: Operation) -> tuple[Any, Any]:
    argument = operation.argument
    if not isinstance(argument, tuple | list) or len(argument) != 2:
        raise SpecificationError(f"{operation.f} takes a pair; it was given {argument!r}")
    return argument[0], argument[1]
