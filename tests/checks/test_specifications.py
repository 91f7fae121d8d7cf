"""Every specification by an example, what is said of a failure, and specifications that break the rules."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.checks import check_fifo
from harness.checks.linearizability import check_specification
from harness.checks.specifications import SPECIFICATIONS, Operation, SpecificationError, find
from harness.checks.wgl import search
from harness.exchange import Call, Recording, load_history, load_recording
from harness.history import PENDING_RETURN, HistoryError
from harness.verdict import Outcome, Witness


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


@pytest.mark.parametrize(
    ("name", "history"),
    [
        ("key-value", [ok("write", ("a", 1)), ok("read", ("a", None), ("b", 1))]),
        ("register", [ok("write", 1), ok("read", None, True)]),
        ("register", [ok("write", 1), ok("read", None, 1.0)]),
        ("register", [ok("write", 1), ok("write", True), ok("read", None, 1)]),
        ("register", [ok("write", (1, 2)), ok("read", None, (True, 2))]),
        ("register", [ok("write", 1), ok("cas", (True, 2))]),
        ("per-writer-order", [ok("write", 1), ok("skip", 1, 9, error="mismatch")]),
        ("per-writer-order", [ok("write", 1), ok("skip", 1, error="mismatch")]),
        ("per-writer-order", [ok("write", 1), ok("write", 2), ok("skip", 1, 2, error="mismatch")]),
        ("multiset", [ok("write", 1), ok("write", 2), ok("skip", 1, 9, error="mismatch")]),
    ],
)
def test_what_no_specification_lets_pass(name: str, history: list[Operation]) -> None:
    intervals = [(10 * index, 10 * index + 1) for index in range(len(history))]
    assert search(find(name)(None), history, intervals).linearizable is False


@pytest.mark.parametrize(
    ("name", "operation", "words"),
    [
        ("register", ok("write"), "write takes a value"),
        ("latest-value", ok("read", error="full"), "read of a register cannot fail with 'full'"),
        ("register", ok("read", error="empty"), "read of a register cannot fail with 'empty'"),
        ("register", ok("cas", (1, 2), error="empty"), "cas of a register cannot fail with 'empty'"),
        ("register", ok("cas"), r"cas takes a pair \[old, new\]; it was given None"),
        ("register", ok("cas", 3), "cas takes a pair"),
        ("register", ok("cas", (1, 2, 3)), "cas takes a pair"),
        ("register", ok("cas", error="failed"), "cas takes a pair"),
        ("register", ok("cas", (1, 2), (1, 3)), r"a cas of \(1, 2\) ends with value \(1, 3\)"),
        ("register", ok("write", 1, 2), "a write of 1 ends with value 2"),
        ("register", ok("write", 1, True), "a write of 1 ends with value True"),
        ("register", ok("swap", 1), "a register knows no 'swap'; it knows read, write, cas"),
        ("register", ok("swap", 1, error="failed"), "a register knows no 'swap'"),
        ("key-value", ok("read", ("a", None), 1), "read answers with a pair"),
        ("key-value", ok("read", ("a", None), ("b", 1)), "a read of key 'a' ends with key 'b'"),
        ("key-value", ok("read"), "read takes a pair"),
        ("key-value", ok("cas", ("a", 1)), "cas takes a pair"),
        ("key-value", ok("append", ("a", 1)), "append takes text; it was given 1"),
        ("key-value", ok("put", ("a", 1), ("a", 2)), "a put of 1 ends with value 2"),
        ("key-value", ok("get", ("a", None), error="full"), "get of a key cannot fail with 'full'"),
    ],
)
def test_what_a_register_does_not_know(name: str, operation: Operation, words: str) -> None:
    """It is refused before any verdict, wherever it stands in the history."""

    def of_key(value: Any) -> Any:
        return ["z", value] if name == "key-value" else value

    contradicted = [Call(1, "write", of_key(1), None, "ok", 0, 1, 1)]
    contradicted += [Call(1, "read", of_key(None), of_key(2), "ok", 2, 3, 2)]
    argument, result = map(_thawed, (operation.argument, operation.result))
    kind, error = ("fail", operation.error.replace("failed", "")) if operation.error else ("ok", "")
    last = Call(1, operation.f, argument, result, kind, 4, 5, 7, error)
    with pytest.raises(HistoryError, match=rf"^drawn:7: \w+: {words}"):
        check_specification(Recording("drawn", (*contradicted, last)), find(name), budget=60)


def _thawed(value: Any) -> Any:
    return list(map(_thawed, value)) if isinstance(value, tuple) else value


WRITE = Call(1, "write", 5, None, "ok", 0, 1, 1)


@pytest.mark.parametrize(
    ("name", "capacity", "calls", "outcome"),
    [
        ("register", None, [WRITE], Outcome.INCONCLUSIVE),
        ("register", None, [WRITE, Call(1, "read", None, None, "info", 2, PENDING_RETURN, 2)], Outcome.INCONCLUSIVE),
        ("register", None, [WRITE, Call(1, "cas", [1, 2], None, "fail", 2, 3, 2)], Outcome.INCONCLUSIVE),
        ("register", None, [WRITE, Call(1, "cas", [1, 2], None, "fail", 2, 3, 2, "mismatch")], Outcome.PASS),
        ("register", None, [WRITE, Call(1, "cas", [5, 2], None, "ok", 2, 3, 2)], Outcome.PASS),
        ("register", None, [WRITE, Call(1, "read", None, 5, "ok", 2, 3, 2)], Outcome.PASS),
        ("register", None, [Call(1, "read", None, None, "ok", 2, 3, 2)], Outcome.PASS),
        ("latest-value", None, [WRITE], Outcome.INCONCLUSIVE),
        ("latest-value", None, [Call(1, "read", None, None, "fail", 0, 1, 1, "empty")], Outcome.PASS),
        ("key-value", None, [Call(1, "put", ["k", "a"], ["k", "a"], "ok", 0, 1, 1)], Outcome.INCONCLUSIVE),
        ("key-value", None, [Call(1, "get", ["k", None], ["k", ""], "ok", 0, 1, 1)], Outcome.PASS),
        ("multiset", None, [WRITE], Outcome.INCONCLUSIVE),
        ("per-writer-order", None, [WRITE], Outcome.INCONCLUSIVE),
        ("lossy", 1, [WRITE], Outcome.INCONCLUSIVE),
        ("fifo-messages", 1, [WRITE], Outcome.PASS),  # that there was room for it
        ("fifo-bytes", 1, [WRITE], Outcome.PASS),
        ("multiset", None, [WRITE, Call(1, "read", None, 5, "ok", 2, 3, 2)], Outcome.PASS),
        ("multiset", None, [Call(1, "read", None, None, "fail", 0, 1, 1, "empty")], Outcome.PASS),
        ("lossy", 1, [WRITE, Call(1, "peek", None, 5, "ok", 2, 3, 2)], Outcome.PASS),
    ],
)
def test_what_nothing_could_contradict_is_no_pass(
    name: str, capacity: int | None, calls: list[Call], outcome: Outcome
) -> None:
    verdict = check_specification(Recording("drawn", tuple(calls), {"capacity": capacity}), find(name), budget=60)
    assert verdict.outcome is outcome, verdict
    if outcome is Outcome.INCONCLUSIVE:
        assert verdict.reason.startswith("nothing was checked")


@pytest.mark.parametrize("name", ["per-writer-order", "multiset"])
def test_a_pending_peek_took_nothing(name: str) -> None:
    pending = Call(2, "peek", None, None, "info", 0, PENDING_RETURN, 2)
    calls = (WRITE, pending, Call(1, "read", None, 5, "ok", 2, 3, 3))
    assert check_specification(Recording("drawn", calls), find(name), budget=60).outcome is Outcome.PASS


class Lock:
    """Answers nothing: what it claims shows in what it refuses."""

    def __init__(self, capacity: int | None = None) -> None:
        del capacity

    def init(self) -> bool:
        return False

    def step(self, state: bool, operation: Operation) -> bool | None:
        held = operation.f == "acquire"
        return None if held is state else held


class Log(Lock):
    """Takes everything, so that nothing can contradict it."""

    def step(self, state: bool, operation: Operation) -> bool | None:
        return state


def test_of_a_class_that_does_not_say_what_claims_the_steps_tell() -> None:
    calls = [Call(1, f, None, None, "ok", 2 * at, 2 * at + 1, at) for at, f in enumerate(["acquire", "release"])]
    held = check_specification(Recording("drawn", tuple(calls)), Lock, budget=60)
    assert held.outcome is Outcome.PASS
    assert held.assertions == {"linearizable acquire": 1, "linearizable release": 1}
    assert check_specification(Recording("drawn", tuple(calls)), Log, budget=60).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("error", ["", "empty"])
def test_a_class_that_takes_every_answer_checks_nothing(error: str) -> None:
    write = Call(1, "write", 7, None, "ok", 0, 1, 1)
    read = Call(2, "read", None, None, "fail", 2, 3, 2, error) if error else Call(2, "read", None, 7, "ok", 2, 3, 2)
    verdict = check_specification(Recording("drawn", (write, read)), Log, budget=60)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reason.startswith("nothing was checked: Log takes every answer that it was asked for")


class Once(Log):
    """Would refuse another answer than 7, wherever it comes."""

    def step(self, state: bool, operation: Operation) -> bool | None:
        return None if operation.f == "read" and operation.result != 7 else state


def test_a_class_that_would_refuse_another_answer_checks_something() -> None:
    read = Call(2, "read", None, 7, "ok", 2, 3, 2)
    verdict = check_specification(Recording("drawn", (read,)), Once, budget=60)
    assert (verdict.outcome, verdict.assertions) == (Outcome.PASS, {"linearizable read": 1})


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
    assert verdict.assertions == {"linearizable read": 200}


def test_a_budget_ends_in_no_verdict() -> None:
    """Many overlapping writes of lists before a read of what nobody wrote: every subset has to be tried."""
    calls = [Call(process, "write", [process], None, "ok", 0, 1_000, 1) for process in range(30)]
    calls.append(Call(99, "read", None, [1_000], "ok", 0, 1_000, 1))
    verdict = check_specification(Recording("drawn", tuple(calls)), find("register"), budget=0.05)
    assert verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("method", ["init", "step", "partition"])
def test_a_budget_ends_a_specification_that_loops(method: str) -> None:
    def loop(*_: Any) -> Any:
        while True:
            pass

    looping = type("Looping", (Counter,), {method: loop})
    verdict = check_specification(calls_of_a_counter(1), looping, budget=0.05)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "Looping was cut" in verdict.reason


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


def calls_of_a_counter(*answers: int) -> Recording:
    """add 1, and a read of the counter, one after the other."""
    calls = []
    for place, answer in enumerate(answers):
        calls.append(Call(0, "add", 1, None, "ok", 20 * place, 20 * place + 1, 4 * place + 1))
        calls.append(Call(0, "get", None, answer, "ok", 20 * place + 2, 20 * place + 3, 4 * place + 3))
    return Recording("drawn", tuple(calls))


class Counter:
    """A counter; what the others below do wrong, it does right."""

    def __init__(self, capacity: int | None = None) -> None:
        self.asked = 0

    def init(self) -> Any:
        return 0

    def step(self, state: Any, operation: Operation) -> Any:
        if operation.f == "add":
            return state + operation.argument
        return state if state == operation.result else None


class Forgetful(Counter):
    """Answers otherwise when it is asked again."""

    def step(self, state: Any, operation: Operation) -> Any:
        self.asked += 1
        return super().step(state, operation) if self.asked <= 4 else None


class Unhashable(Counter):
    """Its states are lists."""

    def init(self) -> Any:
        return [0]

    def step(self, state: Any, operation: Operation) -> Any:
        if operation.f == "add":
            return [state[0] + operation.argument]
        return state if state[0] == operation.result else None


class Hashed(Unhashable):
    """Says how its lists are told apart."""

    def hash(self, state: Any) -> Any:
        return tuple(state)


class Mutating(Hashed):
    """Changes the state that it is given."""

    def step(self, state: Any, operation: Operation) -> Any:
        if operation.f == "add":
            state[0] += operation.argument
        return state if operation.f == "add" or state[0] == operation.result else None


class Answering(Counter):
    """Returns what other tools ask for: whether, and the state."""

    def step(self, state: Any, operation: Operation) -> Any:
        after = super().step(state, operation)
        return after is not None, state if after is None else after


class Crashing(Counter):
    def step(self, state: Any, operation: Operation) -> Any:
        return {}[operation.f]


class Leaving(Counter):
    def step(self, state: Any, operation: Operation) -> Any:
        raise SystemExit(0)


class Sometimes(Counter):
    """Refuses once, and accepts when it is asked again."""

    def step(self, state: Any, operation: Operation) -> Any:
        self.asked += 1
        return None if self.asked == 2 else super().step(state, operation)


class Unequal(Counter):
    """Its states are objects that it changes, and that nothing tells apart."""

    class Count:
        def __init__(self) -> None:
            self.value = 0

    def init(self) -> Any:
        return self.Count()

    def step(self, state: Any, operation: Operation) -> Any:
        state.value += 1
        return state


class Changing(Unequal):
    """Its states are told apart, but by what it changes."""

    class Count(Unequal.Count):
        def __eq__(self, other: object) -> bool:
            return hash(self) == hash(other)

        def __hash__(self) -> int:
            return self.value


class Writing(Counter):
    """Writes into the operation."""

    def step(self, state: Any, operation: Operation) -> Any:
        operation.fields["seen"] = 1  # type: ignore[index]
        return state


class NoConstructor(Counter):
    def __init__(self, capacity: int | None = None) -> None:
        raise SystemExit(0)


class NoInit(Counter):
    def init(self) -> Any:
        raise SystemExit(0)


class NoPartition(Counter):
    def partition(self, operation: Operation) -> Any:
        raise SystemExit(0)


class ListPartition(Counter):
    def partition(self, operation: Operation) -> Any:
        return []


class NoHash(Counter):
    def hash(self, state: Any) -> Any:
        raise SystemExit(0)


class NoEqual(Counter):
    class State:
        def __eq__(self, other: object) -> bool:
            raise SystemExit(0)

        def __hash__(self) -> int:
            return 1

    def init(self) -> Any:
        return self.State()

    def step(self, state: Any, operation: Operation) -> Any:
        return self.State()


class NoStateHash(NoEqual):
    class State:
        def __hash__(self) -> int:
            raise SystemExit(0)


class Untold(Counter):
    """Raises what cannot be told."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise SystemExit(0)

    def step(self, state: Any, operation: Operation) -> Any:
        raise self.Silent


@pytest.mark.parametrize("specification", [Counter, Hashed])
def test_a_specification_of_ones_own(specification: Any) -> None:
    assert check_specification(calls_of_a_counter(1, 2), specification, budget=60).outcome is Outcome.PASS
    assert check_specification(calls_of_a_counter(1, 3), specification, budget=60).rule == "STUCK"


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        (Forgetful, "answered differently"),
        (Unhashable, "add hash"),
        (Mutating, "step changed the state"),
        (Answering, "must return the state after, or None"),
        (Crashing, "step failed: KeyError"),
        (Leaving, "step failed: SystemExit"),
        (Sometimes, "answered differently"),
        (Unequal, "Count has no __eq__ of its own"),
        (Changing, "step changed the state"),
        (Writing, "step failed: TypeError.*item assignment"),
        (NoConstructor, "constructor.* failed: SystemExit"),
        (NoInit, "init failed: SystemExit"),
        (NoPartition, "partition failed: SystemExit"),
        (ListPartition, "partition failed: TypeError: unhashable"),
        (NoHash, "hash of a state failed: SystemExit"),
        (NoEqual, "__eq__ of a state failed: SystemExit"),
        (NoStateHash, "hash of a state failed: SystemExit"),
    ],
)
def test_a_specification_that_breaks_the_rules_gives_no_verdict(specification: Any, words: str) -> None:
    with pytest.raises(HistoryError, match=words) as refused:
        check_specification(calls_of_a_counter(1, 2), specification, budget=60)
    assert str(refused.value).startswith("drawn:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Own:\n    def step(self, state, operation): return state", "methods init and step"),
        (
            "class Own:\n    def init(self): return 0\n    def step(self, state): return 0",
            "step.self, state, operation",
        ),
        ("class Own:\n    def init(self, more): return 0\n    def step(self, a, b): return 0", "expected init.self"),
        ("Own = 3", "expected a class"),
        ("import nothing_like_this", "ModuleNotFoundError"),
        ("class Own", "SyntaxError"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("raise SystemExit(0)", "import failed: SystemExit"),
    ],
)
def test_a_class_of_the_wrong_form_is_refused(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_form.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SpecificationError, match=words):
        find("own_form:Own")
    sys.modules.pop("own_form", None)


def test_a_constructor_takes_the_capacity() -> None:
    class Bare:
        def __init__(self) -> None: ...

        def init(self) -> int:
            return 0

        def step(self, state: int, operation: Operation) -> int:
            return state

    with pytest.raises(HistoryError, match="drawn: Bare: the constructor, which takes the capacity"):
        check_specification(calls_of_a_counter(1), Bare, budget=60)  # type: ignore[arg-type]


COARSE = [("write", 1), ("write", 2), ("read", 2), ("read", 1)]
"""Calls of one process that come out the wrong way round."""


def swapped(path: Path, *intervals: tuple[int, int], processes: tuple[int, ...] = (0, 0, 1, 1)) -> Path:
    """A file of the calls of COARSE at these times."""
    events: list[dict[str, Any]] = [{"history": 1, "capacity": 9}]
    for (f, value), process, (begin, end) in zip(COARSE, processes, intervals, strict=True):
        common = {"process": process, "f": f, "value": value}
        events += [{"time": begin, "type": "invoke"} | common, {"time": end, "type": "ok"} | common]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def test_the_calls_of_one_process_have_an_order_at_equal_stamps(tmp_path: Path) -> None:
    """The general search knows it; the FIFO decision, which rests on intervals, does not."""
    path = swapped(tmp_path / "h.jsonl", (5, 5), (5, 5), (5, 6), (6, 7))
    recording = load_recording(path)
    for name in ("fifo", "fifo-messages", "per-writer-order"):
        assert check_specification(recording, find(name), budget=60).rule == "STUCK"
    assert check_fifo(load_history(path)).outcome is Outcome.PASS
    # of two processes nobody knows the order
    apart = load_recording(swapped(path, (5, 5), (5, 5), (5, 6), (6, 7), processes=(0, 1, 2, 2)))
    assert check_specification(apart, find("fifo"), budget=60).outcome is Outcome.PASS
    # a clock that ticks in between tells both
    assert check_fifo(load_history(swapped(path, (1, 2), (3, 4), (5, 6), (7, 8)))).rule == "ORDER"


def test_calls_at_equal_stamps_come_before_and_after_a_batch() -> None:
    """At one stamp: a write, two in one batch, a write; then they come out."""
    calls = [
        Call(0, "write", 1, None, "ok", 5, 5, 1),
        *(Call(0, "write_many", value, None, "ok", 5, 5, value, fields={"batch": 1}) for value in (2, 3)),
        Call(0, "write", 4, None, "ok", 5, 5, 4),
    ]
    for order in itertools.permutations((1, 2, 3, 4)):
        reads = [Call(1, "read", None, value, "ok", 10 * at, 10 * at + 1, 4 + at) for at, value in enumerate(order, 1)]
        verdict = check_specification(Recording("drawn", (*calls, *reads)), find("fifo"), budget=60)
        assert (verdict.outcome is Outcome.PASS) == (order == (1, 2, 3, 4)), order


def batch_recording(first: int, second: int) -> Recording:
    """One call that writes 1 and 2, and one that reads both."""
    batch = {"batch": 1}
    write = [Call(0, "write_many", value, None, "ok", 0, 5, value, fields=batch) for value in (1, 2)]
    read = [Call(1, "read_many", None, value, "ok", 0, 5, 3, fields=batch) for value in (first, second)]
    return Recording("drawn", (*write, *read))


@pytest.mark.parametrize("name", ["fifo", "per-writer-order", "fifo-messages"])
def test_a_batch_keeps_its_order(name: str) -> None:
    recording = batch_recording(1, 2)
    recording = Recording("drawn", recording.calls, {"capacity": 2})
    assert check_specification(recording, find(name), budget=60).outcome is Outcome.PASS
    reversed_batch = Recording("drawn", batch_recording(2, 1).calls, {"capacity": 2})
    assert check_specification(reversed_batch, find(name), budget=60).rule == "STUCK"


def test_the_longest_prefix_is_in_the_witness() -> None:
    verdict = check_specification(calls_of_a_counter(1, 2, 7, 8), Counter, budget=60)
    assert verdict.witness is not None
    assert verdict.witness.prefix == (0, 1, 2, 3, 4)
    assert verdict.witness.operations[-1] == 5
    assert Witness.from_json(verdict.witness.to_json()) == verdict.witness


@pytest.mark.parametrize("name", ["fifo-messages", "fifo-bytes", "lossy", "per-writer-order", "multiset"])
@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call(0, "read", None, None, "fail", 1, 2, 3, "full"), "read fails with full, which it cannot"),
        (Call(0, "write", 1, None, "fail", 1, 2, 3, "empty"), "write fails with empty"),
        (Call(0, "peek", None, None, "fail", 1, 2, 3, "timeout", {"timeout": 1}), "peek fails with timeout"),
        (Call(0, "read", None, None, "fail", 1, 2, 3, "timeout"), 'needs "timeout"'),
        (Call(0, "read", None, 1, "fail", 1, 2, 3, "mismatch"), "read fails with mismatch"),
        (Call(0, "read", None, None, "ok", 1, 2, 3), "read called here is ok but says no value"),
        (Call(0, "skip", None, None, "ok", 1, 2, 3), "skip called here is ok but says no value"),
        (Call(0, "write", None, None, "ok", 1, 2, 3), "needs its value"),
        (Call(0, "write", 1, 2, "ok", 1, 2, 3), "a write of 1 ends with value 2"),
        (Call(0, "skip", 1, True, "ok", 1, 2, 3), "a skip of 1 ends with value True"),
        (Call(0, "pop", 1, None, "ok", 1, 2, 3), "a queue knows no 'pop'"),
    ],
)
def test_what_no_queue_can_answer_is_refused_whatever_else_fails(name: str, call: Call, words: str) -> None:
    """Before the search, which may end at a violation that comes first."""
    violation = Call(1, "read", None, 9, "ok", 0, 0, 1)
    recording = Recording("h.jsonl", (violation, call), {"capacity": 2})
    with pytest.raises(HistoryError, match=rf"h\.jsonl:3: \w+: .*{re.escape(words)}"):
        check_specification(recording, find(name), budget=60)


@pytest.mark.parametrize("name", ["fifo", "fifo-messages", "fifo-bytes", "lossy", "per-writer-order", "multiset"])
@pytest.mark.parametrize(("told", "outcome"), [(1, Outcome.PASS), (True, Outcome.FAIL), (1.0, Outcome.FAIL)])
def test_a_queue_tells_values_of_json_apart(name: str, told: Any, outcome: Outcome) -> None:
    others = [("write", True), ("write", 1.0)]
    calls = [Call(0, f, value, None, "ok", 10 * at, 10 * at + 1, at) for at, (f, value) in enumerate(others, 2)]
    calls = [Call(0, "write", 1, None, "ok", 0, 1, 1), *calls, Call(0, "read", None, told, "ok", 50, 51, 5)]
    if name == "multiset":  # any of them may come out first
        calls = [calls[0], calls[-1]]
    verdict = check_specification(Recording("drawn", tuple(calls), {"capacity": 3}), find(name), budget=60)
    assert verdict.outcome is outcome


@pytest.mark.parametrize("name", ["fifo-messages", "lossy", "per-writer-order", "multiset"])
def test_a_skip_of_an_entry_removes_what_it_says(name: str) -> None:
    """And one that never returned, and does not say what it meant, may have removed anything."""
    write = Call(0, "write", 1, None, "ok", 0, 1, 1)
    skip = Call(0, "skip", None, 1, "ok", 2, 3, 2, fields={"target": 16})
    empty = Call(0, "read", None, None, "fail", 4, 5, 3, "empty")
    recording = Recording("drawn", (write, skip, empty), {"capacity": 3})
    assert check_specification(recording, find(name), budget=60).outcome is Outcome.PASS
    lost = Call(1, "skip", None, None, "info", 2, PENDING_RETURN, 2, fields={"target": 16})
    if name in ("fifo-messages", "lossy"):
        recording = Recording("drawn", (write, lost, empty), {"capacity": 3})
        assert check_specification(recording, find(name), budget=60).outcome is Outcome.PASS


def test_a_key_that_takes_forever_hides_no_violation_of_another() -> None:
    def call(f: str, argument: object, result: object, begin: int, end: int) -> Call:
        return Call(begin, f, argument, result, "ok", begin, end, 1)

    calls = [call("write", ["slow", [n % 50]], None, n, 1_000 + n) for n in range(200)]
    calls.append(call("read", ["slow", None], ["slow", ["never written"]], 500, 2_000))
    calls.append(call("read", ["other", None], ["other", "never written"], 3_000, 3_001))
    recording = Recording("drawn", tuple(calls))
    assert check_specification(recording, find("key-value"), budget=0.5).outcome is Outcome.FAIL
    assert check_specification(Recording("drawn", tuple(calls[:-1])), find("key-value"), budget=0.5).outcome is (
        Outcome.INCONCLUSIVE
    )
