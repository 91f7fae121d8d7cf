"""The general search against brute force, against the fast FIFO decision, and by every specification."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness._native import search_order
from harness.checks import check_fifo, wgl
from harness.checks.linearizability import check_specification
from harness.checks.specifications import SPECIFICATIONS, Operation, find, steps
from harness.checks.specifications.operation import SpecificationError, StepError
from harness.checks.specifications.queues import Entries, Fifo
from harness.checks.wgl import search
from harness.exchange import Call, Recording, load_history
from harness.history import PENDING_RETURN, History
from harness.verdict import Outcome

# how many random histories a specification is compared on
counts = pytest.mark.parametrize(
    "histories", [1_500, pytest.param(100_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)
NEVER = PENDING_RETURN

Timed = tuple[Operation, tuple[int, int]]


def possible(model: Any, history: Sequence[Timed], batches: Sequence[Sequence[int]] = ()) -> bool:
    """Brute force: some permutation of all completed and some pending operations is legal and in real-time order."""
    pending = [index for index, (operation, _) in enumerate(history) if operation.pending]
    completed = [index for index, (operation, _) in enumerate(history) if not operation.pending]
    for size in range(len(pending) + 1):
        for extra in itertools.combinations(pending, size):
            for order in itertools.permutations(completed + list(extra)):
                if replays(model, history, order, batches):
                    return True
    return False


def replays(model: Any, history: Sequence[Timed], order: Sequence[int], batches: Sequence[Sequence[int]] = ()) -> bool:
    """Is this order legal, in real-time order, and in the order of every batch?"""
    state = model.init()
    latest = -1
    for index in order:
        operation, (begin, end) = history[index]
        if end < latest:
            return False
        latest = max(latest, begin)
        state = model.step(state, operation)
        if state is None:
            return False
    taken = [[index for index in order if index in batch] for batch in batches]
    return all(those == sorted(those, key=batch.index) for those, batch in zip(taken, batches, strict=True))


def drawn_interval(generator: np.random.Generator, pending: float) -> tuple[tuple[int, int], bool]:
    begin = int(generator.integers(0, 8))
    stays = bool(generator.random() < pending)
    return (begin, NEVER if stays else begin + int(generator.integers(0, 5))), stays


def random_register(generator: np.random.Generator) -> list[Timed]:
    history: list[Timed] = []
    for _ in range(int(generator.integers(1, 6))):
        interval, pending = drawn_interval(generator, 0.15)
        value, other = (int(number) for number in generator.integers(0, 3, 2))
        operation = [
            Operation("write", value, pending=pending),
            Operation("read", None, None if pending else value, pending=pending),
            Operation("cas", (value, other), pending=pending),
            Operation("cas", (value, other), error="mismatch")
            if not pending
            else Operation("write", value, pending=True),
        ][int(generator.integers(4))]
        history.append((operation, interval))
    return history


def random_latest(generator: np.random.Generator) -> list[Timed]:
    return [
        (Operation("read", error="empty") if operation.f == "cas" and not operation.pending else operation, interval)
        for operation, interval in random_register(generator)
    ]


def random_queue(generator: np.random.Generator, anonymous: bool = True) -> list[Timed]:
    history: list[Timed] = []
    written = 0
    for _ in range(int(generator.integers(1, 6))):
        interval, pending = drawn_interval(generator, 0.15)
        value = int(generator.integers(0, written + 1))
        cost = {"cost": int(generator.integers(1, 3))}
        choice = generator.random()
        if choice < 0.4:
            operation = Operation("write", written, pending=pending, process=int(generator.integers(2)), fields=cost)
            written += 1
        elif choice < 0.47 and not pending:
            operation = Operation("try_write", 100, error="full", fields=cost)
        elif choice < 0.75 and (anonymous or not pending):
            operation = Operation("read", None, None if pending else value, pending=pending)
        elif choice < 0.85 or pending:
            operation = Operation("skip", value, pending=pending)
        elif choice < 0.93:
            operation = Operation("peek", None, value)
        else:
            operation = Operation("read", error="empty")
        history.append((operation, interval))
    return history


def random_named_queue(generator: np.random.Generator) -> list[Timed]:
    return random_queue(generator, anonymous=False)


QUEUES = ["fifo", "fifo-messages", "fifo-bytes", "lossy", "per-writer-order", "multiset"]
DRAWN = [
    ("register", random_register),
    ("latest-value", random_latest),
    *((name, random_queue) for name in ("fifo", "fifo-messages", "fifo-bytes", "lossy")),
    *((name, random_named_queue) for name in ("per-writer-order", "multiset")),
]


@counts
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(("name", "draw"), DRAWN)
def test_agrees_with_brute_force(name: str, draw: Any, batched: bool, histories: int) -> None:
    """Every linearization replays, every prefix of one too; with batches among the operations and without."""
    generator = np.random.default_rng(1)
    model = SPECIFICATIONS[name](2 if name == "fifo-bytes" else 1)
    outcomes = {True: 0, False: 0}
    forced = 0
    for _ in range(histories // 2):  # so many with batches, and without
        history = draw(generator)
        batches = []
        if batched and len(history) > 1:
            batches.append(sorted(generator.choice(len(history), int(generator.integers(2, len(history) + 1)), False)))
        expected = possible(model, history, batches)
        forced += batched and expected != possible(model, history)
        found = search(model, *zip(*history, strict=True), batches=batches)
        assert found.linearizable == expected, (history, batches)
        assert replays(model, history, found.order, batches), "what was found does not replay"
        if expected:
            taken = set(found.order)
            assert all(operation.pending or index in taken for index, (operation, _) in enumerate(history))
        outcomes[expected] += 1
    assert min(outcomes.values()) > histories // 200
    assert not batched or forced, "no batch ever mattered"


@counts
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("name", ["register", "latest-value", *QUEUES])
def test_what_is_known_beforehand_agrees_with_brute_force(
    name: str, batched: bool, histories: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a plain search before: by forced pairs alone, narrowed intervals, and what is refuted by them at once."""
    monkeypatch.setattr(wgl, "_FEWEST_STEPS", 0)
    monkeypatch.setattr(wgl, "_STEPS_EACH", 0)
    generator = np.random.default_rng(7)
    model = SPECIFICATIONS[name](2)
    outcomes = {True: 0, False: 0}
    at_once = 0
    for _ in range(histories // 2):
        history = crowded_queue(generator, name) if name in QUEUES else runs_of_a_register(generator)
        batches = []
        if batched and len(history) > 1:
            batches.append(sorted(generator.choice(len(history), int(generator.integers(2, len(history) + 1)), False)))
        expected = possible(model, history, batches)
        found = search(model, *zip(*history, strict=True), batches=batches)
        assert found.linearizable == expected, (history, batches)
        assert replays(model, history, found.order, batches), "what was found does not replay"
        outcomes[expected] += 1
        at_once += found.linearizable is False and found.steps == 0
    assert min(outcomes.values()) > histories // 200
    assert at_once > histories // 200, "the pairs never refuted anything by themselves"


def crowded_queue(generator: np.random.Generator, name: str) -> list[Timed]:
    """Writes that overlap, and reads, peeks and skips of them; a few calls never returned."""
    history: list[Timed] = []
    values = int(generator.integers(2, 4))
    anonymous = name not in ("per-writer-order", "multiset")
    for value in range(values):
        interval, pending = drawn_interval(generator, 0.15)
        cost = {"cost": int(generator.integers(1, 3))}
        writer = int(generator.integers(2))
        history.append((Operation("write", value, pending=pending, process=writer, fields=cost), interval))
    for _ in range(int(generator.integers(1, 4))):
        (begin, end), pending = drawn_interval(generator, 0.15)
        later = int(generator.integers(0, 6))
        interval = (begin + later, end if pending else end + later)
        value = int(generator.integers(0, values + (generator.random() < 0.1)))  # now and then what nobody wrote
        if pending and not anonymous:
            history.append((Operation("skip", value, pending=True), interval))
            continue
        operation = [
            Operation("read", None, None if pending else value, pending=pending),
            Operation("read", None, None if pending else value, pending=pending),
            Operation("peek", None, None if pending else value, pending=pending),
            Operation("skip", value, pending=pending),
            Operation("skip", (value + 1) % values, None if pending else value, "" if pending else "mismatch", pending),
        ][int(generator.integers(5))]
        history.append((operation, interval))
    return history


def runs_of_a_register(generator: np.random.Generator) -> list[Timed]:
    """Most values are written once, by a write or a cas."""
    history: list[Timed] = []
    for value in range(1, int(generator.integers(3, 7))):
        interval, pending = drawn_interval(generator, 0.15)
        old = int(generator.integers(1, value + 1)) if generator.random() < 0.95 else 99
        operation = [
            Operation("write", value, pending=pending),
            Operation("write", value, pending=pending),
            Operation("cas", (old, value), pending=pending),
            Operation("read", None, None if pending else old, pending=pending),
            Operation("read", None, None if pending else old, pending=pending),
            Operation(
                "write" if pending else "cas", (old, value), error="" if pending else "mismatch", pending=pending
            ),
        ][int(generator.integers(6))]
        history.append((operation, interval))
    if history and generator.random() < 0.5:
        value = int(generator.integers(1, len(history) + 1))
        history.append((Operation("read", None, value), drawn_interval(generator, 0)[0]))
    return history


@counts
def test_keys_agree_with_brute_force(histories: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key is judged apart; brute force knows nothing of that. Half of them by what is known beforehand alone."""
    generator = np.random.default_rng(11)
    outcomes = {True: 0, False: 0}
    fewest, each = wgl._FEWEST_STEPS, wgl._STEPS_EACH
    for number in range(histories):
        monkeypatch.setattr(wgl, "_FEWEST_STEPS", fewest if number % 2 else 0)
        monkeypatch.setattr(wgl, "_STEPS_EACH", each if number % 2 else 0)
        draw = runs_of_a_register if number % 4 < 2 else random_register
        calls, history = [], []
        for line, (operation, (begin, end)) in enumerate(draw(generator), 1):
            key = "ab"[int(generator.integers(2))]
            argument = [key, list(operation.argument) if operation.f == "cas" else operation.argument]
            result = None if operation.f != "read" or operation.pending else [key, operation.result]
            kind = "info" if operation.pending else "fail" if operation.error else "ok"
            calls.append(Call(line, operation.f, argument, result, kind, begin, end, line, operation.error))
            told = None if result is None else (key, operation.result)
            asked = (key, operation.argument)
            history.append(
                (Operation(operation.f, asked, told, operation.error, operation.pending, line), (begin, end))
            )
        expected = possible(ByKey(), history)
        verdict = check_specification(Recording("drawn", tuple(calls)), find("key-value"), budget=60)
        outcomes[expected] += 1
        assert (verdict.outcome is not Outcome.FAIL) is expected, (verdict, history)
        assert verdict.outcome is not Outcome.INCONCLUSIVE or not any(verdict.assertions.values())
    assert min(outcomes.values()) > histories // 200


class ByKey:
    """Registers by key, plainly."""

    def init(self) -> dict[str, Any]:
        return {}

    def step(self, state: dict[str, Any], operation: Operation) -> dict[str, Any] | None:
        key, argument = operation.argument
        held = state.get(key)
        if operation.f == "read":
            return state if operation.pending or held == operation.result[1] else None
        if operation.f == "write":
            return state | {key: argument}
        old, new = argument
        if operation.error:
            return state if held != old else None
        return state | {key: new} if held == old else state if operation.pending else None


def test_a_register_that_three_hundred_write_at_once() -> None:
    """Which write came last is told by a read; among the orders of all others no search finds it."""
    history: list[Timed] = [(Operation("write", value), (value, 600 + value)) for value in range(300)]
    history += [(Operation("read", None, 299), (500, 501)), (Operation("read", None, 7), (1_500, 1_501))]
    found = search(SPECIFICATIONS["register"](), *zip(*history, strict=True), give_up=time.monotonic() + 60)
    assert found.linearizable is True
    assert replays(SPECIFICATIONS["register"](), history, found.order)
    for value in (8, 1_000):  # that is over, or was never there
        wrong = [*history, (Operation("read", None, value), (1_600, 1_601))]
        found = search(SPECIFICATIONS["register"](), *zip(*wrong, strict=True), give_up=time.monotonic() + 60)
        assert found.linearizable is False


@pytest.mark.parametrize("name", QUEUES)
def test_of_sixty_open_writes_one_message_comes_out_twice(name: str) -> None:
    history: list[Timed] = [(Operation("write", value, process=value), (value, 600 + value)) for value in range(60)]
    order = [*range(59, 0, -1), 1]
    history += [(Operation("read", None, v), (1_000 + 2 * k, 1_001 + 2 * k)) for k, v in enumerate(order)]
    model = SPECIFICATIONS[name](400)
    found = search(model, *zip(*history, strict=True), give_up=time.monotonic() + 60)
    assert found.linearizable is False
    assert replays(model, history, found.order)


def told_late(messages: int) -> list[Timed]:
    """Many messages wait, each written beside its neighbours: only their reads tell the order."""
    generator = np.random.default_rng(9)
    order = list(range(messages))
    for place in range(0, messages, 4):
        part = order[place : place + 4]
        generator.shuffle(part)
        order[place : place + 4] = part
    history: list[Timed] = []
    for place, value in enumerate(order):
        begin = 100 * (place // 4)
        history.append((Operation("write", value), (begin + value % 4, begin + 50 + value % 4)))
    history += [(Operation("read", None, value), (10_000 + 2 * k, 10_001 + 2 * k)) for k, value in enumerate(order)]
    return history


def with_the_first_read_again(history: Sequence[Timed]) -> list[Timed]:
    """Its last read answers what its first did."""
    first, last = history[len(history) // 2], history[-1]
    return [*history[:-1], (first[0], last[1])]


def test_two_writes_the_wrong_way_round_are_found_before_the_reads() -> None:
    history = told_late(40)
    found = search(SPECIFICATIONS["fifo"](), *zip(*history, strict=True), give_up=time.monotonic() + 60)
    assert found.linearizable is True
    assert replays(SPECIFICATIONS["fifo"](), history, found.order)
    wrong = with_the_first_read_again(history)
    found = search(SPECIFICATIONS["fifo"](), *zip(*wrong, strict=True), give_up=time.monotonic() + 60)
    assert found.linearizable is False
    assert found.stuck is not None


def test_what_is_known_beforehand_is_asked_where_there_is_no_room_for_more_states(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """States of a long queue are large: their room ends long before the steps that a plain search has."""
    monkeypatch.setattr(steps, "MOST_BYTES", 200_000)
    model, history = SPECIFICATIONS["fifo"](), told_late(40)
    found = search(model, *zip(*history, strict=True))
    assert found.linearizable is True
    assert replays(model, history, found.order)
    wrong = with_the_first_read_again(history)
    found = search(model, *zip(*wrong, strict=True))
    assert found.linearizable is False
    assert found.stuck is not None
    assert found.stuck not in found.order
    assert len(found.order) >= 40, "the prefix of a witness ends before the writes do"
    assert replays(model, wrong, found.order)


def test_what_is_known_of_a_long_history_takes_as_long_as_that() -> None:
    """A hundred thousand writes, one after another, and nothing between two of them to be told."""
    operations = [Operation("write", value) for value in range(100_000)]
    intervals = [(2 * value, 2 * value + 1) for value in range(100_000)]
    begun = time.process_time()
    assert list(SPECIFICATIONS["fifo"]().forced(operations, intervals)) == []
    assert time.process_time() - begun < 10


class Foreseeing:
    """A register of which `forced` says what the test wants."""

    pairs: tuple[Any, ...] = ()

    def __init__(self, capacity: int | None = None) -> None: ...

    def init(self) -> int:
        return 0

    def forced(self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]) -> Iterable[Any]:
        return self.pairs

    def step(self, state: int, operation: Operation) -> int | None:
        if operation.f == "write":
            return int(operation.argument)
        return state if state == operation.result else None


def test_who_says_too_much_beforehand_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    history: list[Timed] = [(Operation("write", 1), (0, 1)), (Operation("read", None, 1), (2, 3))]
    monkeypatch.setattr(Foreseeing, "pairs", ((0, 1),))
    assert search(Foreseeing(), *zip(*history, strict=True)).linearizable is True
    for pair in ((1, 0), (1, 1)):
        monkeypatch.setattr(Foreseeing, "pairs", (pair,))
        with pytest.raises(StepError, match="forced says that another comes before this"):
            search(Foreseeing(), *zip(*history, strict=True))


class Stack(Fifo):
    """Of the queue that it is made from, all but the order."""

    def _written(self, state: Entries, operation: Operation) -> Entries | None:
        return (self._entry(operation), *state)


class Boasting(Stack):
    def forced(self, operations: Sequence[Operation], intervals: Sequence[tuple[int, int]]) -> Iterable[Any]:
        return [(2, 3)]


def test_what_a_queue_knows_beforehand_is_not_known_of_what_is_made_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    history: list[Timed] = [(Operation("write", value), (value, value + 1)) for value in (0, 2)]
    history += [(Operation("read", None, value), (10 - value, 11 - value)) for value in (0, 2)]
    assert search(Stack(), *zip(*history, strict=True)).linearizable is True
    with pytest.raises(StepError, match="forced says"):  # it says so itself
        search(Boasting(), *zip(*history, strict=True))
    monkeypatch.setattr(wgl, "_FEWEST_STEPS", 0)
    monkeypatch.setattr(wgl, "_STEPS_EACH", 0)
    assert search(Stack(), *zip(*history, strict=True)).linearizable is True


@pytest.mark.parametrize("pair", [(2, 2), (0, 2), (-1, 0), (0,), "01", (0, 1.0), None])
def test_pairs_that_make_no_sense_are_refused(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    history: list[Timed] = [(Operation("write", 1), (0, 1)), (Operation("read", None, 1), (2, 3))]
    monkeypatch.setattr(Foreseeing, "pairs", (pair,))
    with pytest.raises(SpecificationError, match="it must give pairs of indices"):
        search(Foreseeing(), *zip(*history, strict=True))


def test_what_was_forgotten_is_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs steps, and changes no answer."""
    generator = np.random.default_rng(4)
    more = 0
    for _ in range(300):
        history = random_queue(generator)
        answers = []
        for words in (1 << 26, 4):
            monkeypatch.setattr(wgl, "_MOST_WORDS", words)
            answers.append(search(SPECIFICATIONS["lossy"](2), *zip(*history, strict=True)))
        remembering, forgetful = answers
        assert remembering.linearizable is forgetful.linearizable
        more += forgetful.steps - remembering.steps
        assert forgetful.steps >= remembering.steps
    assert more > 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"events": [0, 1, 2]}, "a call, or a return, is missing"),
        ({"events": [0, 1, 2, 2]}, "an event comes twice"),
        ({"events": [0, 1, 2, 4]}, "events name no operation"),
        ({"pending": [0]}, "do not go with kinds"),
        ({"observes": [0]}, "do not go with kinds"),
        ({"pending": [0, 1]}, "a call, or a return, is missing"),
        ({"needs": [2], "needs_from": [0, 0, 1]}, "needs or bars name no operation"),
        ({"needs": [-1], "needs_from": [0, 0, 1]}, "needs or bars name no operation"),
        ({"needs_from": [0, 1, 0]}, "needs or bars name no operation"),
        ({"needs_from": [0, 0]}, "do not go with kinds"),
        ({"bars_from": [0, 1, 0]}, "needs or bars name no operation"),
        ({"bars": [7], "bars_from": [0, 0, 1]}, "needs or bars name no operation"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(changed: dict[str, list[int]], words: str) -> None:
    told: dict[str, list[int]] = {
        "events": [0, 1, 2, 3], "kinds": [0, 1], "pending": [0, 0], "observes": [0, 0],
        "needs_from": [0, 0, 0], "needs": [], "bars_from": [0, 0, 0], "bars": [],
    } | changed  # fmt: skip
    columns = {name: np.array(told[name], np.uint8 if name in ("pending", "observes") else np.int32) for name in told}
    with pytest.raises(ValueError, match=words):
        search_order(**columns, ask=lambda state, _: state, seconds=1.0, most_words=64, most_steps=100)


def busy_register(generator: np.random.Generator) -> list[Timed]:
    """A register's history of up to eight workers, linearizable but for one read that may have been changed."""
    count, workers = int(generator.integers(10, 40)), int(generator.choice([2, 4, 8]))
    pending = float(generator.choice([0.0, 0.02, 0.1]))
    free_at = [0] * workers
    intervals = []
    for _ in range(count):
        worker = int(generator.integers(workers))
        begin = free_at[worker] + int(generator.integers(0, 3))
        end = begin + int(generator.integers(1, 30))
        free_at[worker] = end + 1
        intervals.append((begin, end))
    took_effect = [generator.uniform(begin, end) for begin, end in intervals]
    history: list[Timed] = [(Operation("read"), (0, 0))] * count
    held: int | None = None
    for index in sorted(range(count), key=took_effect.__getitem__):
        stays = bool(generator.random() < pending)
        old, new = (int(value) for value in generator.integers(0, 4, 2))
        f = ("read", "write", "cas")[int(generator.integers(3))]
        if f == "read":
            operation = Operation(f, None, None if stays else held, pending=stays)
        elif f == "write":
            operation = Operation(f, new, pending=stays)
            held = held if stays and generator.random() < 0.5 else new
        elif stays or held == old:
            operation = Operation(f, (old, new), pending=stays)
            held = held if stays else new
        else:
            operation = Operation(f, (old, new), error="mismatch")
        history[index] = operation, (intervals[index][0], NEVER if stays else intervals[index][1])
    if generator.random() < 0.6:
        index = int(generator.integers(count))
        operation, when = history[index]
        if operation.f == "read" and not operation.pending:
            history[index] = Operation("read", None, int(generator.integers(4))), when
    return history


def linearizable(model: Any, history: Sequence[Timed]) -> bool:
    """Plainly: any call that stands before the first return of the others may come next."""
    seen = set()

    def follows(left: frozenset[int], state: Any) -> bool:
        if all(history[index][0].pending for index in left):
            return True
        if (left, state) in seen:
            return False
        seen.add((left, state))
        first_return = min(history[index][1][1] for index in left)
        return any(
            (after := model.step(state, history[index][0])) is not None and follows(left - {index}, after)
            for index in left
            if history[index][1][0] <= first_return
        )

    return follows(frozenset(range(len(history))), model.init())


def test_registers_of_many_workers_are_decided_as_a_plain_search_does() -> None:
    generator = np.random.default_rng(5)
    model = SPECIFICATIONS["register"]()
    outcomes = {True: 0, False: 0}
    for _ in range(600):
        history = busy_register(generator)
        found = search(model, *zip(*history, strict=True))
        assert found.linearizable is linearizable(model, history), history
        outcomes[bool(found.linearizable)] += 1
        if found.linearizable:
            assert replays(model, history, found.order)
            taken = {index for index, (operation, _) in enumerate(history) if not operation.pending}
            assert taken <= set(found.order)
    assert min(outcomes.values()) > 50


def test_the_earliest_return_and_observers_spare_steps() -> None:
    """Ten reads at once, and then what only one order of the writes beside them explains."""
    model = SPECIFICATIONS["register"]()
    reads: list[Timed] = [(Operation("read", None, 1), (0, 100 + index)) for index in range(10)]
    writes: list[Timed] = [(Operation("write", value), (0, 50 + value)) for value in (1, 2, 3)]
    history = [*writes, *reads, (Operation("read", None, 9), (200, 201))]
    found = search(model, *zip(*history, strict=True))
    assert found.linearizable is False
    assert found.steps < 500  # every subset of the reads is a configuration to a search that does not know them


class Liar:
    """A register whose writes are said to observe."""

    def __init__(self, capacity: int | None = None) -> None: ...

    def init(self) -> int:
        return 0

    def observes(self, operation: Operation) -> bool:
        return True

    def step(self, state: int, operation: Operation) -> int | None:
        return operation.argument if operation.f == "write" else state


def test_who_says_to_observe_and_changes_a_state_is_told_so() -> None:
    history: list[Timed] = [(Operation("write", 1), (0, 1))]
    with pytest.raises(StepError, match="observes says that it changes no state, and step changed one"):
        search(Liar(), *zip(*history, strict=True))


def test_states_that_need_too_much_memory_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "MOST_BYTES", 2_000)
    calls = [Call(0, "write", "x" * 100, None, "ok", 10 * i, 10 * i + 1, i + 1) for i in range(50)]
    verdict = check_specification(Recording("drawn", tuple(calls)), find("fifo"), budget=60)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("the memory for its states (1 GB) ran out after ")


def queue_recording(generator: np.random.Generator, operations: int, swap: bool) -> Recording:
    """A queue's history of a few workers, in which two reads may be swapped."""
    calls: list[Call] = []
    free_at = [0, 0, 0, 0]
    queue: list[int] = []
    reads: list[int] = []
    for instant in range(1, operations + 1):
        process = int(generator.integers(4))
        now = 10 * instant
        begin = max(free_at[process], now - int(generator.integers(0, 30)))
        end = now + int(generator.integers(0, 30))
        if begin > now:
            continue
        free_at[process] = end + 1
        line = len(calls) + 1
        # a short queue: the order of overlapping writes stays open until their reads, and every order is a state
        if len(queue) < 3 and generator.random() < 0.5:
            calls.append(Call(process, "write", instant, None, "ok", begin, end, line))
            queue.append(instant)
        elif queue:
            reads.append(len(calls))
            calls.append(Call(process, "read", None, queue.pop(0), "ok", begin, end, line))
        else:
            calls.append(Call(process, "try_read", None, None, "fail", begin, end, line, "empty"))
    if swap and len(reads) > 1:
        first, second = (reads[int(place)] for place in generator.choice(len(reads), 2, replace=False))
        one, two = calls[first], calls[second]
        calls[first] = Call(one.process, one.f, None, two.result, "ok", one.invoked, one.returned, one.line)
        calls[second] = Call(two.process, two.f, None, one.result, "ok", two.invoked, two.returned, two.line)
    return Recording("drawn", tuple(sorted(calls, key=lambda call: call.invoked)))


def history_of(recording: Recording, path: Path) -> History:
    """The same calls, by way of a file."""
    events = []
    for call in recording.calls:
        common = {"process": call.process, "f": call.f}
        error = {"error": call.error} if call.error else {}
        events.append({"time": call.invoked, "type": "invoke", "value": call.argument} | common)
        events.append({"time": call.returned, "type": call.type, "value": call.result} | common | error)
    events.sort(key=lambda event: (event["time"], event["type"] != "invoke"))
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return load_history(path)


def test_two_engines_agree_on_medium_histories(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    outcomes = dict.fromkeys(Outcome, 0)
    for _ in range(100):
        recording = queue_recording(generator, 70, swap=bool(generator.random() < 0.5))
        fast = check_fifo(history_of(recording, tmp_path / "history.jsonl"))
        slow = check_specification(recording, find("fifo"), budget=60)
        assert fast.outcome is slow.outcome, f"{fast}\n{slow}"
        outcomes[fast.outcome] += 1
    assert outcomes[Outcome.PASS] > 20
    assert outcomes[Outcome.FAIL] > 20
