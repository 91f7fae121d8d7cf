"""Objects that other processes import, for the tests of what users may give."""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from examples.shared_queue import SharedQueue


class LockedQueue(SharedQueue):
    """The shared queue, repaired."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._file = os.open(f"/dev/shm/{name}", os.O_RDONLY)

    def __del__(self) -> None:
        os.close(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def put(self, item: int) -> None:
        with self._alone():
            super().put(item)

    def get(self) -> int:
        with self._alone():
            return super().get()


class DyingQueue(SharedQueue):
    """A put of a full queue kills its process."""

    def put(self, item: int) -> None:
        try:
            super().put(item)
        except queue.Full:
            os.kill(os.getpid(), signal.SIGKILL)


class HangingQueue(SharedQueue):
    """A put of a full queue never returns."""

    def put(self, item: int) -> None:
        try:
            super().put(item)
        except queue.Full:
            threading.Event().wait()


class ForkingQueue(LockedQueue):
    """Leaves a process behind, whose number a put tells."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        child = os.fork()
        if child == 0:
            signal.pause()
        self._child = child

    def put(self, item: int) -> int:  # type: ignore[override]
        return self._child


class OpaqueQueue:
    """Can be pickled; what it gives cannot."""

    def put(self, item: int) -> Any:
        return threading.Lock()

    def get(self) -> Any:
        raise _Peculiar(1, 2)


class _Peculiar(Exception):
    """Is pickled, but cannot be restored from its message."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} {second}")


def no_such_queue(_handle: object) -> None:
    raise FileNotFoundError("no such queue")
