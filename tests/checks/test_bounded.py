"""The bounded queue: FULL and pending removals by search, against brute force; certificates and their replay."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.checks import bounded, check_fifo
from harness.checks.bounded import ATTEMPTS, Attempt, search
from harness.checks.certificate import Action, QueueOperations, replay
from harness.checks.model import model_of
from harness.history import PENDING_RETURN, History, operation_record
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
    "histories", [2_000, pytest.param(100_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)
families = pytest.mark.parametrize("family", [*brute.FAMILIES, "mixed"])


def drawn(family: str, generator: np.random.Generator) -> History:
    """A small history of a queue for one to three messages."""
    if family == "mixed":
        rows = brute.mixed(generator, *(bool(generator.integers(2)) for _ in range(3)))
    else:
        rows = brute.FAMILIES[family](generator, 32)
    return History.of(rows, capacity=16 * int(generator.integers(1, 4)))


def show(history: History) -> str:
    return "\n".join([f"capacity {history.capacity}", *(history.describe(index) for index in range(len(history)))])


@counts
@families
def test_a_capacity_is_decided_as_brute_force_does(family: str, histories: int) -> None:
    generator = np.random.default_rng(2)
    outcomes = {True: 0, False: 0}
    searched_and_refuted = 0
    for _ in range(histories):
        history = drawn(family, generator)
        expected = brute.linearizable(history)
        verdict = check_fifo(history)
        outcomes[expected] += 1
        searched_and_refuted += verdict.rule == "CAPACITY"
        if verdict.outcome is Outcome.INCONCLUSIVE:
            assert not any(verdict.assertions.values()), "left open"
        assert (verdict.outcome is not Outcome.FAIL) == expected, f"{verdict}\n{show(history)}"
    assert min(outcomes.values()) > histories // 100
    assert searched_and_refuted > histories // 1000, "the sound rules found all"


@counts
@families
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.engine)
def test_each_engine_alone(attempt: Attempt, family: str, histories: int) -> None:
    """What it decides is right; the complete one decides all, the others prove nearly all that can be proved."""
    generator = np.random.default_rng(3)
    provable = proved = refuted = 0
    for _ in range(histories // 2):
        history = drawn(family, generator)
        model = model_of(history)
        if (model.write_row < 0).any() or len(model.extra_removals):
            continue
        expected = brute.linearizable(history)
        found = search(model, (attempt,))
        assert found.linearizable in (expected, None), show(history)
        provable += expected
        proved += found.linearizable is True
        refuted += found.linearizable is False
        if attempt.width == 0 and not attempt.in_order:
            assert found.linearizable is not None
    # by a guessed order less can be proved
    assert proved > (0.5 if attempt.in_order else 0.99) * provable > 0
    assert (refuted > 0) == (attempt.width == 0 and not attempt.in_order)


@counts
@families
def test_witnesses_of_what_a_capacity_breaks(family: str, histories: int) -> None:
    """No order gets beyond the latest return in it; messages that did not fit prove it by themselves."""
    generator = np.random.default_rng(6)
    proved = dict.fromkeys(["FULL", "OVERFLOW", "CAPACITY", "MISMATCH", "SKIP"], 0)
    for _ in range(histories // 2):
        history = drawn(family, generator)
        verdict = check_fifo(history)
        if verdict.rule not in proved:
            continue
        assert verdict.witness is not None
        rows, shown = history.operations, list(verdict.witness.operations)
        assert 1 <= len(shown) <= 12
        if verdict.rule == "OVERFLOW":
            told = rows["status"] == Status.PENDING
            told[shown] = True
            if (rows["target"] != NO_ID).any():  # what tells which messages the skips did not mean
                told |= (rows["id"] != NO_ID) & np.isin(rows["id"], rows["target"])
                told |= (rows["status"] == Status.OK) & np.isin(rows["value"], rows["value"][shown])
            part = History(rows[told], history.capacity)
        else:
            part = until(history, int(rows["returned"][shown].max()))
        assert not brute.linearizable(part), f"{verdict}\n{show(history)}\n---\n{show(part)}"
        proved[verdict.rule] += 1
    assert sum(proved.values()) > histories // 100


def until(history: History, time: int) -> History:
    """What had been called by then, and all that is known of the messages in it."""
    rows = history.operations
    called = rows["invoked"] <= time
    speaks = np.isin(rows["status"], [Status.OK, Status.MISMATCH, Status.PENDING])
    return History(rows[called | (speaks & np.isin(rows["value"], rows["value"][called]))], history.capacity)


def test_the_id_of_a_write_that_never_returned_is_told_by_who_removed_it() -> None:
    rows = [
        operation_record(Kind.WRITE, Status.PENDING, 0, PENDING_RETURN, 7, size=8),
        operation_record(Kind.WRITE, Status.OK, 0, 9, 8, size=8, id=3),
        operation_record(Kind.READ, Status.OK, 5, 9, 8, size=8, id=3),
        operation_record(Kind.READ, Status.OK, 10, 19, 7, size=8, id=4),
    ]
    model = model_of(History.of(rows))
    ids = dict(zip(model.history.operations["value"][model.write_row].tolist(), bounded._ids(model), strict=True))
    assert ids == {7: 4, 8: 3}


def with_ids(rows: list[np.void], generator: np.random.Generator, stretch: int) -> list[np.void]:
    """The same operations, open for longer; who succeeded tells the entry id, and values went in in their order."""
    for row in rows:
        row["invoked"] -= generator.integers(0, stretch)
        if row["status"] != Status.PENDING:
            row["returned"] += generator.integers(0, stretch)
            if row["status"] == Status.OK:
                row["id"] = row["value"]
    return rows


@pytest.mark.parametrize("histories", [60, pytest.param(6_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])])
def test_in_the_order_of_the_ids_every_true_history_is_decided(histories: int) -> None:
    """However long operations are open: none of those that are left out would have been needed."""
    (in_order,) = (attempt for attempt in ATTEMPTS if attempt.in_order)
    generator = np.random.default_rng(5)
    others = 0
    for _ in range(histories):
        capacity = 16 * int(generator.integers(1, 17))
        rows = with_ids(brute.linearizable_rows(generator, capacity, 600, pending_share=0), generator, 40)
        model = model_of(History.of(rows, capacity=capacity))
        assert search(model, (in_order,)).linearizable is True
        others += search(model, ATTEMPTS[:1]).linearizable is not True
    assert others > histories // 4, "the certificate alone would do"


# ---- certificates


def sequential() -> QueueOperations:
    """write 0, write 1, full, peek 0, remove 0, remove 1, empty: one after the other."""
    action = [Action.WRITE, Action.WRITE, Action.FULL, Action.PEEK, Action.REMOVE, Action.REMOVE, Action.EMPTY]
    count = len(action)
    return QueueOperations(
        action=np.array(action, np.uint8),
        value=np.array([0, 1, -1, 0, 0, 1, -1], np.int32),
        size=np.full(count, 16),
        invoked=np.zeros(count, np.int64),
        returned=np.full(count, 9),
        before=np.full(count, -1, np.int32),
        row=np.arange(count),
        cost=np.array([16, 16]),
        unnamed=np.array([False, True]),
        capacity=32,
    )


def objection(operations: QueueOperations, *order: int) -> str:
    return replay(operations, np.array(order, np.int32))


def test_a_true_certificate_is_accepted() -> None:
    assert objection(sequential(), *range(7)) == ""


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ((0, 1, 2, 3, 4, 5), "missing"),
        ((0, 1, 2, 3, 4, 5, 6, 6), "twice"),
        ((0, 1, 2, 3, 4, 5, 7), "not there"),
        ((0, 2, 1, 3, 4, 5, 6), "would have fitted"),
        ((0, 1, 2, 4, 3, 5, 6), "at the head"),
        ((0, 1, 2, 3, 5, 4, 6), "at the head"),
        ((1, 0, 2, 3, 4, 5, 6), "at the head"),
        ((0, 1, 2, 3, 4, 6, 5), "not empty"),
        ((4, 0, 1, 2, 3, 5, 6), "empty queue"),
    ],
)
def test_a_false_certificate_is_refused(order: tuple[int, ...], says: str) -> None:
    assert says in objection(sequential(), *order)


def test_a_certificate_keeps_to_real_time_to_batches_and_to_what_fits() -> None:
    true = sequential()
    late = replace(true, invoked=np.array([0, 0, 0, 0, 0, 0, 5]), returned=np.array([9, 9, 9, 9, 9, 4, 9]))
    assert objection(late, *range(7)) == ""
    assert "after its return" in objection(replace(late, invoked=np.array([5, 0, 0, 0, 0, 0, 5])), *range(7))
    batch = replace(true, before=np.array([-1, 0, -1, -1, -1, 4, -1], np.int32))
    assert objection(batch, *range(7)) == ""
    assert "batch" in objection(replace(batch, before=np.array([1, -1, -1, -1, -1, -1, -1], np.int32)), *range(7))
    assert "more is inside" in objection(replace(true, capacity=16), *range(7))


def test_what_an_unknown_entry_may_be_is_kept_to() -> None:
    true = sequential()
    last = np.array([*true.action[:5], Action.TAKE_UNNAMED, Action.EMPTY], np.uint8)
    assert objection(replace(true, action=last), *range(7)) == ""
    assert "that it is not" in objection(replace(true, action=last, unnamed=np.array([True, False])), *range(7))


def test_a_skip_of_an_unknown_entry_removed_no_message_whose_entry_is_known() -> None:
    rows = [
        operation_record(Kind.WRITE, Status.OK, 0, 1, 1, size=8, id=16),
        operation_record(Kind.WRITE, Status.OK, 7, 20, 2, size=8),
        operation_record(Kind.WRITE, Status.OK, 7, 20, 3, size=8),
        operation_record(Kind.SKIP, Status.PENDING, 4, PENDING_RETURN, target=99),
        operation_record(Kind.TRY_READ, Status.EMPTY, 8, 9),
    ]
    verdict = check_fifo(History.of(rows))
    assert (verdict.outcome, verdict.rule) == (Outcome.FAIL, "SKIP")
    rows[0]["id"] = NO_ID
    assert check_fifo(History.of(rows)).outcome is Outcome.PASS


def test_a_search_that_errs_is_caught_by_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    history = History.of(
        [operation_record(Kind.WRITE, Status.OK, 0, 1, 0, size=8), operation_record(Kind.READ, Status.OK, 2, 3, 0)],
        capacity=16,
    )

    def backwards(**_: object) -> tuple[int, bytes, int, int, int]:
        return 0, np.array([1, 0], np.int32).tobytes(), -1, 2, 1

    monkeypatch.setattr(bounded, "search_queue", backwards)
    with pytest.raises(AssertionError, match="no linearization"):
        search(model_of(history))


# ---- by hand


def test_full_between_two_that_could_not_both_be_inside() -> None:
    """Each message could have been inside at the FULL, but never both; only the order of all operations shows that."""
    rows = [
        operation_record(Kind.WRITE, Status.OK, 0, 10, 1, size=8),
        operation_record(Kind.READ, Status.OK, 2, 4, 1, size=8),
        operation_record(Kind.WRITE, Status.OK, 5, 6, 2, size=8),
        operation_record(Kind.TRY_WRITE, Status.FULL, 3, 8, 9, size=8),
        operation_record(Kind.READ, Status.OK, 12, 14, 2, size=8),
    ]
    assert check_fifo(History.of(rows, capacity=16)).outcome is Outcome.PASS
    verdict = check_fifo(History.of(rows, capacity=32))
    assert verdict.outcome is Outcome.FAIL
    assert not brute.linearizable(History.of(rows, capacity=32))


def test_what_was_decided_and_how_is_said() -> None:
    rows = [
        operation_record(Kind.WRITE, Status.OK, 0, 1, 1, size=8),
        operation_record(Kind.TRY_WRITE, Status.FULL, 2, 3, 9, size=8),
        operation_record(Kind.READ, Status.OK, 4, 5, 1, size=8),
    ]
    verdict = check_fifo(History.of(rows, capacity=16))
    assert verdict.outcome is Outcome.PASS
    assert "1 FULL at capacity 16" in verdict.reason
    assert "certificate" in verdict.reason
    assert "replayed" in verdict.reason


def test_a_search_without_budget_leaves_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.checks.bounded._FEWEST_STEPS", 1)
    monkeypatch.setattr("harness.checks.bounded._MOST_STEPS", 1)
    rows = [operation_record(Kind.WRITE, Status.OK, 0, 9, value, size=8) for value in range(3)]
    rows += [operation_record(Kind.READ, Status.OK, 0, 9, value, size=8) for value in range(3)]
    verdict = check_fifo(History.of(rows, capacity=16))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "not fully decided" in verdict.reason
