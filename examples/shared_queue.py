"""The naive queue again, in shared memory: its bug shows between processes, too.

python -m examples.shared_queue
"""

from __future__ import annotations

import queue
from multiprocessing.shared_memory import SharedMemory

from examples.naive_queue import CAPACITY, OPERATIONS, BoundedQueue
from harness.stateful.parallel import Attached, check_parallel


class SharedQueue:
    """One byte says how many items there are; the items follow, a byte each."""

    def __init__(self, name: str) -> None:
        self._memory = SharedMemory(name)

    def put(self, item: int) -> None:
        cells = self._memory.buf
        count = cells[0]
        if count >= CAPACITY:
            raise queue.Full
        cells[1 + count] = item
        cells[0] = count + 1

    def get(self) -> int:
        cells = self._memory.buf
        count = cells[0]
        if count == 0:
            raise queue.Empty
        item = cells[1]
        cells[1:count] = bytes(cells[2 : count + 1])
        cells[0] = count - 1
        return item


def create() -> str:
    memory = SharedMemory(create=True, size=1 + CAPACITY)
    memory.close()
    return memory.name


def release(name: str) -> None:
    memory = SharedMemory(name)
    memory.close()
    memory.unlink()


if __name__ == "__main__":
    check_parallel(Attached(create, attach=SharedQueue, release=release), BoundedQueue(), OPERATIONS)
