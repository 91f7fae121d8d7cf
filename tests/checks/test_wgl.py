"""The general search against brute force, against the fast FIFO decision, and by every specification."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.checks import check_fifo
from harness.checks.linearizability import check_specification
from harness.checks.specifications import SPECIFICATIONS, Operation, SpecificationError, find
from harness.checks.wgl import search
from harness.exchange import Call, Recording, load_history
from harness.history import PENDING_RETURN, History, HistoryError
from harness.verdict import Outcome

# how many random histories a specification is compared on
counts = pytest.mark.parametrize(
    "histories", [1_500, pytest.param(100_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)
NEVER = PENDING_RETURN

Timed = tuple[Operation, tuple[int, int]]


def possible(model: Any, history: Sequence[Timed]) -> bool:
    """Brute force: some permutation of all completed and some pending operations is legal and in real-time order."""
    pending = [index for index, (operation, _) in enumerate(history) if operation.pending]
    completed = [index for index, (operation, _) in enumerate(history) if not operation.pending]
    for size in range(len(pending) + 1):
        for extra in itertools.combinations(pending, size):
            for order in itertools.permutations(completed + list(extra)):
                if replays(model, history, order):
                    return True
    return False


def replays(model: Any, history: Sequence[Timed], order: Sequence[int]) -> bool:
    """Is this order legal, and in real-time order?"""
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
    return True


def random_register(generator: np.random.Generator) -> list[Timed]:
    history: list[Timed] = []
    for _ in range(int(generator.integers(1, 6))):
        begin = int(generator.integers(0, 8))
        pending = bool(generator.random() < 0.2)
        end = NEVER if pending else begin + int(generator.integers(0, 5))
        value, other = (int(number) for number in generator.integers(0, 3, 2))
        operation = [
            Operation("write", value, pending=pending),
            Operation("read", None, None if pending else value, pending=pending),
            Operation("cas", (value, other), pending=pending),
            Operation("cas", (value, other), error="mismatch")
            if not pending
            else Operation("write", value, pending=True),
        ][int(generator.integers(4))]
        history.append((operation, (begin, end)))
    return history


def random_queue(generator: np.random.Generator) -> list[Timed]:
    history: list[Timed] = []
    written = 0
    for _ in range(int(generator.integers(1, 6))):
        begin = int(generator.integers(0, 8))
        pending = bool(generator.random() < 0.15)
        end = NEVER if pending else begin + int(generator.integers(0, 5))
        value = int(generator.integers(0, written + 1))
        choice = generator.random()
        if choice < 0.45:
            operation = Operation("write", written, pending=pending, process=int(generator.integers(2)))
            written += 1
        elif choice < 0.75:
            operation = Operation("read", None, None if pending else value, pending=pending)
        elif choice < 0.85 or pending:
            operation = Operation("skip", value, pending=pending)
        elif choice < 0.93:
            operation = Operation("peek", None, value)
        else:
            operation = Operation("read", error="empty")
        history.append((operation, (begin, end)))
    return history


@counts
@pytest.mark.parametrize(
    ("name", "draw"),
    [("register", random_register), ("fifo", random_queue), ("fifo-messages", random_queue), ("lossy", random_queue)],
)
def test_agrees_with_brute_force(name: str, draw: Any, histories: int) -> None:
    generator = np.random.default_rng(1)
    model = SPECIFICATIONS[name](1)
    outcomes = {True: 0, False: 0}
    for _ in range(histories):
        history = draw(generator)
        expected = possible(model, history)
        found = search(model, *zip(*history, strict=True))
        assert found.linearizable == expected, history
        if expected:
            assert replays(model, history, found.order), "the linearization does not replay"
            taken = set(found.order)
            assert all(operation.pending or index in taken for index, (operation, _) in enumerate(history))
        else:
            assert replays(model, history, found.order), "the prefix does not replay"
        outcomes[expected] += 1
    assert min(outcomes.values()) > histories // 50


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


def ok(f: str, argument: Any = None, result: Any = None, **fields: Any) -> Operation:
    return Operation(f, argument, result, **fields)


@pytest.mark.parametrize(
    ("name", "capacity", "legal", "illegal"),
    [
        ("fifo", None, [ok("write", 1), ok("peek", None, 1), ok("read", None, 1)], [ok("read", None, 1)]),
        ("fifo-messages", 1, [ok("write", 1), ok("write", 2, error="full")], [ok("write", 1), ok("write", 2)]),
        (
            "fifo-bytes",
            5,
            [ok("write", 1, fields={"cost": 3}), ok("write", 2, error="full", fields={"cost": 3})],
            [ok("write", 1, fields={"cost": 3}), ok("write", 2, error="full", fields={"cost": 2})],
        ),
        (
            "lossy",
            2,
            [ok("write", 1), ok("write", 2), ok("write", 3), ok("read", None, 2)],
            [ok("write", 1), ok("write", 2), ok("write", 3), ok("read", None, 1)],
        ),
        (
            "per-writer-order",
            None,
            [ok("write", 1, process=0), ok("write", 2, process=1), ok("read", None, 2), ok("read", None, 1)],
            [ok("write", 1, process=0), ok("write", 2, process=0), ok("read", None, 2), ok("read", None, 1)],
        ),
        (
            "multiset",
            None,
            [ok("write", 1), ok("write", 2), ok("read", None, 2), ok("read", None, 1)],
            [ok("write", 1), ok("read", None, 1), ok("read", None, 1)],
        ),
        ("latest-value", None, [ok("read", error="empty"), ok("write", 1), ok("read", None, 1)], [ok("read", None, 1)]),
        (
            "register",
            None,
            [ok("read", None, None), ok("write", 1), ok("cas", (1, 2)), ok("read", None, 2)],
            [ok("write", 1), ok("cas", (2, 3))],
        ),
        (
            "key-value",
            None,
            [ok("write", ("a", 1)), ok("read", ("a", None), ("a", 1))],
            [ok("write", ("a", 1)), ok("read", ("a", None), ("a", 2))],
        ),
    ],
)
def test_every_specification(name: str, capacity: int | None, legal: list[Operation], illegal: list[Operation]) -> None:
    for history, expected in ((legal, True), (illegal, False)):
        intervals = [(10 * index, 10 * index + 1) for index in range(len(history))]
        assert search(find(name)(capacity), history, intervals).linearizable is expected


def test_every_specification_has_its_example() -> None:
    (examples,) = (mark.args[1] for mark in test_every_specification.pytestmark)  # type: ignore[attr-defined]
    assert {example[0] for example in examples} == set(SPECIFICATIONS)


def test_keys_are_judged_apart() -> None:
    calls = []
    for key in range(200):
        calls.append(Call(key, "write", [key, 1], None, "ok", 0, 1_000, 1))
        calls.append(Call(key + 200, "read", [key, None], [key, 1], "ok", 0, 1_000, 1))
    verdict = check_specification(Recording("drawn", tuple(calls)), find("key-value"), budget=60)
    assert verdict.outcome is Outcome.PASS
    assert verdict.assertions == {"linearizable write": 200, "linearizable read": 200}


def test_a_budget_ends_in_no_verdict() -> None:
    """Many overlapping writes before a read of what nobody wrote: every subset has to be tried."""
    calls = [Call(process, "write", process, None, "ok", 0, 1_000, 1) for process in range(30)]
    calls.append(Call(99, "read", None, 1_000, "ok", 0, 1_000, 1))
    verdict = check_specification(Recording("drawn", tuple(calls)), find("register"), budget=0.05)
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_a_failure_says_where_it_sticks() -> None:
    calls = (
        Call(0, "write", 1, None, "ok", 0, 1, 1),
        Call(0, "write", 2, None, "ok", 2, 3, 3),
        Call(1, "read", None, 1, "ok", 4, 5, 5),
    )
    verdict = check_specification(Recording("drawn", calls), find("register"), budget=60)
    assert verdict.rule == "STUCK"
    assert verdict.witness is not None
    assert verdict.witness.operations == (0, 1, 2)
    assert "line 5" in verdict.reason


def test_what_a_specification_does_not_know_is_no_verdict() -> None:
    recording = Recording("drawn", (Call(0, "dance", None, None, "ok", 0, 1, 7),))
    with pytest.raises(HistoryError, match="knows no 'dance'"):
        check_specification(recording, find("register"), budget=60)
    for name, words in (
        ("nothing", "no specification"),
        ("json:nothing", "nothing"),
        ("json:dumps", "expected a class"),
    ):
        with pytest.raises(SpecificationError, match=words):
            find(name)
    with pytest.raises(SpecificationError, match="needs a capacity"):
        find("fifo-messages")(None)
