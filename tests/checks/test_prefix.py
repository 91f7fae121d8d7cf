"""Where a history sticks, and the order that explains what comes before, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from harness.checks.fifo import check_fifo
from harness.checks.prefix import find_break, find_order
from harness.history import NO_ID, PENDING_RETURN, History, operation_record
from harness.operation import Kind, Status
from harness.verdict import Outcome
from tests.checks.brute import FAMILIES, linearizable


def seen_until(history: History, time: int) -> History:
    """What an observer had seen at a time, one operation after another."""
    rows = []
    for row in history.operations[history.operations["invoked"] <= time]:
        kept = row.copy()
        if kept["returned"] > time:
            kept["status"], kept["returned"], kept["id"] = Status.PENDING, PENDING_RETURN, NO_ID
            if not Kind(int(kept["kind"])).writes:
                kept["value"] = 0
            if kept["kind"] == Kind.SKIP and kept["target"] == NO_ID:
                kept["kind"] = Kind.SKIP_FORCE
        rows.append(kept)
    return History.of(rows, capacity=history.capacity)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_sticks_at_the_first_return_that_no_order_survives(family: str) -> None:
    generator = np.random.default_rng(15)
    found = 0
    for _ in range(400):
        history = History.of(FAMILIES[family](generator, None))
        verdict = check_fifo(history)
        if verdict.outcome is not Outcome.FAIL or verdict.witness is None or linearizable(history):
            continue
        stop = find_break(history, verdict.witness.operations, budget=60.0)
        if stop is None:
            continue
        found += 1
        assert int(history.operations["returned"][stop.row]) == stop.at
        assert stop.before == int((history.operations["returned"] < stop.at).sum())
        assert linearizable(seen_until(history, stop.at - 1)), history
        assert not linearizable(seen_until(history, stop.at)), history
    assert found > 10 or family == "linearizable"


def test_an_order_is_one_of_a_queue_and_of_the_calls() -> None:
    generator = np.random.default_rng(16)
    found = 0
    for _ in range(400):
        history = History.of(FAMILIES["linearizable"](generator, None))
        order = find_order(history, np.arange(len(history)), budget=60.0)
        found += bool(order)
        queue: list[int] = []
        before = -(10**9)
        for row, (_, instant) in sorted(order.items(), key=lambda item: item[1][0]):
            operation = history.operations[row]
            assert int(operation["invoked"]) <= instant <= int(operation["returned"])
            assert before <= instant
            before = instant
            kind, status = Kind(int(operation["kind"])), Status(int(operation["status"]))
            if kind.writes:
                queue.append(int(operation["value"]))
            elif status in (Status.EMPTY, Status.TIMEOUT):
                assert not queue
            else:
                assert queue[0] == int(operation["value"])
                del queue[: kind.removes and status is Status.OK]
    assert found > 100


def test_what_is_no_violation_of_order_has_no_break() -> None:
    history = History.of([operation_record(Kind.WRITE, Status.OK, 0, 1, 7)])
    assert find_break(history, (0,), budget=1.0) is None


def test_no_order_is_made_up_for_what_has_none() -> None:
    history = History.of(
        [operation_record(Kind.WRITE, Status.OK, 0, 1, 7), operation_record(Kind.READ, Status.EMPTY, 2, 3)]
    )
    assert find_order(history, np.arange(2), budget=1.0) == {}
