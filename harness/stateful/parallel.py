"""Linearizability testing of any object by drawn calls on threads: test your own structure in ten lines.

Hypothesis draws a sequential prefix and a few calls for each of several threads; they run on a fresh object, and the
observed history is linearizable if some order of the calls, which keeps what was over before another began, gives by
the sequential specification exactly the results that were observed (Herlihy & Wing, *Linearizability*, 1990; prefix and
parallel suffixes as in Claessen et al., *Finding Race Conditions in Erlang with QuickCheck and PULSE*, 2009).

A race is met by chance, so a program is run many times, and one that failed once counts as failing. How often the
shrunk one fails again is measured afterwards, and said.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from harness.checks.specifications import Specification
from harness.stateful.observation import Call, Counterexample, Observed, ParallelProgram, Raised, is_linearizable
from harness.stateful.report import describe

__all__ = ["NotLinearizable", "check_parallel", "find_counterexample", "reproduce", "run_parallel"]

PERSISTENCE = 10
"""How many times more often than others the neighbours of the shrunk program are run."""

REPRODUCTIONS = 100
"""Runs of the shrunk program, for its rate."""

_PATIENCE_S = 5.0
_SWITCH_INTERVAL_S = 1e-5
_PREEMPTION = 0.3  # of the lines of Python that a worker executes, how many offer the processor to the others


class NotLinearizable(AssertionError):
    """The object is not linearizable; the message is the counterexample."""


def run_parallel(make: Callable[[], Any], program: ParallelProgram, seed: int = 0) -> tuple[Observed, ...]:
    """Run a program once on a new object.

    Args:
        make: makes the object. program: the calls. seed: of where the workers' Python code is interrupted.

    Raises:
        TimeoutError: a call did not return within 5 s.
    """
    subject = make()
    clock = itertools.count()  # its next() is one step under the GIL: a total order of beginnings and ends
    history = [_made(subject, -1, call, clock) for call in program.prefix]
    made: list[list[Observed]] = [[] for _ in program.workers]
    barrier = threading.Barrier(len(program.workers))

    def work(worker: int) -> None:
        chance = random.Random(f"{seed} {worker}")

        def preempt(_frame: FrameType, _event: str, _argument: Any) -> Any:
            if chance.random() < _PREEMPTION:
                time.sleep(0)  # gives the GIL away; hides nothing: it makes races likely
            return preempt

        barrier.wait(_PATIENCE_S)
        sys.settrace(preempt)
        try:
            for call in program.workers[worker]:
                made[worker].append(_made(subject, worker, call, clock))
        finally:
            sys.settrace(None)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(program.workers))]
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        for thread in threads:
            thread.start()
        give_up = time.monotonic() + _PATIENCE_S
        for number, thread in enumerate(threads):
            thread.join(max(0.0, give_up - time.monotonic()))
            if thread.is_alive():
                waiting = program.workers[number][len(made[number])]
                raise TimeoutError(f"worker {number}: {waiting} did not return within {_PATIENCE_S:.0f} s")
    finally:
        sys.setswitchinterval(before)
    return tuple(sorted([*history, *itertools.chain(*made)], key=lambda observed: observed.invoked))


def _made(subject: Any, worker: int, call: Call, clock: itertools.count[int]) -> Observed:
    method = getattr(subject, call.name)
    invoked = next(clock)
    try:
        result = method(*call.arguments)
    except Exception as error:
        result = Raised(type(error).__name__)
    return Observed(worker, call, result, invoked, next(clock))


def _programs(
    operations: Mapping[str, st.SearchStrategy[tuple[Any, ...]]], workers: int, most_prefix: int, most_calls: int
) -> st.SearchStrategy[ParallelProgram]:
    calls = st.one_of([st.builds(Call, st.just(name), arguments) for name, arguments in operations.items()])
    suffix = st.lists(calls, max_size=most_calls).map(tuple)
    return st.builds(ParallelProgram, st.lists(calls, max_size=most_prefix).map(tuple), st.tuples(*[suffix] * workers))


def reproduce(
    make: Callable[[], Any], specification: Specification, program: ParallelProgram, runs: int = REPRODUCTIONS
) -> Counterexample | None:
    """Run a program `runs` times; the last history that was not linearizable, and how many were. None: none was."""
    failed, last = 0, None
    for seed in range(runs):
        history = run_parallel(make, program, seed)
        if not is_linearizable(specification, history):
            failed, last = failed + 1, history
    return None if last is None else Counterexample(program, last, failed, runs)


def find_counterexample(
    make: Callable[[], Any],
    specification: Specification,
    operations: Mapping[str, st.SearchStrategy[tuple[Any, ...]]],
    *,
    workers: int = 2,
    most_prefix: int = 4,
    most_calls: int = 3,
    tries: int = 30,
    max_examples: int = 100,
) -> Counterexample | None:
    """The smallest program that Hypothesis comes to whose history is not linearizable; None if it finds none.

    Args:
        make: makes a new object. specification: what it should do.
        operations: by method name, what its arguments are drawn from.
        workers: threads. most_prefix: calls before they start. most_calls: of each of them.
        tries: runs of each program. max_examples: programs, shrinking not counted.

    Raises:
        TimeoutError: a call did not return within 5 s; a note has the program.
    """
    failures: dict[ParallelProgram, tuple[Observed, ...] | None] = {}
    hung: list[TimeoutError] = []

    def fails(program: ParallelProgram) -> bool:
        # asked again, the answer stays the same: chance must not look to the shrinker like a program that was repaired
        if program not in failures and not hung:
            try:
                histories = (run_parallel(make, program, seed) for seed in range(tries))
                failures[program] = next((h for h in histories if not is_linearizable(specification, h)), None)
            except TimeoutError as error:
                error.add_note(f"in {program!r}")
                hung.append(error)  # ends the search: every further run could take as long
        return failures.get(program) is not None

    def fails_again(program: ParallelProgram) -> bool:
        if failures.get(program) is None:
            failures.pop(program, None)
        return fails(program)

    chosen = settings(max_examples=max_examples, deadline=None, database=None, phases=[Phase.generate, Phase.shrink])
    try:
        smallest = find(_programs(operations, workers, most_prefix, most_calls), fails, settings=chosen)
    except NoSuchExample:
        smallest = None
    if hung:
        raise hung[0]
    history = failures.get(smallest) if smallest is not None else None
    if smallest is None or history is None:
        return None
    # the shrinker takes one unlucky series of runs for a repaired program; so try its neighbours again, harder
    tries *= PERSISTENCE
    while (smaller := next(filter(fails_again, _smaller(smallest)), None)) is not None:
        smallest, history = smaller, failures[smaller]
    if hung:
        raise hung[0]
    assert history is not None, "only programs that failed are accepted"
    again = reproduce(make, specification, smallest)
    return Counterexample(smallest, history, again.failed if again else 0, again.runs if again else REPRODUCTIONS)


def _smaller(program: ParallelProgram) -> Iterator[ParallelProgram]:
    """Programs with one call less, or with one parallel call made beforehand."""
    for number in range(len(program.prefix)):
        yield replace(program, prefix=_without(program.prefix, number))
    for worker, calls in enumerate(program.workers):
        for number in range(len(calls)):
            rest = (*program.workers[:worker], _without(calls, number), *program.workers[worker + 1 :])
            yield replace(program, workers=rest)
            if number == 0:
                yield ParallelProgram((*program.prefix, calls[0]), rest)


def _without(calls: tuple[Call, ...], number: int) -> tuple[Call, ...]:
    return calls[:number] + calls[number + 1 :]


def check_parallel(
    make: Callable[[], Any],
    specification: Specification,
    operations: Mapping[str, st.SearchStrategy[tuple[Any, ...]]],
    **bounds: int,
) -> None:
    """As `find_counterexample`, as a test.

    Raises:
        NotLinearizable: with the shrunk counterexample.
    """
    found = find_counterexample(make, specification, operations, **bounds)
    if found is not None:
        raise NotLinearizable(describe(found))
