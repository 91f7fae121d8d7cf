"""The FIFO decision as a stream against the decision on every prefix; its memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.checks import check_fifo
from harness.checks.online import OnlineFifo
from harness.history import OPERATION_RECORD, PENDING_RETURN, History, HistoryError, operation_record
from harness.operation import NO_ID, Kind, Status
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
    "histories", [300, pytest.param(10_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)

_OF_THE_ANSWER = ("value", "id", "size", "flags")


def called(row: np.void) -> np.void:
    """The row while its operation is open: only what the caller knew."""
    opened = row.copy()
    opened["status"], opened["returned"], opened["id"] = Status.PENDING, PENDING_RETURN, NO_ID
    if not Kind(int(row["kind"])).writes:
        opened["value"] = opened["size"] = 0
    return opened


def compared_on_every_prefix(
    rows: list[np.void], window: int, missed: tuple[str, ...] = ()
) -> tuple[list[Outcome], OnlineFifo]:
    """Feed events in the order of time; the outcome after each, which is asserted to be that of the whole prefix.

    Args:
        rows, window: of what is judged. missed: rules that a stream decides soundly: it may miss what breaks them.
    """
    events = [(int(row["invoked"]), 0, index) for index, row in enumerate(rows)]
    events += [(int(row["returned"]), 1, index) for index, row in enumerate(rows) if row["status"] != Status.PENDING]
    online = OnlineFifo(window=window)
    calls: dict[int, int] = {}
    prefix: dict[int, np.void] = {}
    outcomes = []
    for time, returns, index in sorted(events):
        row = rows[index]
        if returns:
            online.complete(
                calls[index], Status(int(row["status"])), time, **{name: int(row[name]) for name in _OF_THE_ANSWER}
            )
            prefix[index] = row
        else:
            prefix[index] = called(row)
            fields = {
                name: int(prefix[index][name])
                for name in OPERATION_RECORD.names or ()
                if name not in ("kind", "status", "invoked", "returned", "value", "pad")
            }
            calls[index] = online.invoke(Kind(int(row["kind"])), time, int(prefix[index]["value"]), **fields)
        history = History.of([prefix[key] for key in sorted(prefix)])
        expected, verdict = check_fifo(history), online.verdict()
        empty = not any(expected.assertions.values())
        told = "\n".join(history.describe(row) for row in range(len(history)))
        late = expected.rule in missed and verdict.outcome is Outcome.PASS
        assert verdict.outcome is expected.outcome or empty or late, f"{verdict}\n{expected}\n{told}"
        outcomes.append(verdict.outcome)
    return outcomes, online


@counts
@pytest.mark.parametrize("pending_share", [0.0, 0.03])
@pytest.mark.parametrize("corrupted", [False, True])
def test_agrees_on_every_prefix(corrupted: bool, pending_share: float, histories: int) -> None:
    generator = np.random.default_rng(5)
    final = dict.fromkeys(Outcome, 0)
    dropped = 0
    for _ in range(histories // 10):
        rows = brute.linearizable_rows(generator, None, int(generator.integers(10, 40)), pending_share)
        rows = brute.corrupted_rows(generator, rows) if corrupted else rows
        outcomes, online = compared_on_every_prefix(rows, window=int(generator.integers(1, 4)))
        final[outcomes[-1]] += 1
        dropped += online.settled
    assert dropped > histories // 10, "nothing was ever dropped"
    assert final[Outcome.PASS] > histories // 200
    assert (final[Outcome.FAIL] > 0) == corrupted


@counts
@pytest.mark.parametrize("family", [*brute.FAMILIES, "mixed"])
def test_agrees_on_every_prefix_of_small_histories(family: str, histories: int) -> None:
    generator = np.random.default_rng(6)
    for _ in range(histories // 2):
        if family == "mixed":
            rows = brute.mixed(generator, bool(generator.integers(2)), True, bool(generator.integers(2)))
        else:
            rows = brute.FAMILIES[family](generator, None)
        missed = ("MISMATCH",) if family == "untold" else ()
        compared_on_every_prefix(rows, window=int(generator.integers(1, 3)), missed=missed)


def endless(count: int, start: int = 0) -> np.ndarray:
    """A write and a read of each of `count` messages, in order of time."""
    numbers = np.arange(start, start + count)
    rows = np.zeros(2 * count, OPERATION_RECORD)
    rows["id"] = rows["target"] = NO_ID
    rows["timeout"], rows["size"] = -1, 8
    rows["value"] = np.repeat(numbers, 2)
    rows["kind"] = np.tile([Kind.WRITE, Kind.READ], count)
    rows["invoked"] = np.repeat(numbers * 40, 2) + np.tile([0, 100], count)
    rows["returned"] = rows["invoked"] + 90
    return rows


def test_memory_stays_bounded_over_a_million_operations() -> None:
    online = OnlineFifo(window=20_000)
    for start in range(0, 500_000, 5_000):
        rows = endless(5_000, start)
        online.feed(rows, start * 40)
        assert online.held < 60_000
    assert online.settled + online.held == 1_000_000
    assert online.most_held < 60_000
    verdict = online.verdict()
    assert verdict.outcome is Outcome.PASS
    assert verdict.assertions["in FIFO order, by read"] == 500_000


def test_a_violation_far_into_the_run_is_found_and_stays() -> None:
    online = OnlineFifo(window=1_000)
    for start in range(0, 50_000, 5_000):
        rows = endless(5_000, start)
        if start == 30_000:
            reads = np.flatnonzero(rows["kind"] == Kind.READ)
            first, second = reads[100], reads[103]
            rows["value"][[first, second]] = rows["value"][[second, first]]
        online.feed(rows, start * 40)
    verdict = online.verdict()
    assert verdict.rule == "ORDER"
    assert verdict.witness is not None
    shown = [online.witness().describe(row) for row in verdict.witness.operations]
    assert any(":30100 " in line or ":30103 " in line for line in shown)


def test_a_message_that_comes_out_again_long_after_is_found() -> None:
    online = OnlineFifo(window=10)
    rows = endless(1_000)
    online.feed(rows, 40_000)
    online.feed(endless(1_000, 1_000), 80_000)
    again = np.array([operation_record(Kind.READ, Status.OK, 90_000, 90_001, 3)])
    online.feed(again, 90_000)
    assert online.verdict().rule == "NOWHERE"


def test_what_it_does_not_understand() -> None:
    online = OnlineFifo()
    call = online.invoke(Kind.WRITE, 10, 1)
    with pytest.raises(HistoryError, match="time ran backwards"):
        online.invoke(Kind.READ, 9)
    with pytest.raises(HistoryError, match="not open"):
        online.complete(call + 1, Status.OK, 11)
    with pytest.raises(HistoryError, match="left open"):
        online.complete(call, Status.PENDING, 11)
    with pytest.raises(HistoryError, match="horizon"):
        online.feed(endless(1), 40)
    with pytest.raises(ValueError, match="at least one row"):
        OnlineFifo(window=0)


def test_an_empty_is_kept_while_a_message_beside_it_may_yet_be_met_at_the_head() -> None:
    online = OnlineFifo(window=None)
    written = online.invoke(Kind.WRITE, 0, 7, size=8)
    online.complete(written, Status.OK, 1)
    empty, read = online.invoke(Kind.TRY_READ, 2), online.invoke(Kind.READ, 3)
    online.complete(empty, Status.EMPTY, 5)
    peek = online.invoke(Kind.PEEK, 7)
    online.complete(read, Status.OK, 8, value=7, size=8)
    online.settle()
    assert online.verdict().outcome is Outcome.PASS  # the read may have come before the EMPTY
    online.complete(peek, Status.OK, 9, value=7, size=8)
    assert online.verdict().rule == "EMPTY"


def test_a_message_is_kept_while_an_empty_beside_it_is_not_decided() -> None:
    """It was inside until the other one was, which may yet be met at the head after the EMPTY."""
    online = OnlineFifo(window=None)
    first = online.invoke(Kind.WRITE, 0, 1, size=8)
    online.complete(first, Status.OK, 1)
    empty, second = online.invoke(Kind.TRY_READ, 2), online.invoke(Kind.WRITE, 3, 2, size=8)
    online.complete(second, Status.OK, 4)
    read = online.invoke(Kind.READ, 5)
    online.complete(read, Status.OK, 6, value=1, size=8)
    read = online.invoke(Kind.READ, 7)
    online.complete(empty, Status.EMPTY, 20)
    peek = online.invoke(Kind.PEEK, 25)
    online.complete(read, Status.OK, 30, value=2, size=8)
    online.settle()
    assert online.verdict().outcome is Outcome.PASS
    online.complete(peek, Status.OK, 33, value=2, size=8)
    assert online.verdict().rule == "EMPTY"
