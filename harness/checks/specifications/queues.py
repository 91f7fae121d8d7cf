"""FIFO queues, and what is left of them when a promise is dropped.

States are tuples. All know write, try_write, read, try_read, peek, skip and skip_force, named by value, and the errors
empty, timeout, full, mismatch and closed.
"""

from __future__ import annotations

from typing import Any

from harness.checks.specifications.operation import Operation, SpecificationError

__all__ = ["BoundedFifo", "ByteBoundedFifo", "Fifo", "LossyFifo", "Multiset", "PerWriterOrder"]

_WRITES = frozenset(["write", "try_write", "write_many"])
_REMOVALS = frozenset(["read", "try_read", "read_many", "skip_force"])
_EMPTY_ERRORS = frozenset(["empty", "timeout", "closed"])
_FULL_ERRORS = frozenset(["full", "timeout"])

Entries = tuple[Any, ...]


class Fifo:
    """An unbounded FIFO queue."""

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity

    def init(self) -> Entries:
        return ()

    def step(self, state: Entries, operation: Operation) -> Entries | None:
        f = operation.f
        if f in _WRITES:
            if operation.error:
                return self._refused(state, operation)
            return self._written(state, operation)
        if operation.error in _EMPTY_ERRORS:
            return state if not state else None
        if f == "skip":
            return self._skipped(state, operation)
        if f != "peek" and f not in _REMOVALS:
            raise SpecificationError(
                f"a queue knows no {f!r}; it knows write, read, peek, skip, skip_force, try_*, *_many"
            )
        if operation.error:
            return state
        return self._removed(state, operation)

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return (*state, self._entry(operation))

    def _refused(self, state: Entries, operation: Operation) -> Entries | None:
        return None if operation.error in _FULL_ERRORS else state

    def _entry(self, operation: Operation) -> Any:
        return operation.argument

    def _value(self, entry: Any) -> Any:
        return entry

    def _removed(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.pending:
            return state[1:] if operation.f != "peek" else state
        if not state or self._value(state[0]) != operation.result:
            return None
        return state if operation.f == "peek" else state[1:]

    def _skipped(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.error == "mismatch":
            honest = bool(state) and self._value(state[0]) != operation.argument
            seen = operation.result is None or (honest and self._value(state[0]) == operation.result)
            return state if honest and seen else None
        if operation.error:
            return state
        if state and self._value(state[0]) == operation.argument:
            return state[1:]
        return state if operation.pending else None


class BoundedFifo(Fifo):
    """A FIFO queue of at most `capacity` messages."""

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is None:
            raise SpecificationError('this specification needs a capacity: a first line {"history": 1, "capacity": N}')
        super().__init__(capacity)
        self.limit = capacity

    def _used(self, state: Entries) -> int:
        return len(state)

    def _cost(self, operation: Operation) -> int:
        return 1

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        if self._used(state) + self._cost(operation) <= self.limit:
            return super()._written(state, operation)
        return state if operation.pending else None

    def _refused(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.error not in _FULL_ERRORS:
            return state
        return state if self._used(state) + self._cost(operation) > self.limit else None


class ByteBoundedFifo(BoundedFifo):
    """A FIFO queue of messages whose costs come to at most `capacity`."""

    def _used(self, state: Entries) -> int:
        return sum(cost for _, cost in state)

    def _cost(self, operation: Operation) -> int:
        return int(operation.fields.get("cost", 1))

    def _entry(self, operation: Operation) -> tuple[Any, int]:
        return operation.argument, self._cost(operation)

    def _value(self, entry: tuple[Any, int]) -> Any:
        return entry[0]


class LossyFifo(BoundedFifo):
    """A FIFO queue of `capacity` messages in which a write that does not fit drops the oldest."""

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return (*state, operation.argument)[-self.limit :] if self.limit else ()

    def _refused(self, state: Entries, operation: Operation) -> Entries | None:
        return None if operation.error in _FULL_ERRORS else state


class PerWriterOrder(Fifo):
    """A queue that keeps the order of each writer's messages, but not between writers."""

    def _entry(self, operation: Operation) -> tuple[Any, Any]:
        return operation.argument, operation.process

    def _value(self, entry: tuple[Any, Any]) -> Any:
        return entry[0]

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        # one canonical order of equal states: by writer, each writer's own order kept
        return tuple(sorted((*state, self._entry(operation)), key=lambda entry: str(entry[1])))

    def _removed(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.pending:
            raise SpecificationError("per-writer order cannot say what a pending read took; leave pending reads out")
        return self._take(state, operation.result, operation.f != "peek")

    def _skipped(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.error == "mismatch":
            others = [value for value in self._heads(state) if value != operation.argument]
            honest = bool(others) if operation.result is None else operation.result in others
            return state if honest else None
        if operation.error:
            return state
        after = self._take(state, operation.argument, True)
        return state if after is None and operation.pending else after

    def _heads(self, state: Entries) -> list[Any]:
        """The values that may come out next."""
        first: dict[Any, Any] = {}
        for value, writer in state:
            first.setdefault(writer, value)
        return list(first.values())

    def _take(self, state: Entries, value: Any, remove: bool) -> Entries | None:
        writers = set()
        for index, (held, writer) in enumerate(state):
            if held == value and writer not in writers:
                return state[:index] + state[index + 1 :] if remove else state
            writers.add(writer)
        return None


class Multiset(PerWriterOrder):
    """A bag: what is written comes out once, in any order."""

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return tuple(sorted((*state, self._entry(operation)), key=lambda entry: str(entry[0])))

    def _heads(self, state: Entries) -> list[Any]:
        return [value for value, _ in state]

    def _take(self, state: Entries, value: Any, remove: bool) -> Entries | None:
        for index, (held, _) in enumerate(state):
            if held == value:
                return state[:index] + state[index + 1 :] if remove else state
        return None
