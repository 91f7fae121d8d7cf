"""Native and numpy layouts, and the numbers that stand in saved files, are one."""

from __future__ import annotations

import struct

import numpy as np

from harness import _native
from harness.history import INTACT, OPERATION_RECORD, PENDING_RETURN, operation_record
from harness.operation import NO_ID, Kind, Status
from harness.program import OPERATION
from harness.systems.base import Answer
from harness.worker import api_script, recorder


def numpy_layout(dtype: np.dtype[np.void]) -> dict[str, tuple[int, int]]:
    assert dtype.fields is not None
    return {name: (offset, field.itemsize) for name, (field, offset, *_) in dtype.fields.items()}


def test_script_operations_have_one_layout() -> None:
    assert _native.script_layout() == numpy_layout(OPERATION)
    assert OPERATION.itemsize == _native.SCRIPT_BYTES


def test_records_have_one_layout() -> None:
    assert _native.record_layout() == numpy_layout(OPERATION_RECORD)
    assert OPERATION_RECORD.itemsize == _native.RECORD_BYTES


def test_the_python_recorder_writes_the_same_layout() -> None:
    memory = bytearray(OPERATION_RECORD.itemsize)
    written = recorder.Recorder(memoryview(memory), 3, lambda _: None)
    asked = recorder.Asked(value=0, timeout=77, size=0, think=0, messages=1, kind=Kind.READ)
    written.complete(asked, 10, 20, NO_ID, Answer(Status.OK, 48, b"", 2, 5), 99, 16, INTACT)
    expected = operation_record(
        Kind.READ, Status.OK, 10, 20, 99, id=48, timeout=77, size=16, retries=2, slept=5, worker=3
    )
    assert np.frombuffer(memory, OPERATION_RECORD)[0] == expected


def test_the_python_recorder_marks_pending_as_the_history_does() -> None:
    memory = bytearray(OPERATION_RECORD.itemsize)
    asked = recorder.Asked(value=7, timeout=-1, size=8, think=0, messages=1, kind=Kind.WRITE)
    recorder.Recorder(memoryview(memory), 0, lambda _: None).begin(asked, 1, 7, NO_ID, 10)
    row = np.frombuffer(memory, OPERATION_RECORD)[0]
    assert (row["status"], row["returned"], row["value"]) == (Status.PENDING, PENDING_RETURN, 7)


def test_scripts_are_read_back() -> None:
    rows = np.zeros(1, OPERATION)
    rows[0] = (1, -2, 3, 4, 5, 6, (0, 0, 0))
    assert recorder.read_script(memoryview(rows.tobytes())) == [recorder.Asked(1, -2, 3, 4, 5, 6)]
    assert struct.calcsize("<QqIIIB3x") == OPERATION.itemsize


def test_intact_flag_is_the_history_s() -> None:
    assert api_script._INTACT == INTACT


def test_kinds_and_statuses_have_one_numbering() -> None:
    assert {kind.name.lower(): kind.value for kind in Kind} == _native.KINDS
    assert {status.name.lower(): status.value for status in Status} == _native.STATUSES
