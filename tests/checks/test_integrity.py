"""Every rule of integrity convicts a planted history, and leaves the same history without the plant alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.checks import check_integrity
from harness.history import PENDING_RETURN, History, operation_record
from harness.operation import Kind, Status
from harness.verdict import Outcome


def good() -> list[np.void]:
    """Three messages, one of them skipped, a refused skip, an end."""
    return [
        operation_record(Kind.WRITE, Status.OK, 0, 1, 1, size=8, id=0),
        operation_record(Kind.WRITE, Status.OK, 2, 3, 2, size=8, id=16),
        operation_record(Kind.WRITE, Status.OK, 4, 5, 3, size=8, id=32),
        operation_record(Kind.SKIP, Status.MISMATCH, 6, 7, 1, size=8, id=0, target=16, worker=1),
        operation_record(Kind.READ, Status.OK, 8, 9, 1, size=8, id=0, worker=1),
        operation_record(Kind.SKIP, Status.OK, 10, 11, 2, size=8, id=16, target=16, worker=1),
        operation_record(Kind.READ, Status.OK, 12, 13, 3, size=8, id=32, worker=1),
        operation_record(Kind.READ, Status.CLOSED, 20, 21, worker=1),
        operation_record(Kind.WRITE, Status.CLOSED, 22, 23, 4, size=8),
    ]


def judged(rows: list[np.void], drained: bool = True) -> Any:
    return check_integrity(History.of(rows, shutdown=(15, 16)), drained=drained)


def test_a_good_history_passes() -> None:
    verdict = judged(good())
    assert verdict.outcome is Outcome.PASS, verdict
    assert verdict.assertions["one message an entry id: write"] == 3
    assert verdict.assertions["ended when it said so: read"] == 1


@pytest.mark.parametrize(
    ("row", "changes", "rule", "shown"),
    [
        (4, {"flags": 0}, "torn", (4,)),
        (4, {"size": 9}, "torn", (0, 4)),
        (6, {"value": 9}, "invented", (6,)),
        (6, {"value": 1, "id": 0}, "duplicated", (0, 4, 6)),
        (6, {"value": 2, "id": 16}, "skipped-and-delivered", (1, 5, 6)),
        (6, {"status": Status.EMPTY, "value": 0}, "lost", (2,)),
        (7, {"status": Status.CORRUPTED}, "corrupted", (7,)),
        (1, {"id": 0}, "shared id", (0, 1)),
        (6, {"id": 16}, "other id", (1, 6)),
        (6, {"id": 999}, "other id", (2, 6)),
        (3, {"id": 16}, "own mismatch", (3,)),
        (7, {"invoked": 13, "returned": 14}, "before the end", (7,)),
        (8, {"status": Status.OK, "invoked": 17, "returned": 19}, "after the end", (8,)),
    ],
)
def test_what_is_planted_is_convicted(row: int, changes: dict[str, int], rule: str, shown: tuple[int, ...]) -> None:
    rows = good()
    for field, content in changes.items():
        rows[row][field] = content
    verdict = judged(rows, drained=rule == "lost")
    assert verdict.rule == rule, verdict
    assert verdict.witness is not None
    assert verdict.witness.operations == shown


def test_a_write_after_an_end_of_which_only_the_answers_tell() -> None:
    rows = good()
    rows[8]["status"] = Status.OK
    verdict = check_integrity(History.of(rows), drained=False)
    assert verdict.rule == "after the end"
    assert verdict.witness is not None
    assert verdict.witness.operations == (8, 7)
    rows[8]["invoked"] = 21  # it may have been first
    assert check_integrity(History.of(rows), drained=False).outcome is Outcome.PASS


def test_a_pending_removal_explains_one_lost_message() -> None:
    rows = good()
    rows[6]["status"], rows[6]["returned"] = Status.PENDING, PENDING_RETURN
    assert judged(rows).outcome is Outcome.PASS
    rows[4] = rows[6].copy()
    assert judged(rows).outcome is Outcome.PASS
    rows[4]["status"] = Status.EMPTY
    assert judged(rows).rule == "lost"
