"""What a parallel test says of chance, and of what it was given."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from examples.naive_queue import OPERATIONS, BoundedQueue, NaiveQueue
from examples.naive_queue_machine import QueueMachine
from harness.checks.specifications import Operation, SpecificationError
from harness.checks.specifications.operation import StepError
from harness.stateful.attached import Attached
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
        def __init__(self) -> None:
            self.numbers = itertools.count(1)  # its next() is one step: two threads that added 1 could both pass 40 by

        def get(self) -> int:
            return 2 if next(self.numbers) == 40 else 1

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


class TakesAll:
    """Whatever an object does, this is it; that it looks at the exception changes nothing."""

    def init(self) -> int:
        return 0

    def step(self, state: int, operation: Operation) -> int:
        return 1 if operation.error else state


class TakesWhatIsReturned(TakesAll):
    """It says one thing: no call raises."""

    def step(self, state: int, operation: Operation) -> int | None:  # type: ignore[override]
        return None if operation.error else state


def test_a_specification_that_refuses_nothing_is_no_pass() -> None:
    with pytest.raises(
        ParallelError, match=r"nothing was checked: TakesAll\.step took every answer and every exception"
    ):
        check_parallel(NaiveQueue, TakesAll(), OPERATIONS, max_examples=5)


def test_a_specification_that_says_only_that_nothing_is_raised_checks_something() -> None:
    assert find_counterexample(lambda: Answers(1), TakesWhatIsReturned(), GET, max_examples=5) is None


@pytest.mark.parametrize(
    ("operations", "bounds"),
    [({"put": st.tuples(st.integers()).filter(lambda _: False)}, {}), (OPERATIONS, {"max_examples": 1})],
)
def test_a_test_that_made_no_call_is_no_pass(operations: Any, bounds: Any) -> None:
    with pytest.raises(ParallelError, match="nothing was checked: not one call was made"):
        check_parallel(NaiveQueue, BoundedQueue(), operations, **bounds)


def test_what_runs_nothing_again_is_refused() -> None:
    with pytest.raises(ParallelError, match="the program has no call"):
        reproduce(NaiveQueue, BoundedQueue(), ParallelProgram((), ((), ())))
    with pytest.raises(ParallelError, match="runs must be at least 1; got 0"):
        reproduce(NaiveQueue, BoundedQueue(), ParallelProgram((Call("get"),), ()), runs=0)


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


class Sums:
    """The specification of a counter; its add answers nothing, so whether it raised must be asked."""

    def init(self) -> int:
        return 0

    def step(self, state: int, operation: Operation) -> int | None:
        if operation.f == "add":
            return None if self._is_wrong(operation) else state + operation.argument
        return state if operation.result == state else None

    def _is_wrong(self, operation: Operation) -> bool:
        return bool(operation.error)


class CarelessSums(Sums):
    def _is_wrong(self, operation: Operation) -> bool:
        return False


class Counter:
    """Correct."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sum = 0

    def add(self, number: int) -> None:
        with self._lock:
            self._sum += number

    def get(self) -> int:
        with self._lock:
            return self._sum


class Raising(Counter):
    """Adds, and then fails where the sum is large."""

    def add(self, number: int) -> None:
        super().add(number)
        if self._sum > 5:
            raise OverflowError("too large")


ADD_AND_GET = {"add": st.tuples(st.integers(1, 3)), "get": st.just(())}


def test_what_is_raised_is_looked_at_or_the_specification_is_refused() -> None:
    with pytest.raises(NotLinearizable, match=r"add\(\d\) raises OverflowError"):
        check_parallel(Raising, Sums(), ADD_AND_GET)
    told = r"add\(\d\) raises OverflowError, and step took that without a look at operation\.error; let it return None"
    with pytest.raises(ParallelError, match=told) as raised:
        check_parallel(Raising, CarelessSums(), ADD_AND_GET)
    assert isinstance(raised.value.__cause__, OverflowError)
    check_parallel(Counter, CarelessSums(), ADD_AND_GET, max_examples=20, tries=5)


@pytest.mark.parametrize(
    "looks",
    [
        lambda error: error == "overflowerror",
        lambda error: error in ("overflowerror",),
        lambda error: error in {"overflowerror": 1},
        lambda error: error != "",
        lambda error: bool(error),
        lambda error: error.startswith("over"),
        lambda error: "overflow" in error,
        lambda error: f"{error}" == "overflowerror",
        lambda error: repr(error) == "'overflowerror'",
        lambda error: error[:4] == "over",
        lambda error: next(iter(error or "-")) == "o",
        lambda error: error >= "over" and not error <= "over",
        lambda error: error + "!" == "overflowerror!",
    ],
)
def test_every_look_at_an_error_is_one(looks: Callable[[str], bool]) -> None:
    class Looking(Sums):
        def _is_wrong(self, operation: Operation) -> bool:
            looks(operation.error)  # and nothing else does
            return False

    twice = ParallelProgram((Call("add", (3,)), Call("add", (3,))), ())
    assert reproduce(Raising, Looking(), twice, runs=1) is None
    with pytest.raises(ParallelError, match=r"add\(3\) raises OverflowError, and step took that without a look"):
        reproduce(Raising, CarelessSums(), twice, runs=1)


NOT_DECIDED = r"whether an order of \d+ calls gives their results was not decided within "


def test_what_is_not_decided_convicts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correct object, and a search that has no time, or no room for its states."""
    with monkeypatch.context() as patched:
        patched.setattr("harness.checks.specifications.steps.MOST_BYTES", 300)
        with pytest.raises(ParallelError, match=NOT_DECIDED + "30 s and 1 GB; draw fewer"):
            check_parallel(Counter, Sums(), ADD_AND_GET)
    monkeypatch.setattr("harness.stateful.observation.JUDGING_S", 0.2)
    before = signal.getsignal(signal.SIGALRM)

    class Looping(Sums):
        def step(self, state: int, operation: Operation) -> int | None:
            while state > 5:
                pass
            return super().step(state, operation)

    with pytest.raises(ParallelError, match=NOT_DECIDED + "0.2 s"):
        check_parallel(Counter, Looping(), ADD_AND_GET)
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_object_that_is_never_made_or_released_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.stateful.calling.PATIENCE_S", 0.2)
    enough = threading.Event()

    def wait(_: object = None) -> Counter:
        enough.wait(30.0)
        return Counter()

    try:
        with pytest.raises(TimeoutError, match=r"make did not return within 0\.2 s"):
            check_parallel(wait, Sums(), ADD_AND_GET)
        with pytest.raises(TimeoutError, match=r"release did not return within 0\.2 s"):
            check_parallel(Counter, Sums(), ADD_AND_GET, release=wait)
    finally:
        enough.set()


class Assisted(Counter):
    """Has a thread of its own until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._closed = threading.Event()
        self.assistant = threading.Thread(target=self._closed.wait, args=(30.0,), name="assistant")
        self.assistant.start()

    def close(self) -> None:
        self._closed.set()


def test_an_object_that_leaves_a_thread_is_named_and_release_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = threading.active_count()
    check_parallel(Assisted, Sums(), ADD_AND_GET, release=Assisted.close, max_examples=10, tries=3)
    assert threading.active_count() == before
    monkeypatch.setattr("harness.stateful.calling.PATIENCE_S", 0.2)
    made: list[Assisted] = []

    def make() -> Assisted:
        made.append(Assisted())
        return made[-1]

    with pytest.raises(ParallelError, match="Assisted has left a thread running, assistant; end it in release="):
        check_parallel(make, Sums(), ADD_AND_GET)
    (one,) = made
    one.close()
    one.assistant.join()


def test_objects_of_processes_have_a_release_of_their_own() -> None:
    with pytest.raises(ParallelError, match="Attached has a release of its own"):
        check_parallel(Attached(Counter), Sums(), ADD_AND_GET, release=print)


def test_what_failed_is_told_whatever_release_does() -> None:
    def fail(_: object) -> None:
        raise OSError("cannot be released")

    class Leaving:
        def get(self) -> None:
            raise SystemExit

    with pytest.raises(ParallelError, match=r"get\(\) ended its thread"):
        reproduce(Leaving, Ones(), ParallelProgram((Call("get"),), ()), release=fail)
    with pytest.raises(OSError, match="cannot be released"):
        check_parallel(Counter, Sums(), ADD_AND_GET, release=fail)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_thread_that_spins_is_ended(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.stateful.calling.PATIENCE_S", 0.3)

    class Spinning:
        def get(self) -> None:
            while True:
                pass

    before = set(threading.enumerate())
    with pytest.raises(TimeoutError, match=r"worker 0: get\(\) did not return within 0.3 s"):
        OnThreads(Spinning)(ParallelProgram((), ((Call("get"),), (Call("get"),))), seed)
    for thread in set(threading.enumerate()) - before:
        thread.join(30.0)
        assert not thread.is_alive()


class Reentrant:
    """A right lock: whoever has it may take it again. In the specification the owner is the worker."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def acquire(self) -> bool:
        return self._lock.acquire(blocking=False)

    def release(self) -> None:
        self._lock.release()


class Ownership:
    def init(self) -> tuple[int | str | None, int]:
        return None, 0

    def step(self, state: tuple[int | str | None, int], operation: Operation) -> tuple[int | str | None, int] | None:
        owner, depth = state
        mine = owner == operation.process
        if operation.f == "acquire":
            if operation.result is not (mine or owner is None):
                return None
            return (operation.process, depth + 1) if operation.result else state
        if mine == bool(operation.error):
            return None
        return ((owner, depth - 1) if depth > 1 else (None, 0)) if mine else state


def test_a_worker_is_one_thread_and_the_first_makes_the_calls_beforehand() -> None:
    """A thread of its own would be dead by then, and a worker's could have its identity, and its locks."""
    operations = {"acquire": st.just(()), "release": st.just(())}
    check_parallel(Reentrant, Ownership(), operations, max_examples=40, tries=5)
    beforehand = ParallelProgram((Call("acquire"),), ((Call("acquire"),), (Call("acquire"),)))
    for seed in range(20):
        history = OnThreads(Reentrant)(beforehand, seed)
        assert [(seen.worker, seen.result) for seen in sorted(history, key=lambda seen: seen.worker)] == [
            (-1, True),
            (0, True),
            (1, False),
        ]
