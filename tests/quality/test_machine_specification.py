"""A state machine as the specification of parallel runs: the form it must have, and what it decides."""

from __future__ import annotations

import queue
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule

from examples.naive_queue_machine import QueueMachine
from harness.checks.specifications import Operation
from harness.checks.specifications.operation import StepError
from harness.stateful.machine_specification import MachineSpecification, RuleCall, from_machine
from harness.stateful.observation import Observed, ParallelError, ParallelProgram, Raised, is_linearizable
from harness.stateful.parallel import check_parallel, find_counterexample, reproduce
from tests.quality.test_naive_queue import LockedQueue


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.subject: Any = LockedQueue()
        self.model: list[int] = []


class RepairedMachine(QueueMachine):
    def __init__(self) -> None:
        super().__init__()
        self.subject = LockedQueue()


class PytestMachine(Machine):
    """Rules as many write them: the model chooses what is expected, pytest checks it; other names, and keywords."""

    @rule(number=st.integers(0, 9))
    def push(self, number: int) -> None:
        if len(self.model) < 2:
            assert self.subject.put(item=number) is None
            self.model.append(number)
        else:
            with pytest.raises(queue.Full):
                self.subject.put(item=number)

    @rule()
    def pop(self) -> None:
        if self.model:
            assert self.subject.get() == self.model.pop(0)
        else:
            with pytest.raises(queue.Empty):
                self.subject.get()


SPECIFICATION = MachineSpecification(PytestMachine, "subject")
PUSH, PUSH_2, POP = (
    SPECIFICATION.call("push", {"number": 1}),
    SPECIFICATION.call("push", {"number": 2}),
    SPECIFICATION.call("pop", {}),
)
EMPTY, FULL = Raised("Empty", queue.Empty()), Raised("Full", queue.Full())


def test_the_race_is_found_and_shrunk_and_its_replay_line_is_python() -> None:
    found = find_counterexample(*from_machine(QueueMachine))
    assert found is not None
    assert found.program.size <= 3
    program = eval(repr(found.program), {"ParallelProgram": ParallelProgram, "RuleCall": RuleCall})
    assert program == found.program
    make, specification, _ = from_machine(QueueMachine)
    assert reproduce(make, specification, program, runs=1_000) is not None


@pytest.mark.parametrize("machine", [RepairedMachine, PytestMachine])
def test_the_repaired_queue_passes(machine: type[RuleBasedStateMachine]) -> None:
    check_parallel(*from_machine(machine), max_examples=30, tries=5)


def test_a_rule_is_drawn_as_the_call_that_it_makes() -> None:
    assert str(PUSH) == "put(item=1)"
    assert (PUSH.rule, PUSH.given) == ("push", (("number", 1),))
    assert repr(POP) == "RuleCall('get', rule='pop')"


@pytest.mark.parametrize(
    ("observed", "linearizable"),
    [
        ([(0, PUSH, None, 0, 1), (0, POP, 1, 2, 3)], True),
        ([(0, PUSH, None, 0, 1), (0, POP, 2, 2, 3)], False),
        ([(0, PUSH, None, 0, 1), (0, POP, EMPTY, 2, 3)], False),
        ([(0, PUSH, None, 0, 3), (1, POP, EMPTY, 1, 2)], True),
        ([(0, PUSH, None, 0, 3), (1, POP, 1, 1, 2)], True),
        ([(1, POP, 1, 0, 1), (0, PUSH, None, 2, 3)], False),
        ([(0, PUSH, None, 0, 3), (1, PUSH_2, None, 1, 4), (0, POP, 2, 5, 6), (1, POP, 1, 7, 8)], True),
        ([(0, PUSH, None, 0, 2), (1, PUSH_2, None, 3, 4), (0, POP, 2, 5, 6), (1, POP, 1, 7, 8)], False),
        ([(0, PUSH, None, 0, 9), (1, PUSH, None, 1, 8), (2, PUSH_2, FULL, 2, 7), (3, POP, 1, 3, 6)], True),
        ([(0, PUSH, None, 0, 9), (1, PUSH, None, 1, 8), (2, PUSH_2, None, 2, 7), (3, POP, EMPTY, 3, 6)], False),
        ([(0, PUSH, Raised("KeyError", KeyError()), 0, 1)], False),
    ],
)
def test_an_order_is_allowed_if_no_rule_objects(observed: list[tuple[Any, ...]], linearizable: bool) -> None:
    assert is_linearizable(SPECIFICATION, [Observed(*seen) for seen in observed]) is linearizable


def test_a_state_can_be_gone_on_from_twice() -> None:
    """What one continuation did to its machine does not show in another."""
    first = SPECIFICATION.step(SPECIFICATION.init(), PUSH.operation(None, 0))
    assert first is not None
    assert SPECIFICATION.step(first, PUSH_2.operation(None, 0)) is not None
    assert SPECIFICATION.step(first, POP.operation(2, 0)) is None
    after = SPECIFICATION.step(first, POP.operation(1, 0))
    assert after is not None
    assert SPECIFICATION.step(after, POP.operation(EMPTY, 0)) is not None


class NamedOtherwise(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.queue = LockedQueue()

    @rule()
    def get(self) -> None:
        with pytest.raises(queue.Empty):
            self.queue.get()


def test_the_object_may_be_in_another_attribute() -> None:
    check_parallel(*from_machine(NamedOtherwise, subject="queue"), max_examples=5, tries=1)
    with pytest.raises(ParallelError, match=r"no attribute 'subject'; .* subject=\.\.\.\); it has queue$"):
        from_machine(NamedOtherwise)


class Preconditioned(Machine):
    @precondition(lambda self: self.model)
    @rule()
    def get(self) -> None:
        assert self.subject.get() == self.model.pop(0)


class Bundled(Machine):
    items = Bundle("items")

    @rule(item=items)
    def put(self, item: int) -> None:
        self.subject.put(item)


class Targeted(Machine):
    items = Bundle("items")

    @rule(target=items)
    def get(self) -> Any:
        return self.subject.get()


class Initialized(Machine):
    @initialize()
    def begin(self) -> None:
        self.subject = LockedQueue()

    @rule()
    def get(self) -> None:
        self.subject.get()


class Drawing(Machine):
    @rule(data=st.data())
    def put(self, data: st.DataObject) -> None:
        self.subject.put(data.draw(st.integers()))


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (Preconditioned, "rule get has a precondition; say in the rule what the call answers"),
        (Bundled, "rule put has the bundle argument item; draw it from a strategy"),
        (Targeted, "rule get has a target; keep what it returns in the model"),
        (Initialized, "Initialized has initialize rules; do in __init__ what they do"),
        (Drawing, r"rule put has the data\(\) argument data; draw it from a strategy"),
        (LockedQueue, "expected a class derived from RuleBasedStateMachine; got <class"),
        (Machine, r"Machine\(\) fails: InvalidDefinition: State machine Machine defines no rules"),
    ],
)
def test_another_form_gets_one_clear_error(machine: Any, told: str) -> None:
    with pytest.raises(ParallelError, match=told):
        from_machine(machine)


class WithoutCall(Machine):
    @rule()
    def size(self) -> None:
        assert len(self.model) < 3


class Operator(Machine):
    @rule()
    def size(self) -> None:
        assert len(self.subject) == len(self.model)


class ModelFirst(Machine):
    @rule()
    def get(self) -> None:
        expected = self.model.pop(0)
        assert self.subject.get() == expected


class Noting(Machine):
    @rule()
    def get(self) -> None:
        note("about to get")
        self.subject.get()


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (WithoutCall, r"rule size calls no method of self\.subject on a new machine; to be run in parallel, a rule"),
        (Operator, r"rule size calls no method of self\.subject on a new machine \(TypeError: object of type"),
        (ModelFirst, r"rule get calls no method of self\.subject on a new machine \(IndexError: pop from empty list\)"),
    ],
)
def test_a_rule_without_a_call_gets_one_clear_error(machine: Any, told: str) -> None:
    with pytest.raises(ParallelError, match=told):
        check_parallel(*from_machine(machine))
    (name,) = MachineSpecification(machine, "subject").rules
    with pytest.raises(ParallelError, match=told):
        MachineSpecification(machine, "subject").call(name, {})


def test_what_only_works_in_a_test_is_named() -> None:
    with pytest.raises(ParallelError, match=r"rule get: .*note.*; leave out what only works in a test"):
        MachineSpecification(Noting, "subject").call("get", {})


class Choosing(Machine):
    """Which call a rule makes depends on the model."""

    @rule(item=st.integers(0, 9))
    def put(self, item: int) -> None:
        if not self.model:
            self.model.append(item)
            self.subject.put(item)
        else:
            assert self.subject.get() == self.model.pop()


class Twice(Machine):
    @rule()
    def get(self) -> None:
        for _ in range(2):
            with pytest.raises(queue.Empty):
                self.subject.get()


class Guarded(Machine):
    @rule(item=st.integers(0, 9))
    def put(self, item: int) -> None:
        if not self.model:
            self.model.append(item)
            self.subject.put(item)


@pytest.mark.parametrize(
    ("machine", "told"),
    [
        (Choosing, r"rule put made the call put\(\d\) on a new machine, but played back it makes the call get\(\)"),
        (Twice, r"rule get made the call get\(\) on a new machine, but played back it also makes the call get\(\)"),
        (Guarded, r"rule put made the call put\(\d\) on a new machine, but played back it makes none;"),
    ],
)
def test_a_rule_whose_call_depends_on_the_model_gets_one_clear_error(machine: Any, told: str) -> None:
    with pytest.raises(StepError, match=told):
        check_parallel(*from_machine(machine), tries=1)


def test_an_exception_that_was_lost_on_the_way_is_no_verdict() -> None:
    with pytest.raises(ParallelError, match="played back it meets a Peculiar that cannot be sent between processes"):
        SPECIFICATION.step(SPECIFICATION.init(), Operation("pop", POP, Raised("Peculiar")))


def test_without_assert_statements_a_machine_is_refused() -> None:
    """Its rules would take every answer."""
    script = (
        "from examples.naive_queue_machine import QueueMachine\n"
        "from harness.stateful.machine_specification import from_machine\n"
        "from_machine(QueueMachine)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-O", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "ParallelError: Python runs with -O or PYTHONOPTIMIZE, so that no rule asserts anything" in ended.stderr
