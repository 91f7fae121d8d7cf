"""Two independent engines on medium histories, and the decision against brute force on drawn ones, which shrink."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks import check_fifo
from harness.checks.specifications import Operation, find
from harness.checks.wgl import search
from harness.history import PENDING_RETURN, History, operation_record
from harness.operation import Kind, Status
from harness.verdict import Outcome


def _load(name: str) -> ModuleType:
    """A module beside this file: importlib mode puts no folder of tests on the path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


brute = _load("brute")

counts = pytest.mark.parametrize(
    "histories", [60, pytest.param(2_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)


def show(history: History) -> str:
    return "\n".join([f"capacity {history.capacity}", *(history.describe(index) for index in range(len(history)))])


def operation(row: np.void) -> Operation:
    """The row as a specification takes it."""
    kind, status, value = Kind(int(row["kind"])), Status(int(row["status"])), int(row["value"])
    pending = status is Status.PENDING
    return Operation(
        kind.name.lower(),
        argument=value if kind.writes else None,
        result=None if pending or kind.writes else value,
        error="" if pending or status is Status.OK else status.name.lower(),
        pending=pending,
        fields={"cost": 16},
    )


def by_wing_gong_lowe(history: History) -> bool | None:
    """The general search; None where it did not end within its time."""
    rows = history.operations
    model = find("fifo" if history.capacity is None else "fifo-bytes")(history.capacity)
    intervals = [(int(row["invoked"]), int(row["returned"])) for row in rows]
    return search(model, [operation(row) for row in rows], intervals).linearizable


@counts
@pytest.mark.parametrize("capacity", [None, 32, 48])
@pytest.mark.parametrize("corrupted", [False, True])
def test_two_engines_agree_on_medium_histories(corrupted: bool, capacity: int | None, histories: int) -> None:
    generator = np.random.default_rng(8)
    outcomes = {True: 0, False: 0}
    for _ in range(histories):
        rows = brute.linearizable_rows(generator, capacity, int(generator.integers(20, 60)), 0.02)
        rows = brute.corrupted_rows(generator, rows) if corrupted else rows
        history = History.of(rows, capacity=capacity)
        expected, verdict = by_wing_gong_lowe(history), check_fifo(history)
        assert expected is not None
        outcomes[expected] += 1
        assert verdict.outcome is (Outcome.PASS if expected else Outcome.FAIL), f"{verdict}\n{show(history)}"
    assert outcomes[True] > 0
    assert outcomes[False] > 0 or not corrupted


def test_a_history_that_the_general_search_decides_by_what_it_knows_beforehand() -> None:
    """Of 59 operations, whose order shows so late that 5.8 million steps, and 1 GB of states, did not do."""
    generator = np.random.default_rng(8)
    for _ in range(1_344):
        rows = brute.linearizable_rows(generator, None, int(generator.integers(20, 60)), 0.02)
    history = History.of(rows)
    assert len(history) == 59
    assert by_wing_gong_lowe(history) is True


@st.composite
def histories_of_a_queue(draw: st.DrawFn) -> History:
    """Up to eight operations on up to four messages, at small times, of every kind and answer."""
    values = draw(st.integers(1, 4))
    written = draw(st.permutations(range(values)))
    rows = [_drawn(draw, Kind.WRITE, draw(st.sampled_from([Status.OK, Status.PENDING])), value) for value in written]
    answers = [
        (Kind.READ, Status.OK),
        (Kind.READ, Status.PENDING),
        (Kind.SKIP_FORCE, Status.OK),
        (Kind.PEEK, Status.OK),
        (Kind.SKIP, Status.MISMATCH),
        (Kind.TRY_READ, Status.EMPTY),
        (Kind.READ, Status.TIMEOUT),
        (Kind.TRY_WRITE, Status.FULL),
        (Kind.WRITE, Status.TIMEOUT),
    ]
    for kind, status in draw(st.lists(st.sampled_from(answers), min_size=1, max_size=5)):
        rows.append(_drawn(draw, kind, status, 100 + len(rows) if kind.writes else draw(st.integers(0, values - 1))))
    return History.of(rows, capacity=draw(st.sampled_from([None, 16, 32])))


def _drawn(draw: st.DrawFn, kind: Kind, status: Status, value: int) -> np.void:
    begin, lasted = draw(st.integers(0, 12)), draw(st.integers(0, 6))
    fields = {"timeout": draw(st.integers(0, lasted))} if status is Status.TIMEOUT else {}
    end = PENDING_RETURN if status is Status.PENDING else begin + lasted
    return operation_record(kind, status, begin, end, value, size=8, **fields)


@given(histories_of_a_queue())
@settings(deadline=None)
def test_drawn_histories_are_decided_as_brute_force_does(history: History) -> None:
    if history.capacity is None:  # says nothing of FULL
        refused = history.operations["status"] == Status.FULL
        refused |= (history.operations["status"] == Status.TIMEOUT) & (history.operations["kind"] == Kind.WRITE)
        history = History(history.operations[~refused])
    verdict = check_fifo(history)
    if not any(verdict.assertions.values()):
        return
    assert verdict.outcome is (Outcome.PASS if brute.linearizable(history) else Outcome.FAIL), f"\n{show(history)}"
