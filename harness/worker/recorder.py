"""Records written one by one from Python, straight into the memory of the run, so that a killed process leaves them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.operation import NO_ID, Kind, Status
from harness.systems.base import Answer

__all__ = ["Asked", "Recorder", "read_script"]

# As OPERATION and OPERATION_RECORD. Not numpy: a structured scalar costs a microsecond to write, this a third.
_OPERATION = struct.Struct("<QqIIIB3x")
_RECORD = struct.Struct("<qqQQQqIIIIHBBB3x")
_PENDING_RETURN = 2**63 - 1
_SLEPT_LIMIT = 2**32 - 1


class Asked(NamedTuple):
    """One operation of a script, as plain numbers."""

    value: int
    timeout: int
    size: int
    think: int
    messages: int
    kind: int


def read_script(script: memoryview) -> list[Asked]:
    """The operations of a script from its bytes."""
    return [Asked(*fields) for fields in _OPERATION.iter_unpack(script)]


class Recorder:
    """Appends records of one worker.

    Args:
        memory: room for records.
        worker: whose they are.
        publish: told how many records there are before each call and after it.
    """

    def __init__(self, memory: memoryview, worker: int, publish: Callable[[int], None]) -> None:
        self._memory = memory
        self._worker = worker
        self._publish = publish
        self.used = 0
        self._batch = 0

    @property
    def room(self) -> int:
        return len(self._memory) // _RECORD.size - self.used

    def begin(self, asked: Asked, rows: int, first_value: int, target: int, now: int) -> None:
        """Mark the operation's rows as pending since `now`."""
        batch = 0
        if asked.kind in (Kind.WRITE_MANY, Kind.READ_MANY):
            self._batch += 1
            batch = self._batch
        writes = asked.kind in (Kind.WRITE, Kind.TRY_WRITE, Kind.WRITE_MANY)
        size = asked.size if writes else 0
        for i in range(rows):
            value = first_value + i if writes else 0
            self._pack(i, now, _PENDING_RETURN, value, NO_ID, target, asked.timeout, size, 0, batch, 0, asked.kind,
                       Status.PENDING, 0)  # fmt: skip
        self._publish(self.used + rows)

    def complete(
        self, asked: Asked, invoked: int, returned: int, target: int, answer: Answer, value: int, size: int, flags: int
    ) -> None:
        """The single operation that was begun has returned."""
        self._pack(0, invoked, returned, value, answer.id, target, asked.timeout, size, answer.retries, 0,
                   min(answer.slept, _SLEPT_LIMIT), asked.kind, answer.status, flags)  # fmt: skip
        self.used += 1
        self._publish(self.used)

    def complete_batch(
        self, asked: Asked, invoked: int, returned: int, messages: Iterator[tuple[int, int, int, int]], answer: Answer,
        refused_value: int,
    ) -> None:  # fmt: skip
        """The batch has returned: (id, value, size, flags) of each message, then `answer` unless it is OK."""
        rows = 0
        cost = (answer.retries, min(answer.slept, _SLEPT_LIMIT))
        for entry_id, value, size, flags in messages:
            retries, slept = cost if rows == 0 else (0, 0)
            self._pack(rows, invoked, returned, value, entry_id, NO_ID, asked.timeout, size, retries, self._batch,
                       slept, asked.kind, Status.OK, flags)  # fmt: skip
            rows += 1
        if answer.status is not Status.OK:
            retries, slept = cost if rows == 0 else (0, 0)
            size = asked.size if asked.kind == Kind.WRITE_MANY else 0
            self._pack(rows, invoked, returned, refused_value, NO_ID, NO_ID, asked.timeout, size, retries, self._batch,
                       slept, asked.kind, answer.status, 0)  # fmt: skip
            rows += 1
        self.used += rows
        self._publish(self.used)

    def _pack(
        self, row: int, invoked: int, returned: int, value: int, entry_id: int, target: int, timeout: int, size: int,
        retries: int, batch: int, slept: int, kind: int, status: int, flags: int,
    ) -> None:  # fmt: skip
        _RECORD.pack_into(self._memory, (self.used + row) * _RECORD.size, invoked, returned, value, entry_id, target,
                          timeout, size, retries, batch, slept, self._worker, kind, status, flags)  # fmt: skip
