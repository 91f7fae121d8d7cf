"""Any object with the shape of ``queue.Queue`` as a system under test: the example of a channel that a user brings."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from harness.operation import Kind, Status
from harness.systems.base import Answer, NativeTarget, Setup

__all__ = ["QueueLike", "QueueSystem"]


class QueueLike(Protocol):
    """What is used of a queue: it raises ``queue.Full`` and ``queue.Empty``."""

    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> Any: ...

    def get(self, block: bool = True, timeout: float | None = None) -> bytes: ...


class QueueSystem:
    """A queue of bytes, shared by the threads of one process.

    Args:
        make: gives a new queue; it is told the program's capacity in bytes.
        name: for people.
    """

    operations: frozenset[Kind] = frozenset({Kind.WRITE, Kind.TRY_WRITE, Kind.READ, Kind.TRY_READ})
    ends = False

    def __init__(self, make: Callable[[int], QueueLike], name: str = "queue") -> None:
        self._make = make
        self.name = name

    def create(self, setup: Setup) -> QueueLike:
        if setup.processes:
            raise ValueError(f"{self.name} is an object of one process; run it on threads")
        return self._make(setup.capacity)

    def attach(self, address: QueueLike) -> _QueueEndpoint:
        return _QueueEndpoint(address)

    def native(self, address: QueueLike) -> NativeTarget | None:
        return None

    def accounted_capacity(self, setup: Setup) -> int | None:
        return None

    def wake(self, address: QueueLike) -> None:
        """A queue has no such call: `_QueueEndpoint.close` ends its waits."""

    def hide(self, address: QueueLike) -> None:
        """It has no name."""

    def destroy(self, address: QueueLike) -> None:
        """Memory of this process goes with its last reference."""


class _QueueClosedError(Exception):
    pass


class _QueueEndpoint:
    _SLICE_NS = 50_000_000

    def __init__(self, items: QueueLike) -> None:
        self._items = items
        self._closed = False

    def write(self, data: bytes, timeout: int | None) -> Answer:
        return self._wait(lambda seconds: self._put(data, seconds), timeout, queue.Full)

    def try_write(self, data: bytes) -> Answer:
        try:
            self._items.put(data, block=False)
        except queue.Full:
            return Answer(Status.FULL)
        return Answer(Status.OK)

    def read(self, timeout: int | None) -> Answer:
        return self._wait(self._get, timeout, queue.Empty)

    def try_read(self) -> Answer:
        try:
            return Answer(Status.OK, data=self._items.get(block=False))
        except queue.Empty:
            return Answer(Status.EMPTY)

    def write_many(self, messages: Sequence[bytes], timeout: int | None) -> tuple[list[int], Answer]:
        raise NotImplementedError("not among the operations of QueueSystem")

    def read_many(self, limit: int, timeout: int | None) -> tuple[list[tuple[int, bytes]], Answer]:
        raise NotImplementedError("not among the operations of QueueSystem")

    def peek(self) -> Answer:
        raise NotImplementedError("not among the operations of QueueSystem")

    def skip(self, entry_id: int) -> Answer:
        raise NotImplementedError("not among the operations of QueueSystem")

    def skip_force(self) -> Answer:
        raise NotImplementedError("not among the operations of QueueSystem")

    def shutdown(self) -> bool:
        return False

    def close(self) -> None:
        self._closed = True

    def _put(self, data: bytes, seconds: float) -> Answer:
        self._items.put(data, timeout=seconds)
        return Answer(Status.OK)

    def _get(self, seconds: float) -> Answer:
        return Answer(Status.OK, data=self._items.get(timeout=seconds))

    def _wait(self, attempt: Callable[[float], Answer], timeout: int | None, refusal: type[Exception]) -> Answer:
        """Wait in slices: nothing else gets a thread out of a queue."""
        deadline = None if timeout is None else time.monotonic_ns() + timeout
        while not self._closed:
            now = time.monotonic_ns()
            slice_ns = self._SLICE_NS if deadline is None else min(self._SLICE_NS, max(0, deadline - now))
            try:
                return attempt(slice_ns / 1e9)
            except refusal:
                if deadline is not None and time.monotonic_ns() >= deadline:
                    return Answer(Status.TIMEOUT)
        raise _QueueClosedError
