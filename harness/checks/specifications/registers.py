"""Registers: one value, or one per key."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from harness.checks.specifications.operation import Operation, SpecificationError

__all__ = ["KeyValue", "LatestValue", "Register"]


class Register:
    """One value, initially None: read, write, cas [old, new]."""

    def __init__(self, capacity: int | None = None) -> None:
        del capacity

    def init(self) -> Any:
        return (None,)

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        # the value is wrapped, for None is a value and also the answer "cannot happen"
        f = operation.f
        if f == "cas":
            old, new = _pair(operation)
            if operation.error == "mismatch":
                return state if state[0] != old else None
            if operation.error:
                return state
            if state[0] == old:
                return (new,)
            return state if operation.pending else None
        if f == "write":
            return state if operation.error else (operation.argument,)
        if f == "read":
            same = operation.pending or bool(operation.error) or state[0] == operation.result
            return state if same else None
        raise SpecificationError(f"a register knows no {f!r}; it knows read, write and cas")


class LatestValue(Register):
    """A channel of which only the latest value counts: reads do not consume, and are empty before the first write."""

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        if operation.f == "read" and operation.error == "empty":
            return state if state[0] is None else None
        return super().step(state, operation)


class KeyValue:
    """A register per key; every value is a pair [key, value], and cas takes [key, [old, new]]."""

    def __init__(self, capacity: int | None = None) -> None:
        self._register = Register(capacity)

    def init(self) -> Any:
        return self._register.init()

    def partition(self, operation: Operation) -> Hashable:
        """Keys do not affect each other."""
        key: Hashable = _pair(operation)[0]
        return key

    def step(self, state: tuple[Any], operation: Operation) -> tuple[Any] | None:
        inner = _pair(operation)[1]
        result = operation.result
        if isinstance(result, tuple | list) and len(result) == 2:
            result = result[1]
        return self._register.step(
            state, Operation(operation.f, inner, result, operation.error, operation.pending, operation.process)
        )


def _pair(operation: Operation) -> tuple[Any, Any]:
    argument = operation.argument
    if not isinstance(argument, tuple | list) or len(argument) != 2:
        raise SpecificationError(f"{operation.f} takes a pair; it was given {argument!r}")
    return argument[0], argument[1]
