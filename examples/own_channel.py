"""Judging a channel of one's own: a FIFO of bytes behind one lock, and the same with a bug.

python examples/own_channel.py
"""

from __future__ import annotations

import queue
import threading
from collections import deque

from harness import Outcome, Program, Verdict, check_history
from harness.executors import threads
from harness.operation import Kind, message_value
from harness.program import operations
from harness.systems.queues import QueueLike, QueueSystem

PLACES = 4


class LockedQueue:
    """At most PLACES items, in order."""

    def __init__(self, capacity: int = 0) -> None:
        self._items: deque[bytes] = deque()
        self._changed = threading.Condition()

    def put(self, item: bytes, block: bool = True, timeout: float | None = None) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._items) < PLACES, timeout if block else 0):
                raise queue.Full
            self._items.append(item)
            self._changed.notify_all()

    def get(self, block: bool = True, timeout: float | None = None) -> bytes:
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._items), timeout if block else 0):
                raise queue.Empty
            item = self._take()
            self._changed.notify_all()
            return item

    def _take(self) -> bytes:
        return self._items.popleft()


class NewestFirst(LockedQueue):
    """The bug: a reader that finds several items takes the last."""

    def _take(self) -> bytes:
        return self._items.pop()


def program(messages: int = 300) -> Program:
    """Two writers and two readers; every message has a value of its own, and 8 bytes at least."""
    writers = [
        operations(
            {"kind": Kind.WRITE, "value": message_value(writer, number), "size": 24, "timeout": 1_000_000_000}
            for number in range(messages)
        )
        for writer in range(2)
    ]
    reader = operations([{"kind": Kind.READ, "timeout": 1_000_000}, {"kind": Kind.TRY_READ}])
    return Program("own", (*writers, reader, reader), capacity=4096)


def judge(make: type[QueueLike]) -> tuple[Outcome, str]:
    """Run the program on a new channel; a reader's script is repeated until every message is out."""
    run = threads.run(program(), system=QueueSystem(make, make.__name__), mode="api", deadline_s=30)
    return Verdict.overall(check_history(run.history, drained=run.drained, unfinished=run.unfinished))


if __name__ == "__main__":
    for make in (LockedQueue, NewestFirst):
        outcome, reason = judge(make)
        print(f"{make.__name__}: {outcome.value}, {reason}")
