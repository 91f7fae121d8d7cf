"""Calls on an object that several threads share: one worker's part of a parallel run, and such a run on threads.

A race is met by chance. Chance is helped: in every other run the workers' lines of Python are interleaved as a seed has
it, whatever else the machine does; in the others they run freely, as native code needs it, interrupted at random lines,
and the interpreter is asked to switch threads often.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeVar

from harness.stateful.observation import Call, Observed, ParallelError, ParallelProgram, Raised
from harness.stateful.turns import Schedule, Turns, schedule

__all__ = ["PATIENCE_S", "Interruptions", "OnThreads", "check_operations", "did_not_return", "make_calls"]

T = TypeVar("T")

PATIENCE_S = 5.0
"""The calls of a run that have not returned by then are said to hang."""

_SWITCH_INTERVAL_S = 1e-5
_INTERRUPTION = 0.3
"""Of the lines of Python that a worker executes, how many give the processor away."""


def check_operations(subject: Any, calls: Iterable[Call]) -> None:
    """Does the object have the methods?

    Raises:
        ParallelError: one is missing.
    """
    for name in dict.fromkeys(call.name for call in calls):
        if not callable(getattr(subject, name, None)):
            has = [member for member in dir(subject) if member[0] != "_" and callable(getattr(subject, member, None))]
            raise ParallelError(
                f"{type(subject).__name__} has no operation {name!r}; its methods: {', '.join(has) or 'none'}"
            )


class Interruptions:
    """Give the processor away at random: before calls, and at lines of the Python code that they execute.

    Args:
        seed: of where. longest_s: for how long at most; 0: until the scheduler takes it back.
    """

    def __init__(self, seed: str, longest_s: float = 0.0) -> None:
        self._chance = random.Random(seed)
        self._longest_s = longest_s

    def perhaps(self) -> None:
        if self._chance.random() < _INTERRUPTION:
            time.sleep(self._chance.random() * self._longest_s)  # hides nothing: it makes races likely


def make_calls(
    subject: Any,
    calls: Sequence[Call],
    clock: Callable[[], int],
    pause: Callable[[], object],
    begins: Callable[[int], object] = lambda _: None,
) -> Iterator[tuple[Any, int, int]]:
    """Make calls one after another; of each the result, when it began and when it ended.

    Args:
        clock: of the instants. pause: is called before every call, and at the lines of Python that it executes.
        begins: is told the number of every call before it begins.
    """

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            pause()
        return trace

    before = sys.gettrace()
    for number, call in enumerate(calls):
        method = getattr(subject, call.name)
        keywords = dict(call.keywords)
        result: Any
        begins(number)
        pause()
        invoked = clock()
        sys.settrace(trace)
        try:
            result = method(*call.arguments, **keywords)
        except Exception as error:
            result = Raised(type(error).__name__, error)
        finally:
            sys.settrace(before)
        yield result, invoked, clock()


class _GivenUp(BaseException):
    """Ends a thread that spins in a call which was given up."""


class OnThreads:
    """Runs programs on new objects, a thread per worker.

    Args:
        make: makes the object. release: is given it after its run, whatever happened.
    """

    def __init__(self, make: Callable[[], Any], release: Callable[[Any], object] | None = None) -> None:
        self._make = make
        self._release = release
        self._last: ParallelProgram | None = None
        self._steps = 0

    def __call__(self, program: ParallelProgram, seed: int = 0) -> tuple[Observed, ...]:
        """Run a program once.

        Args:
            program: the calls. seed: of how the workers' lines of Python are interleaved if it is even; of where they
                are interrupted if it is odd.

        Raises:
            ParallelError: the object lacks an operation, or has left a thread running.
            TimeoutError: a call did not return within `PATIENCE_S`. Its thread is ended at its next line of Python; one
                that waits in native code for what never comes stays behind.
        """
        before = set(threading.enumerate())
        subject = _in_time("make", self._make)
        try:
            history = self._run(subject, program, seed)
        except BaseException:
            with suppress(Exception):  # what happened before is told
                self._released(subject)
            raise
        self._released(subject)
        _check_threads(subject, before)
        return history

    def _released(self, subject: Any) -> None:
        if self._release is not None:
            _in_time("release", partial(self._release, subject))

    def _run(self, subject: Any, program: ParallelProgram, seed: int) -> tuple[Observed, ...]:
        check_operations(subject, program.calls)
        counter = itertools.count()  # its next() is one step under the GIL: a total order of beginnings and ends
        workers = [worker for worker, calls in enumerate(program.workers) if calls]
        turns = Turns(workers, self._schedule(program, workers, seed)) if seed % 2 == 0 and workers else None
        before = sys.getswitchinterval()
        with _Threads(max(1, len(program.workers))) as threads:
            history = threads.together(subject, {-1: program.prefix}, counter, seed, None)
            sys.setswitchinterval(_SWITCH_INTERVAL_S)
            try:
                history += threads.together(subject, dict(enumerate(program.workers)), counter, seed, turns)
            finally:
                sys.setswitchinterval(before)
        if turns:
            self._last, self._steps = program, turns.steps
        return tuple(sorted(history, key=lambda observed: observed.invoked))

    def _schedule(self, program: ParallelProgram, workers: Sequence[int], seed: int) -> Schedule:
        return schedule(workers, self._steps, seed // 2 if program is self._last else 0)


def _in_time(what: str, work: Callable[[], T]) -> T:
    """What it gives. In a thread: nothing else can be left while it hangs."""
    given: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            given.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if raised:
        raise raised[0]
    if not given:
        raise TimeoutError(f"{what} did not return within {PATIENCE_S:g} s")
    return given[0]


def _check_threads(subject: Any, before: set[threading.Thread]) -> None:
    """Thousands of objects are made; what each leaves running would be thousands of threads.

    Raises:
        ParallelError: a thread has begun since, and does not end.
    """
    give_up = time.monotonic() + PATIENCE_S
    for thread in threading.enumerate():
        if thread not in before and not isinstance(thread, threading._DummyThread):  # those of native code have no end
            thread.join(max(0.0, give_up - time.monotonic()))
            if thread.is_alive():
                raise ParallelError(
                    f"{type(subject).__name__} has left a thread running, {thread.name}; end it in release=, or start "
                    "what all objects share before the test"
                )


class _Threads:
    """A worker's thread each, to the end of a run: one that ended would leave its identity to the next that begins."""

    def __init__(self, count: int) -> None:
        self._tasks: list[SimpleQueue[Callable[[], object] | None]] = [SimpleQueue() for _ in range(count)]
        self._threads = [threading.Thread(target=_perform, args=(tasks,), daemon=True) for tasks in self._tasks]

    def __enter__(self) -> _Threads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for tasks in self._tasks:
            tasks.put(None)
        if kind is None:
            for thread in self._threads:
                thread.join()

    def together(
        self,
        subject: Any,
        parts: dict[int, tuple[Call, ...]],
        counter: itertools.count[int],
        seed: int,
        turns: Turns | None,
    ) -> list[Observed]:
        """Make the calls of each worker; the first makes those beforehand, too."""
        parts = {worker: calls for worker, calls in parts.items() if calls}
        if not parts:
            return []
        made: dict[int, list[Observed]] = {worker: [] for worker in parts}
        ended: dict[int, BaseException] = {}
        done = {worker: threading.Event() for worker in parts}
        barrier = threading.Barrier(len(parts))
        given_up = False

        def work(worker: int, calls: tuple[Call, ...]) -> None:
            barrier.wait(PATIENCE_S)
            go_on = partial(turns.step, worker) if turns else Interruptions(f"{seed} {worker}").perhaps

            def pause() -> None:
                if given_up:
                    raise _GivenUp
                go_on()

            try:
                if turns:
                    turns.begin(worker)
                seen = make_calls(subject, calls, counter.__next__, pause)
                for call, told in zip(calls, seen, strict=True):
                    made[worker].append(Observed(worker, call, *told))
            except BaseException as error:
                ended[worker] = error
            finally:
                if turns:
                    turns.end(worker)
                done[worker].set()

        for worker, calls in parts.items():
            self._tasks[max(0, worker)].put(partial(work, worker, calls))
        give_up = time.monotonic() + PATIENCE_S
        for worker, calls in parts.items():
            returned = done[worker].wait(max(0.0, give_up - time.monotonic()))
            unmade = calls[len(made[worker]) :]
            if not returned:
                given_up = True
                raise did_not_return(worker, (unmade or calls)[0])
            if unmade:
                raise ParallelError(
                    f"{unmade[0]} ended its thread; an operation returns, or raises an Exception"
                ) from ended.get(worker)
        return list(itertools.chain(*made.values()))


def _perform(tasks: SimpleQueue[Callable[[], object] | None]) -> None:
    while (task := tasks.get()) is not None:
        task()


def did_not_return(worker: int, what: object) -> TimeoutError:
    """Of a call that hangs; worker -1 makes the prefix."""
    who = f"worker {worker}" if worker >= 0 else "beforehand"
    return TimeoutError(f"{who}: {what} did not return within {PATIENCE_S:g} s")
