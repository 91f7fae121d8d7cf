"""What a parallel test says of chance, and of what it was given."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from examples.naive_queue import OPERATIONS, BoundedQueue, NaiveQueue
from examples.naive_queue_machine import QueueMachine
from harness.checks.specifications import Operation, SpecificationError
from harness.checks.specifications.operation import StepError
from harness.stateful.calling import OnThreads
from harness.stateful.observation import Call, ParallelProgram
from harness.stateful.parallel import NotLinearizable, ParallelError, check_parallel, find_counterexample, reproduce
from harness.stateful.report import describe
from tests.quality.test_naive_queue import LockedQueue, StuckQueue

GET = {"get": st.just(())}


class Ones:
    """Its get answers 1; what it answers otherwise is wrong."""

    def init(self) -> int:
        return 0

    def step(self, state: int, operation: Operation) -> int | None:
        return state if operation.result == 1 else None


class Answers:
    def __init__(self, answer: int) -> None:
        self._answer = answer

    def get(self) -> int:
        return self._answer


def wrong_if(wrong: Callable[[int], bool]) -> Callable[[], Answers]:
    """Makes objects, of which some are wrong, by their number."""
    numbers = itertools.count()
    return lambda: Answers(2 if wrong(next(numbers)) else 1)


def test_how_often_it_fails_again_is_counted() -> None:
    found = find_counterexample(wrong_if(lambda _: True), Ones(), GET)
    assert found is not None
    assert (found.program.size, found.failed, found.runs) == (1, 50, 50)
    assert describe(found).splitlines()[:-1] == [
        "not linearizable: the one call does not give the results that were observed",
        "",
        "before: get() -> 2",
        "",
        "no worker is needed: this is no race",
        "",
        "failed 50 of 50 re-executions",
    ]


def test_every_fifth_object_is_a_fifth_of_the_re_executions() -> None:
    program = ParallelProgram((Call("get"),), ((), ()))
    found = reproduce(wrong_if(lambda number: number % 5 == 0), Ones(), program, runs=40)
    assert found is not None
    assert (found.failed, found.runs) == (8, 40)
    found = find_counterexample(wrong_if(lambda number: number % 5 == 0), Ones(), GET, reproductions=25)
    assert found is not None
    assert (found.program.size, found.failed, found.runs) == (1, 5, 25)


def test_what_was_seen_once_is_told_as_that_and_not_shrunk() -> None:
    """No smaller program failed, so none is shown; the history is the one that was seen."""
    made: list[int] = []

    def make() -> Any:
        made.append(0)
        return seen

    class Once:
        calls = 0

        def get(self) -> int:
            self.calls += 1
            return 2 if self.calls == 40 else 1

    seen = Once()
    found = find_counterexample(make, Ones(), GET)
    assert found is not None
    assert (found.failed, found.runs) == (0, 50)
    assert "\nseen once, not again in 50 re-executions\n" in describe(found)
    assert [observed.result for observed in found.history].count(2) == 1
    calls = (found.program.prefix, *found.program.workers)
    assert [len(each) for each in calls] == [
        sum(observed.worker == worker for observed in found.history) for worker in (-1, 0, 1)
    ]
    assert reproduce(make, Ones(), found.program) is None


def test_a_shown_history_is_of_the_shown_program() -> None:
    found = find_counterexample(NaiveQueue, BoundedQueue(), OPERATIONS)
    assert found is not None
    for worker, calls in enumerate((found.program.prefix, *found.program.workers), start=-1):
        assert tuple(seen.call for seen in found.history if seen.worker == worker) == calls


class WithoutInit:
    def step(self, state: Any, operation: Operation) -> Any:
        return state


class KnowsPutOnly(BoundedQueue):
    def step(self, state: tuple[int, ...], operation: Operation) -> tuple[int, ...] | None:
        if operation.f != "put":
            raise SpecificationError(f"no operation {operation.f!r}; there is put")
        return super().step(state, operation)


FORM = r"a specification is an object with init\(\) and step\(state, operation\); got "


@pytest.mark.parametrize(
    ("specification", "told"),
    [
        (WithoutInit(), FORM + "a WithoutInit, which has no init$"),
        (object(), FORM + "a object, which has no init and no step$"),
        (BoundedQueue, FORM + r"the class BoundedQueue; give an object of it, BoundedQueue\(\)$"),
        (QueueMachine, FORM + r"a state machine; use check_parallel\(\*from_machine\(QueueMachine\)\)$"),
    ],
)
def test_what_is_no_specification_gets_one_clear_error(specification: Any, told: str) -> None:
    with pytest.raises(ParallelError, match=told):
        check_parallel(NaiveQueue, specification, OPERATIONS)
    with pytest.raises(ParallelError, match=told):
        reproduce(NaiveQueue, specification, ParallelProgram((), ()))


@pytest.mark.parametrize(
    ("operations", "told"),
    [
        ({}, r"operations: by method name, what its arguments are drawn from; got {}"),
        (["put"], r"operations: by method name, what its arguments are drawn from; got \['put'\]"),
        ({"put": 3}, r"operations\['put'\] is 3; it must be a strategy of tuples, st\.tuples\(st\.integers\(\)\)"),
        ({"put": st.integers(7, 7)}, r"operations\['put'\] drew 7; it must be a strategy of tuples"),
        ({"pop": st.just(())}, r"LockedQueue has no operation 'pop'; its methods: get, put"),
    ],
)
def test_what_are_no_operations_gets_one_clear_error(operations: Any, told: str) -> None:
    with pytest.raises(ParallelError, match=told):
        check_parallel(LockedQueue, BoundedQueue(), operations)


def test_an_operation_that_the_specification_does_not_know_is_its_error() -> None:
    with pytest.raises(StepError, match="no operation 'get'; there is put"):
        check_parallel(LockedQueue, KnowsPutOnly(), OPERATIONS)


@pytest.mark.parametrize("bound", ["workers", "most_calls", "tries", "max_examples", "reproductions"])
def test_a_bound_that_leaves_nothing_is_refused(bound: str) -> None:
    with pytest.raises(ParallelError, match=f"{bound} must be at least 1; got 0"):
        check_parallel(LockedQueue, BoundedQueue(), OPERATIONS, **{bound: 0})


def test_an_operation_that_ends_its_thread_is_named() -> None:
    class Leaving:
        def get(self) -> None:
            raise SystemExit

    with pytest.raises(ParallelError, match=r"get\(\) ended its thread; an operation returns, or raises an Exception"):
        check_parallel(Leaving, Ones(), GET)


def test_what_make_raises_comes_out() -> None:
    def make() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        check_parallel(make, Ones(), GET)


def test_a_call_beforehand_that_hangs_is_cut_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.stateful.calling.PATIENCE_S", 0.2)
    with pytest.raises(TimeoutError, match=r"beforehand: put\(3\) did not return within 0.2 s"):
        OnThreads(StuckQueue)(ParallelProgram(tuple(Call("put", (item,)) for item in (1, 2, 3)), ()))


def test_how_threads_are_switched_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = sys.getswitchinterval()
    during: list[float] = []

    class Looking:
        def get(self) -> int:
            during.append(sys.getswitchinterval())
            return 1

    OnThreads(Looking)(ParallelProgram((), ((Call("get"),), (Call("get"),))))
    assert max(during) < before
    assert sys.getswitchinterval() == before
    monkeypatch.setattr("harness.stateful.calling.PATIENCE_S", 0.2)
    put = Call("put", (1,))
    with pytest.raises(TimeoutError):
        OnThreads(StuckQueue)(ParallelProgram((put, put), ((put,), ())))
    assert sys.getswitchinterval() == before


def test_arguments_need_no_hash() -> None:
    class Longest:
        def get(self, items: list[int]) -> int:
            return 1 if len(items) < 3 else 2

    with pytest.raises(NotLinearizable, match=r"get\(\[0, 0, 0\]\) -> 2"):
        check_parallel(Longest, Ones(), {"get": st.tuples(st.lists(st.integers()))})
