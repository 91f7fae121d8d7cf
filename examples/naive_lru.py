"""A cache that forgets what was used longest ago, and takes its steps one by one: two threads get between them.

python examples/naive_lru.py
"""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import strategies as st

from harness.checks.specifications import Operation
from harness.stateful.parallel import check_parallel

CAPACITY = 2


class NaiveLru:
    """The item may be gone between the look at it and the step that makes it the latest."""

    def __init__(self) -> None:
        self._items: OrderedDict[int, int] = OrderedDict()

    def put(self, key: int, value: int) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > CAPACITY:
            self._items.popitem(last=False)

    def get(self, key: int) -> int | None:
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key]


class Lru:
    """The specification: the state is a tuple of (key, value), the latest used at the end."""

    def init(self) -> tuple[tuple[int, int], ...]:
        return ()

    def step(self, state: tuple[tuple[int, int], ...], operation: Operation) -> tuple[tuple[int, int], ...] | None:
        if operation.error:
            return None  # neither operation raises
        if operation.f == "put":
            key, value = operation.argument
            return (*without(state, key), (key, value))[-CAPACITY:]
        key = operation.argument
        known = dict(state)
        if operation.result != known.get(key):
            return None
        return (*without(state, key), (key, known[key])) if key in known else state


def without(state: tuple[tuple[int, int], ...], key: int) -> tuple[tuple[int, int], ...]:
    return tuple(item for item in state if item[0] != key)


KEYS = st.integers(0, 2)
OPERATIONS = {"get": st.tuples(KEYS), "put": st.tuples(KEYS, st.integers(0, 9))}

if __name__ == "__main__":
    check_parallel(NaiveLru, Lru(), OPERATIONS)
