"""FIFO queues, and what is left of them when a promise is dropped.

States are tuples. All know write, try_write, read, try_read, peek, skip and skip_force, named by value, and the errors
empty, timeout, full, mismatch and closed. Messages are told apart as JSON does, which has 1, 1.0 and true for three.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from harness.checks.specifications.heads import Seen, forced_by_heads
from harness.checks.specifications.operation import Operation, SpecificationError, exact
from harness.words import shown

__all__ = ["BoundedFifo", "ByteBoundedFifo", "Fifo", "LossyFifo", "Multiset", "PerWriterOrder"]

_WRITES = frozenset(["write", "try_write", "write_many"])
_REMOVALS = frozenset(["read", "try_read", "read_many", "skip_force"])
_EMPTY_ERRORS = frozenset(["empty", "timeout", "closed"])
_FULL_ERRORS = frozenset(["full", "timeout"])
_ERRORS = {
    **dict.fromkeys(_WRITES, frozenset(["full", "timeout", "closed"])),
    **dict.fromkeys(_REMOVALS, frozenset(["empty", "timeout", "closed"])),
    **dict.fromkeys(["peek", "skip_force"], frozenset(["empty", "closed"])),
    "skip": frozenset(["empty", "mismatch", "closed"]),
}
"""By operation the errors that say something of a queue and that it can end with."""
_CLAIMS = frozenset().union(*_ERRORS.values())

Entries = tuple[Any, ...]


class Fifo:
    """An unbounded FIFO queue."""

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity

    def init(self) -> Entries:
        return ()

    def observes(self, operation: Operation) -> bool:
        """Peeks, and what has failed."""
        return operation.f == "peek" or bool(operation.error)

    def claims(self, operation: Operation) -> bool:
        """All that ended, but a write that is OK or closed: it fits any state."""
        if operation.f in _WRITES:
            return operation.error in _FULL_ERRORS
        return not operation.pending

    def refuse(self, operation: Operation) -> str:
        """Why this is no operation of a queue; empty if it is one."""
        f, error = operation.f, operation.error
        if f not in _ERRORS:
            return f"a queue knows no {shown(f)}; it knows write, read, peek, skip, skip_force, try_*, *_many"
        if error in _CLAIMS and error not in _ERRORS[f]:
            return f"{f} fails with {error}, which it cannot"
        if error == "timeout" and operation.fields.get("timeout") is None:
            return 'a time-out needs "timeout" (ns) at the invocation'
        if f in _WRITES and operation.argument is None:
            return "a write needs its value at the invocation"
        if operation.pending or error:
            return ""
        argument, result = operation.argument, operation.result
        by_value = argument is not None and (f in _WRITES or f == "skip")
        if result is None and not by_value:
            return f"the {f} called here is ok but says no value; what came out?"
        if result is not None and by_value and exact(argument) != exact(result):
            return f"a {f} of {shown(argument)} ends with value {shown(result)}"
        return ""

    def forced(
        self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """By who saw whose message at the head."""
        return _forced(operations, intervals, lambda write: None, drops=False)

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
            raise SpecificationError(self.refuse(operation))
        if operation.error:
            return state
        return self._removed(state, operation)

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return (*state, self._entry(operation))

    def _refused(self, state: Entries, operation: Operation) -> Entries | None:
        return None if operation.error in _FULL_ERRORS else state

    def _entry(self, operation: Operation) -> Any:
        return exact(operation.argument)

    def _value(self, entry: Any) -> Any:
        return entry

    def _removed(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.pending:
            return state[1:] if operation.f != "peek" else state
        if not state or self._value(state[0]) != exact(operation.result):
            return None
        return state if operation.f == "peek" else state[1:]

    def _skipped(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.error == "mismatch":
            honest = bool(state) and self._value(state[0]) != exact(operation.argument)
            seen = operation.result is None or (honest and self._value(state[0]) == exact(operation.result))
            return state if honest and seen else None
        if operation.error:
            return state
        meant = _meant(operation)
        if operation.pending and meant is None:  # an entry id, which says nothing here: it may have removed anything
            return state[1:]
        if state and self._value(state[0]) == exact(meant):
            return state[1:]
        return state if operation.pending else None


def _meant(operation: Operation) -> Any:
    """The message that a skip means; one that tells an entry id may say at its end which message it removed."""
    return operation.result if operation.argument is None else operation.argument


def _forced(
    operations: Sequence[Operation],
    intervals: Sequence[tuple[int, int]],
    queue_of: Callable[[Operation], Hashable],
    *,
    drops: bool,
) -> Iterator[tuple[int, int]]:
    """Pairs, for a structure that is a queue for each `queue_of` a write."""
    messages: defaultdict[Any, Seen] = defaultdict(Seen)
    anything = math.inf  # the earliest call that may have removed any message and never returned
    for index, operation in enumerate(operations):
        f, begin = operation.f, intervals[index][0]
        if f in _WRITES:
            if not operation.error:
                messages[exact(operation.argument)].writes.append(index)
        elif operation.pending:
            meant = _meant(operation) if f == "skip" else None
            if meant is not None:
                messages[exact(meant)].maybe = min(messages[exact(meant)].maybe, begin)
            elif f != "peek":
                anything = min(anything, begin)
        elif operation.error == "mismatch" and operation.result is not None:
            messages[exact(operation.result)].peeks.append(index)
        elif not operation.error:
            value = exact(_meant(operation) if f == "skip" else operation.result)
            (messages[value].peeks if f == "peek" else messages[value].removals).append(index)
    pending = [operation.pending for operation in operations]
    queues: defaultdict[Hashable, list[Seen]] = defaultdict(list)
    for seen in messages.values():
        seen.maybe = min(seen.maybe, anything)
        if not seen.writes:
            yield from ((call, call) for call in (*seen.peeks, *seen.removals))  # that came from nowhere
        elif len(seen.writes) == 1:
            yield from ((call, call) for call in seen.removals[1:])  # that came out twice
            queues[queue_of(operations[seen.writes[0]])].append(seen)
    for queue in queues.values():
        yield from forced_by_heads(queue, intervals, pending, drops=drops)


class BoundedFifo(Fifo):
    """A FIFO queue of at most `capacity` messages."""

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is None:
            raise SpecificationError('this specification needs a capacity: a first line {"history": 1, "capacity": N}')
        super().__init__(capacity)
        self.limit = capacity

    def claims(self, operation: Operation) -> bool:
        """Also that there was room for a write that is OK."""
        is_in = operation.f in _WRITES and not operation.pending and not operation.error
        return is_in or super().claims(operation)

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
        return exact(operation.argument), self._cost(operation)

    def _value(self, entry: tuple[Any, int]) -> Any:
        return entry[0]


class LossyFifo(BoundedFifo):
    """A FIFO queue of `capacity` messages in which a write that does not fit drops the oldest."""

    def claims(self, operation: Operation) -> bool:
        """As of an unbounded queue: every write fits."""
        return Fifo.claims(self, operation)

    def forced(
        self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """By who saw whose message at the head; where a message is that nobody saw, nobody knows."""
        return _forced(operations, intervals, lambda write: None, drops=True)

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return (*state, exact(operation.argument))[-self.limit :] if self.limit else ()

    def _refused(self, state: Entries, operation: Operation) -> Entries | None:
        return None if operation.error in _FULL_ERRORS else state


class PerWriterOrder(Fifo):
    """A queue that keeps the order of each writer's messages, but not between writers."""

    def forced(
        self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """As of a FIFO queue for each writer."""
        return _forced(operations, intervals, lambda write: write.process, drops=False)

    def _entry(self, operation: Operation) -> tuple[Any, Any]:
        return exact(operation.argument), operation.process

    def _value(self, entry: tuple[Any, Any]) -> Any:
        return entry[0]

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        # one canonical order of equal states: by writer, each writer's own order kept
        return tuple(sorted((*state, self._entry(operation)), key=lambda entry: str(entry[1])))

    def _removed(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.pending and operation.f == "peek":
            return state
        if operation.pending:
            raise SpecificationError("per-writer order cannot say what a pending read took; leave pending reads out")
        return self._take(state, exact(operation.result), operation.f != "peek")

    def _skipped(self, state: Entries, operation: Operation) -> Entries | None:
        if operation.error == "mismatch":
            others = [value for value in self._heads(state) if value != exact(operation.argument)]
            honest = bool(others) if operation.result is None else exact(operation.result) in others
            return state if honest else None
        if operation.error:
            return state
        meant = _meant(operation)
        if operation.pending and meant is None:
            raise SpecificationError("per-writer order cannot say what a pending skip took; leave pending skips out")
        after = self._take(state, exact(meant), True)
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

    def forced(
        self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """Of each message by itself."""
        return _forced(operations, intervals, lambda write: exact(write.argument), drops=False)

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return tuple(sorted((*state, self._entry(operation)), key=lambda entry: str(entry[0])))

    def _heads(self, state: Entries) -> list[Any]:
        return [value for value, _ in state]

    def _take(self, state: Entries, value: Any, remove: bool) -> Entries | None:
        for index, (held, _) in enumerate(state):
            if held == value:
                return state[:index] + state[index + 1 :] if remove else state
        return None
