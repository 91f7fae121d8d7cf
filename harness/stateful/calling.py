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
from functools import partial
from types import FrameType
from typing import Any

from harness.stateful.observation import Call, Observed, ParallelError, ParallelProgram, Raised
from harness.stateful.turns import Schedule, Turns, schedule

__all__ = ["PATIENCE_S", "Interruptions", "OnThreads", "check_operations", "did_not_return", "make_calls"]

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


class OnThreads:
    """Runs programs on new objects, a thread per worker.

    Args:
        make: makes the object.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._last: ParallelProgram | None = None
        self._steps = 0

    def __call__(self, program: ParallelProgram, seed: int = 0) -> tuple[Observed, ...]:
        """Run a program once.

        Args:
            program: the calls. seed: of how the workers' lines of Python are interleaved if it is even; of where they
                are interrupted if it is odd.

        Raises:
            ParallelError: the object lacks an operation.
            TimeoutError: a call did not return within `PATIENCE_S`; its thread, which nothing can end, stays behind.
        """
        subject = self._make()
        check_operations(subject, program.calls)
        counter = itertools.count()  # its next() is one step under the GIL: a total order of beginnings and ends
        history = _together(subject, {-1: program.prefix}, counter, seed, None)
        workers = [worker for worker, calls in enumerate(program.workers) if calls]
        turns = Turns(workers, self._schedule(program, workers, seed)) if seed % 2 == 0 and workers else None
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        try:
            history += _together(subject, dict(enumerate(program.workers)), counter, seed, turns)
        finally:
            sys.setswitchinterval(before)
        if turns:
            self._last, self._steps = program, turns.steps
        return tuple(sorted(history, key=lambda observed: observed.invoked))

    def _schedule(self, program: ParallelProgram, workers: Sequence[int], seed: int) -> Schedule:
        return schedule(workers, self._steps, seed // 2 if program is self._last else 0)


def _together(
    subject: Any,
    parts: dict[int, tuple[Call, ...]],
    counter: itertools.count[int],
    seed: int,
    turns: Turns | None,
) -> list[Observed]:
    parts = {worker: calls for worker, calls in parts.items() if calls}
    if not parts:
        return []
    made: dict[int, list[Observed]] = {worker: [] for worker in parts}
    ended: dict[int, BaseException] = {}
    barrier = threading.Barrier(len(parts))

    def work(worker: int, calls: tuple[Call, ...]) -> None:
        barrier.wait(PATIENCE_S)
        pause = partial(turns.step, worker) if turns else Interruptions(f"{seed} {worker}").perhaps
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

    threads = {part[0]: threading.Thread(target=work, args=part, daemon=True) for part in parts.items()}
    for thread in threads.values():
        thread.start()
    give_up = time.monotonic() + PATIENCE_S
    for worker, thread in threads.items():
        thread.join(max(0.0, give_up - time.monotonic()))
        unmade = parts[worker][len(made[worker]) :]
        if thread.is_alive():
            raise did_not_return(worker, (unmade or parts[worker])[0])
        if unmade:
            raise ParallelError(
                f"{unmade[0]} ended its thread; an operation returns, or raises an Exception"
            ) from ended.get(worker)
    return list(itertools.chain(*made.values()))


def did_not_return(worker: int, what: object) -> TimeoutError:
    """Of a call that hangs; worker -1 makes the prefix."""
    who = f"worker {worker}" if worker >= 0 else "beforehand"
    return TimeoutError(f"{who}: {what} did not return within {PATIENCE_S:g} s")
