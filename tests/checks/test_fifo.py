"""The fast FIFO decision against brute force, and its witnesses."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.checks import check_fifo
from harness.history import HEAD_UNTOLD, PENDING_RETURN, History, operation_record
from harness.operation import NO_ID, Kind, Status
from harness.resolve import UNKNOWN_VALUE
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

# how many random histories a family is compared on; brute force takes a millisecond for each
counts = pytest.mark.parametrize(
    "histories", [2_000, pytest.param(100_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)


def show(history: History) -> str:
    return "\n".join(history.describe(index) for index in range(len(history)))


@counts
@pytest.mark.parametrize("family", brute.FAMILIES)
def test_agrees_with_brute_force(family: str, histories: int) -> None:
    generator = np.random.default_rng(1)
    outcomes = {True: 0, False: 0}
    for _ in range(histories):
        history = History.of(brute.FAMILIES[family](generator, None))
        expected = brute.linearizable(history)
        verdict = check_fifo(history)
        outcomes[expected] += 1
        assert (verdict.outcome is not Outcome.FAIL) == expected, f"{verdict}\n{show(history)}"
        assert verdict.outcome is not Outcome.INCONCLUSIVE or not any(verdict.assertions.values())
    assert outcomes[True] > histories // 100, "the family has hardly a linearizable history"
    if family != "linearizable":
        assert outcomes[False] > histories // 100, "the family has hardly a violation"


@counts
@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("peeks", [False, True])
@pytest.mark.parametrize("batches", [False, True])
def test_mixed_histories_and_their_witnesses(batches: bool, peeks: bool, pending: bool, histories: int) -> None:
    """Exact; every witness fails by itself."""
    generator = np.random.default_rng(4)
    outcomes = dict.fromkeys(Outcome, 0)
    for _ in range(histories // 5):
        history = History.of(brute.mixed(generator, batches, peeks, pending))
        expected = brute.linearizable(history)
        verdict = check_fifo(history)
        outcomes[verdict.outcome] += 1
        if verdict.outcome is Outcome.INCONCLUSIVE:
            assert not any(verdict.assertions.values()), "left open"
            continue
        assert (verdict.outcome is Outcome.PASS) == expected, f"{verdict}\n{show(history)}"
        if verdict.witness is not None:
            rows = history.operations
            meant = (rows["kind"] == Kind.SKIP) & (rows["value"] != UNKNOWN_VALUE)
            named = (rows["kind"] == Kind.SKIP) & np.isin(rows["target"], rows["id"]) & (
                rows["target"] != NO_ID
            ) | meant
            told = (rows["status"] == Status.PENDING) & ~named
            told[list(verdict.witness.operations)] = True
            part = History(rows[told])
            assert not brute.linearizable(part), f"{verdict}\n{show(history)}\n---\n{show(part)}"
            assert len(verdict.witness.operations) <= 12
    assert min(outcomes[Outcome.PASS], outcomes[Outcome.FAIL]) > histories // 100
    assert outcomes[Outcome.INCONCLUSIVE] <= histories // 50


@counts
@pytest.mark.parametrize("family", ["corrupted", "unstructured"])
def test_witnesses_prove_by_themselves(family: str, histories: int) -> None:
    """All operations on the values of a witness, and its EMPTY, are no history of a FIFO queue."""
    generator = np.random.default_rng(3)
    proved = 0
    for _ in range(histories // 2):
        history = History.of(brute.FAMILIES[family](generator, None))
        verdict = check_fifo(history)
        if verdict.outcome is not Outcome.FAIL or (history.operations["status"] == Status.PENDING).any():
            continue  # what a pending removal can explain is no matter of a few values
        assert verdict.witness is not None
        rows = list(verdict.witness.operations)
        assert rows == list(dict.fromkeys(rows))
        assert 1 <= len(rows) <= 12
        status = history.operations["status"]
        values = {int(history.operations["value"][row]) for row in rows if status[row] == Status.OK}
        values |= {int(history.operations["value"][row]) for row in rows if status[row] == Status.MISMATCH}
        shown = np.isin(np.arange(len(history)), rows)
        told = np.isin(status, [Status.OK, Status.MISMATCH]) & np.isin(history.operations["value"], sorted(values))
        small = History(history.operations[shown | told])
        assert not brute.linearizable(small), f"{verdict}\n{show(history)}\n---\n{show(small)}"
        proved += 1
    assert proved > histories // 100


def violation(*rows: np.void, capacity: int | None = None) -> str:
    verdict = check_fifo(History.of(rows, capacity=capacity))
    return verdict.rule if verdict.outcome is Outcome.FAIL else verdict.outcome.value


def write(value: int, begin: int, end: int, size: int = 8, **fields: int) -> np.void:
    return operation_record(Kind.WRITE, Status.OK, begin, end, value, size=size, **fields)


def read(value: int, begin: int, end: int, **fields: int) -> np.void:
    return operation_record(Kind.READ, Status.OK, begin, end, value, size=8, **fields)


def test_every_rule_by_name() -> None:
    assert violation(read(1, 0, 1)) == "NOWHERE"
    assert violation(write(1, 0, 1), read(1, 2, 3), read(1, 4, 5)) == "REPEAT"
    assert violation(read(1, 0, 1), write(1, 2, 3)) == "FRESH"
    assert violation(write(1, 0, 1), write(2, 2, 3), read(2, 4, 5), read(1, 6, 7)) == "ORDER"
    assert violation(write(1, 0, 1), write(2, 2, 3), read(2, 4, 5)) == "ORDER"
    empty = operation_record(Kind.TRY_READ, Status.EMPTY, 2, 3)
    assert violation(write(1, 0, 1), empty, read(1, 4, 5)) == "EMPTY"
    peek = operation_record(Kind.PEEK, Status.OK, 6, 7, 1)
    assert violation(write(1, 0, 1), read(1, 2, 3), peek) == "PEEK AFTER REMOVAL"
    heads = [operation_record(Kind.PEEK, Status.OK, at, at + 1, at % 2) for at in (4, 7, 10, 13)]
    assert violation(write(0, 0, 3), write(1, 0, 3), *heads) == "HEAD"
    full = operation_record(Kind.TRY_WRITE, Status.FULL, 2, 3, 9, size=8)
    assert violation(write(1, 0, 1), full, capacity=64) == "FULL"
    assert violation(write(1, 0, 1), write(2, 2, 3), capacity=16) == "OVERFLOW"


def refused(begin: int, end: int, **told: int) -> np.void:
    return operation_record(Kind.SKIP, Status.MISMATCH, begin, end, flags=HEAD_UNTOLD, **told)


def test_a_mismatch_without_the_head_needs_another_message_there() -> None:
    assert violation(refused(2, 3, value=1)) == "MISMATCH"
    assert violation(write(1, 0, 1), refused(2, 3, value=1)) == "MISMATCH"
    assert violation(write(1, 0, 1), refused(2, 3, value=2)) == "pass"
    assert violation(write(1, 0, 1, id=16), refused(2, 3, target=16)) == "MISMATCH"
    assert violation(write(1, 0, 1, id=16), refused(2, 3, target=32)) == "pass"
    assert violation(refused(2, 3, target=32)) == "MISMATCH"
    # surely the head while it was said not to be, although another message was behind it
    behind = [write(1, 0, 1), write(2, 0, 9), operation_record(Kind.PEEK, Status.OK, 2, 3, 1), read(1, 8, 9)]
    assert violation(*behind, refused(5, 6, value=1)) == "MISMATCH"
    assert violation(*behind, refused(5, 6, value=2)) == "pass"
    # of two skips one is right at the most: nothing but the order of all decides
    two = [write(1, 0, 1), write(2, 2, 3), read(1, 9, 12), read(2, 9, 12)]
    assert violation(*two, refused(4, 8, value=2)) == "pass"
    assert violation(*two, refused(4, 8, value=1)) == "MISMATCH"


def test_touching_intervals_are_no_violation() -> None:
    """Equal stamps overlap: with a coarse clock anything else is a false alarm."""
    assert violation(write(1, 0, 2), read(1, 0, 2)) == "pass"
    empty = operation_record(Kind.TRY_READ, Status.EMPTY, 1, 1)
    assert violation(write(1, 0, 1), empty, read(1, 1, 2)) == "pass"
    assert violation(write(1, 0, 1), write(2, 1, 2), read(2, 3, 4), read(1, 5, 6)) == "pass"


def test_a_batch_read_backwards_does_not_pass() -> None:
    writes = [write(value, 0, 9, batch=1, worker=0) for value in (1, 2)]
    forwards = [read(value, 10, 19, batch=1, worker=1) for value in (1, 2)]
    backwards = [read(value, 10, 19, batch=1, worker=1) for value in (2, 1)]
    assert violation(*writes, *forwards) == "pass"
    assert violation(*writes, *backwards) == "ORDER"


def test_a_time_out_says_empty_at_its_end_only() -> None:
    late = operation_record(Kind.READ, Status.TIMEOUT, 0, 12, timeout=10)
    assert violation(write(1, 1, 2), late, read(1, 20, 21)) == "EMPTY"
    assert violation(write(1, 1, 2), read(1, 5, 6), late) == "pass"
    assert violation(write(1, 11, 14), late, read(1, 20, 21)) == "pass"


def test_a_pending_removal_explains_one_missing_message() -> None:
    pending = operation_record(Kind.READ, Status.PENDING, 2, PENDING_RETURN)
    assert violation(write(1, 0, 1), write(2, 2, 3), pending, read(2, 9, 10)) == "pass"
    lost_two = [write(1, 0, 1), write(2, 2, 3), write(3, 4, 5), pending, read(3, 9, 10)]
    assert violation(*lost_two) == "ORDER"


def skip(begin: int, **told: int) -> np.void:
    return operation_record(Kind.SKIP, Status.PENDING, begin, PENDING_RETURN, worker=5, **told)


EMPTY = operation_record(Kind.TRY_READ, Status.EMPTY, 4, 5)
PENDING_WRITE = operation_record(Kind.WRITE, Status.PENDING, 0, PENDING_RETURN, 7, size=8)


def test_a_pending_skip_removes_what_it_means_alone() -> None:
    assert violation(PENDING_WRITE, skip(1, value=7), write(8, 2, 3), EMPTY) == "EMPTY"
    assert violation(PENDING_WRITE, skip(1, value=8), write(8, 2, 3), EMPTY) == "pass"
    assert violation(PENDING_WRITE, skip(1, value=9), write(8, 2, 3), EMPTY) == "EMPTY"
    # by entry: one that nobody reported can only be of a write that has no id
    assert violation(write(8, 0, 1, id=8), skip(2, target=99), EMPTY) == "EMPTY"
    assert violation(write(8, 0, 1), skip(2, target=99), EMPTY) == "pass"
    assert violation(PENDING_WRITE, write(8, 0, 1, id=8), skip(2, target=99), EMPTY) == "EMPTY"
    assert violation(PENDING_WRITE, write(8, 0, 1), skip(2, target=99), EMPTY) == "pass"
    either = (write(5, 0, 1), write(6, 0, 20), skip(2, target=99), write(8, 2, 3, id=8), read(8, 4, 5, id=8))
    assert violation(*either) == "pass"
    assert violation(*either, read(6, 6, 7)) == "pass"
    assert violation(*either, read(5, 6, 7)) == "ORDER"
    lost = (write(5, 0, 1), write(6, 0, 1), skip(2, target=99), write(8, 2, 3, id=8), EMPTY)
    assert violation(read(6, 4, 5), *lost) == "EMPTY"  # one skip, and two that nobody read
    assert violation(write(6, 0, 1), write(8, 0, 1), skip(2, target=99), read(6, 4, 5), read(8, 4, 5)) == "pass"


def test_a_pending_batch_of_which_a_message_need_not_have_been_written_is_in_no_order() -> None:
    batch = [operation_record(Kind.WRITE_MANY, Status.PENDING, 0, PENDING_RETURN, n, size=8, batch=1) for n in (1, 2)]
    peek = operation_record(Kind.PEEK, Status.OK, 0, 1, 2, size=8)
    assert violation(*batch, peek, skip(3, value=1), read(2, 1, 3)) == "pass"


def test_a_pending_skip_that_does_not_say_what_it_means_may_have_removed_anything() -> None:
    assert violation(write(7, 0, 1), skip(2), EMPTY) == "pass"
    assert violation(write(7, 0, 1), write(0, 0, 1), skip(2), EMPTY) == "EMPTY"


def test_a_message_that_nobody_saw_makes_a_full_and_is_gone_by_the_skip_that_means_it() -> None:
    full = operation_record(Kind.TRY_WRITE, Status.FULL, 1, 2, 9, size=8)
    assert violation(PENDING_WRITE, full, skip(1, value=7), EMPTY, capacity=16) == "pass"


def test_nothing_to_decide_is_no_pass() -> None:
    assert violation() == "inconclusive"


def test_a_million_operations_and_a_violation_at_the_end() -> None:
    count = 100_000
    times = np.arange(count) * 10
    rows = np.zeros(2 * count, operation_record(Kind.WRITE, Status.OK, 0, 0).dtype)
    rows["value"] = np.concatenate([np.arange(count)] * 2)
    rows["kind"] = np.repeat([Kind.WRITE, Kind.READ], count)
    rows["invoked"] = np.concatenate([times, times + 100])
    rows["returned"] = rows["invoked"] + 12
    rows["flags"], rows["size"] = 1, 8
    assert check_fifo(History(rows)).outcome is Outcome.PASS
    rows["value"][-1], rows["value"][-4] = rows["value"][-4], rows["value"][-1]
    verdict = check_fifo(History(rows))
    assert verdict.rule == "ORDER"
    assert verdict.witness is not None
    assert len(verdict.witness.operations) == 4
