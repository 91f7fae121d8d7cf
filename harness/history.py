"""A history: what every operation of a run was asked, what it answered, and when.

One row of a numpy structured array per operation (or per message of a batch), in any order. An operation is the closed
interval [invoked, returned] on one monotonic clock that all workers share (Herlihy & Wing, *Linearizability*, 1990).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status, message_number, message_writer
from harness.resolve import UNKNOWN_VALUE
from harness.words import counted, shown

__all__ = [
    "HEAD_UNTOLD",
    "INTACT",
    "OPERATION_RECORD",
    "OWN_HEAD",
    "PENDING_RETURN",
    "History",
    "HistoryError",
    "operation_record",
]

OPERATION_RECORD = np.dtype(
    [
        ("invoked", np.int64),  # ns, taken before the first step of the call
        ("returned", np.int64),  # ns, taken after its last step; PENDING_RETURN if it never returned
        # identity of the message written, removed or seen (message_value); of a skip without target that is pending, or
        # HEAD_UNTOLD, the one that was meant, UNKNOWN_VALUE where nobody knows
        ("value", np.uint64),
        ("id", np.uint64),  # entry id that the channel reported: of the message, or of the head a MISMATCH saw; NO_ID
        ("target", np.uint64),  # skip: the entry id asked for; else NO_ID
        ("timeout", np.int64),  # ns asked for; NO_TIMEOUT
        ("size", np.uint32),  # payload bytes
        ("retries", np.uint32),  # rounds after the first
        ("batch", np.uint32),  # rows of one call of write_many / read_many share a number > 0 of their worker
        ("slept", np.uint32),  # ns in back-off and waiting, saturated
        ("worker", np.uint16),
        ("kind", np.uint8),  # Kind
        ("status", np.uint8),  # Status
        ("flags", np.uint8),  # INTACT, OWN_HEAD, HEAD_UNTOLD
        ("pad", np.uint8, 3),
    ],
)
"""One operation. 72 bytes; the native scripts write the same layout (``harness/native/record.hpp``)."""

INTACT = 1
"""Flag: the payload was verified bit for bit against the identity it carries (reads and peeks)."""

OWN_HEAD = 2
"""Flag: a MISMATCH names the very message that the skip asked for, by value."""

HEAD_UNTOLD = 4
"""Flag: a MISMATCH does not tell the head: something was there, and not what the skip asked for."""

PENDING_RETURN = np.iinfo(np.int64).max
"""``returned`` of an operation that never returned."""


class HistoryError(ValueError):
    """The history was not understood; the message says where and what would be right."""


def operation_record(
    kind: Kind, status: Status, invoked: int, returned: int, value: int | None = None, **fields: int
) -> np.void:
    """One row by hand, for tests and small histories: fields as in OPERATION_RECORD, the rest has its neutral value.

    A pending skip that tells neither ``value`` nor ``target`` may have removed anything (UNKNOWN_VALUE).
    """
    if value is None:
        value = UNKNOWN_VALUE if kind is Kind.SKIP and status is Status.PENDING else 0
    row = np.zeros(1, OPERATION_RECORD)
    row["id"] = row["target"] = NO_ID
    row["timeout"] = NO_TIMEOUT
    row["flags"] = INTACT
    row["kind"], row["status"], row["invoked"], row["returned"], row["value"] = kind, status, invoked, returned, value
    for name, content in fields.items():
        row[name] = content
    record: np.void = row[0]
    return record


@dataclass(frozen=True)
class History:
    """Operations and what is known of the system they ran on.

    Attributes:
        operations: structured array of OPERATION_RECORD.
        capacity: ring bytes that messages may occupy together (see `cost`), or None if unknown.
        shutdown: (invoked, returned) of the call that ended the stream, or None.
        info: anything else worth keeping (scenario, executor, seed, ...); JSON types only. ``"messages"``: a list, by
            value, of the names that another system gave its messages.
        unit: accounted bytes that stand for one unit of capacity and cost in the file that it was read from, whose
            words it is told in, too; None: recorded by this harness, or saved by it as ``.npz``.
    """

    operations: npt.NDArray[np.void]
    capacity: int | None = None
    shutdown: tuple[int, int] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    unit: int | None = None

    def __post_init__(self) -> None:
        if self.operations.dtype != OPERATION_RECORD:
            raise HistoryError(f"operations have dtype {shown(self.operations.dtype)}; expected OPERATION_RECORD")
        if self.operations.ndim != 1:
            raise HistoryError(f"operations have {self.operations.ndim} dimensions; expected one, a row an operation")

    def __len__(self) -> int:
        return len(self.operations)

    @classmethod
    def of(cls, rows: Iterable[np.void], **attributes: Any) -> History:
        """A history from single rows (`operation_record`)."""
        collected = list(rows)
        operations = np.zeros(len(collected), OPERATION_RECORD)
        for index, row in enumerate(collected):
            operations[index] = row
        return cls(operations, **attributes)

    @classmethod
    def merged(cls, parts: Iterable[npt.NDArray[np.void]], **attributes: Any) -> History:
        """The operations of all workers, in order of invocation."""
        arrays = [part for part in parts if len(part)]
        operations = np.concatenate(arrays) if arrays else np.zeros(0, OPERATION_RECORD)
        return cls(operations[np.argsort(operations["invoked"], kind="stable")], **attributes)

    def save(self, path: Path | str) -> None:
        """Write a compressed ``.npz``."""
        meta = {"history": 1, "capacity": self.capacity, "shutdown": self.shutdown, "info": dict(self.info)}
        np.savez_compressed(path, operations=self.operations, meta=np.array(json.dumps(meta)))

    @classmethod
    def load(cls, path: Path | str) -> History:
        """Read what `save` wrote.

        Raises:
            HistoryError: the file is no saved history, or one of another version.
        """
        try:
            with Path(path).open("rb") as file:
                if not zipfile.is_zipfile(file):
                    raise HistoryError(f"{path}: not a saved history: no .npz, which is a zip archive")
            with np.load(path, allow_pickle=False) as stored:
                operations, meta = stored["operations"], json.loads(str(stored["meta"]))
        except HistoryError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
            raise HistoryError(f"{path}: not a saved history (.npz with 'operations' and 'meta'): {error}") from error
        if not isinstance(meta, dict) or meta.keys() < {"history", "capacity", "shutdown", "info"}:
            raise HistoryError(f"{path}: 'meta' is no object of history, capacity, shutdown and info")
        if meta["history"] != 1:
            raise HistoryError(f"{path}: history version {meta['history']!r}; this program reads version 1")
        capacity, shutdown, info = meta["capacity"], meta["shutdown"], meta["info"]
        if capacity is not None and (type(capacity) is not int or not 0 <= capacity < 2**63):
            raise HistoryError(f"{path}: capacity {shown(capacity)}; expected an integer from 0, or null")
        times = shutdown if isinstance(shutdown, list) and all(type(time) is int for time in shutdown) else []
        if shutdown is not None and (len(times) != 2 or not 0 <= times[0] <= times[1] < 2**63):
            raise HistoryError(f"{path}: shutdown {shown(shutdown)}; expected [invoked, returned] in ns, or null")
        if not isinstance(info, dict):
            raise HistoryError(f"{path}: info {shown(info)}; expected an object")
        return cls(operations, capacity, (times[0], times[1]) if times else None, info)

    def describe(self, index: int) -> str:
        """One operation as a line for a person: times relative to the start of the history, or those of its file."""
        row = self.operations[index]
        if self.unit is not None:
            name, kind = self.worker(int(row["worker"])), Kind(int(row["kind"])).name.lower()
            ended = "never" if row["returned"] == PENDING_RETURN else row["returned"]
            return f"process {name} {kind} {self.told(index)}  [{row['invoked']} .. {ended}]"
        start = int(self.operations["invoked"].min())
        returned = int(row["returned"])
        until = "never" if returned == PENDING_RETURN else f"{returned - start:,}"
        kind = Kind(int(row["kind"])).name.lower()
        told = f"#{index} worker {self.worker(int(row['worker']))} {kind} {self.told(index)}"
        return f"{told}  [{int(row['invoked']) - start:,} .. {until}] ns"

    def told(self, index: int) -> str:
        """With what an operation was called, and what came of it."""
        row = self.operations[index]
        kind, status = Kind(int(row["kind"])), Status(int(row["status"]))
        if self.unit is not None:
            return self._told_by_file(row, kind, status)
        parts = []
        told = status is Status.OK or kind.writes or (kind is Kind.SKIP and int(row["target"]) == NO_ID)
        if told and int(row["value"]) != UNKNOWN_VALUE:
            parts.append(f"message {self.message(int(row['value']))}")
        if kind is Kind.SKIP and int(row["target"]) != NO_ID:
            parts.append(f"target {int(row['target'])}")
        if int(row["timeout"]) != NO_TIMEOUT:
            parts.append(f"timeout {int(row['timeout']):,} ns")
        parts.append(f"-> {status.name}")
        if int(row["id"]) != NO_ID:
            parts.append(f"id {int(row['id'])}")
        return " ".join(parts)

    def _told_by_file(self, row: np.void, kind: Kind, status: Status) -> str:
        """In the words of the file; values stand before the arrow where the call had them, else behind it."""
        value, target, timeout = int(row["value"]), int(row["target"]), int(row["timeout"])
        parts = []
        means = kind is Kind.SKIP and target == NO_ID
        means = means and (status in (Status.OK, Status.PENDING) or bool(int(row["flags"]) & HEAD_UNTOLD))
        if (kind.writes or means) and value != UNKNOWN_VALUE:
            parts.append(self.message(value))
        if target != NO_ID:
            parts.append(f"id {target}")
        if timeout != NO_TIMEOUT:
            parts.append(f"timeout {timeout}")
        parts.append("-> ?" if status is Status.PENDING else f"-> {status.name.lower()}")
        sees = status is Status.OK or (status is Status.MISMATCH and not int(row["flags"]) & HEAD_UNTOLD)
        if sees and not (kind.writes or means) and value != UNKNOWN_VALUE:
            parts.append(self.message(value))
        if int(row["id"]) != NO_ID:
            parts.append(f"id {int(row['id'])}")
        return " ".join(parts)

    def amount(self, accounted: int) -> str:
        """What takes so many accounted bytes of the capacity, in words."""
        return f"{accounted:,} accounted bytes" if self.unit is None else f"cost {accounted // self.unit:,}"

    def of_capacity(self, accounted: int) -> str:
        """So many accounted bytes as a number, in the unit of the capacity as it was told."""
        return f"{accounted // (self.unit or 1):,}"

    def worker(self, number: int) -> str:
        """The name of a worker: the one it had where the history came from, else its number."""
        names = self.info.get("workers")
        return str(number if names is None or number >= len(names) else names[number])

    def message(self, value: int) -> str:
        """The name of a message: the one it had where the history came from, else writer:number."""
        names = self.info.get("messages")
        if names is not None and value < len(names):
            return str(names[value]) if self.unit is None else repr(names[value])
        if self.unit is not None:
            return str(value)
        return f"{message_writer(value)}:{message_number(value)}"

    def __str__(self) -> str:
        shown = [self.describe(index) for index in range(min(len(self), 40))]
        if len(self) > len(shown):
            shown.append(f"... and {len(self) - len(shown):,} more")
        return "\n".join([f"history of {counted(len(self), 'operation')}, capacity {self.capacity}", *shown])
