"""A bounded queue with a bug that no single-threaded test can see, and the test that finds it.

python examples/naive_queue.py
"""

from __future__ import annotations

import queue

from hypothesis import strategies as st

from harness.checks.specifications import Operation
from harness.stateful.parallel import check_parallel

CAPACITY = 2


class NaiveQueue:
    """Looks whether there is room, and then acts on what it saw: two threads can both see the last place free."""

    def __init__(self) -> None:
        self._items: list[int] = []

    def put(self, item: int) -> None:
        if len(self._items) >= CAPACITY:
            raise queue.Full
        self._items.append(item)

    def get(self) -> int:
        if not self._items:
            raise queue.Empty
        return self._items.pop(0)


class BoundedQueue:
    """The specification: the state is a tuple of items; None means that this cannot be the result in this state."""

    def __init__(self, capacity: int | None = CAPACITY) -> None:
        self._capacity = CAPACITY if capacity is None else capacity

    def init(self) -> tuple[int, ...]:
        return ()

    def step(self, state: tuple[int, ...], operation: Operation) -> tuple[int, ...] | None:
        if operation.f == "put":
            full = len(state) >= self._capacity
            if operation.error:  # it may raise queue.Full, where it is full
                return state if full and operation.error == "full" else None
            return None if full else (*state, operation.argument)
        if operation.error:
            return state if not state and operation.error == "empty" else None
        return state[1:] if state and state[0] == operation.result else None


OPERATIONS = {"put": st.tuples(st.integers(0, 9)), "get": st.just(())}

if __name__ == "__main__":
    check_parallel(NaiveQueue, BoundedQueue(), OPERATIONS)
