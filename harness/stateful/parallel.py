"""Linearizability testing of any object by drawn calls on threads: test your own structure in ten lines.

Hypothesis draws a sequential prefix and a few calls for each of several threads; they run on a fresh object, and the
observed history is linearizable if some order of the calls, which keeps what was over before another began, gives by
the sequential specification exactly the results that were observed (Herlihy & Wing, *Linearizability*, 1990; prefix and
parallel suffixes as in Claessen et al., *Finding Race Conditions in Erlang with QuickCheck and PULSE*, 2009).

A race is met by chance, so a program is run many times, and counts as failing if it failed in one of its runs; so does
every smaller one that the shrinker proposes. How many re-executions of the shrunk one fail is counted afterwards, and
said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from hypothesis.stateful import RuleBasedStateMachine

from harness.checks.specifications import Specification
from harness.stateful.attached import Attached, Crew
from harness.stateful.calling import OnThreads
from harness.stateful.observation import (
    Call,
    Counterexample,
    Observed,
    ParallelError,
    ParallelProgram,
    is_linearizable,
    refuses_something,
)
from harness.stateful.report import describe

__all__ = [
    "Attached",
    "Call",
    "NotLinearizable",
    "ParallelError",
    "ParallelProgram",
    "check_parallel",
    "find_counterexample",
    "reproduce",
]

Operations = Mapping[str, st.SearchStrategy[tuple[Any, ...]]] | st.SearchStrategy[Call]
"""What calls are drawn from: by method name, strategies of tuples of arguments; or a strategy of whole calls."""

PERSISTENCE = 10
"""How many times more often than others the neighbours of the shrunk program are run."""

REPRODUCTIONS = 50
"""Re-executions of the shrunk program."""

_Run = Callable[[ParallelProgram, int], tuple[Observed, ...]]


class NotLinearizable(AssertionError):
    """The object is not linearizable; the message is the counterexample."""


def _calls(operations: Operations) -> st.SearchStrategy[Call]:
    if isinstance(operations, st.SearchStrategy):
        return operations
    if not isinstance(operations, Mapping) or not operations:
        raise ParallelError(f"operations: by method name, what its arguments are drawn from; got {operations!r}")
    return st.one_of([_calls_of(name, arguments) for name, arguments in operations.items()])


def _calls_of(name: str, arguments: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[Call]:
    right = "a strategy of tuples, st.tuples(st.integers()) for one argument, st.just(()) for none"
    if not isinstance(arguments, st.SearchStrategy):
        raise ParallelError(f"operations[{name!r}] is {arguments!r}; it must be {right}")

    def call(drawn: tuple[Any, ...]) -> Call:
        if not isinstance(drawn, tuple):
            raise ParallelError(f"operations[{name!r}] drew {drawn!r}; it must be {right}")
        return Call(name, drawn)

    return arguments.map(call)


def _programs(
    calls: st.SearchStrategy[Call], workers: int, most_prefix: int, most_calls: int
) -> st.SearchStrategy[ParallelProgram]:
    suffix = _often_full(calls, most_calls)
    return st.builds(ParallelProgram, _often_full(calls, most_prefix), st.tuples(*[suffix] * workers))


def _often_full(calls: st.SearchStrategy[Call], most: int) -> st.SearchStrategy[tuple[Call, ...]]:
    """At most so many calls, and half of the time so many: long programs have more races than short ones."""
    sizes = st.sampled_from([*range(most), *[most] * max(1, most)])
    return sizes.flatmap(lambda size: st.lists(calls, min_size=size, max_size=size)).map(tuple)


def _check_specification(specification: Specification) -> None:
    missing = [name for name in ("init", "step") if not callable(getattr(specification, name, None))]
    if isinstance(specification, type):
        told = f"the class {specification.__name__}; give an object of it, {specification.__name__}()"
        if issubclass(specification, RuleBasedStateMachine):
            told = f"a state machine; use check_parallel(*from_machine({specification.__name__}))"
    elif missing:
        told = f"a {type(specification).__name__}, which has no {' and no '.join(missing)}"
    else:
        return
    raise ParallelError(f"a specification is an object with init() and step(state, operation); got {told}")


def _executor(
    make: Callable[[], Any] | Attached, release: Callable[[Any], object] | None
) -> AbstractContextManager[_Run]:
    if not isinstance(make, Attached):
        return nullcontext(OnThreads(make, release))
    if release is not None:
        raise ParallelError("release= is of objects on threads; Attached has a release of its own")
    return Crew(make)


def reproduce(
    make: Callable[[], Any] | Attached,
    specification: Specification,
    program: ParallelProgram,
    runs: int = REPRODUCTIONS,
    *,
    release: Callable[[Any], object] | None = None,
) -> Counterexample | None:
    """Run a program `runs` times; the last history that was not linearizable, and how many were. None: none was.

    Raises:
        ParallelError: what was given cannot be tested, or not be judged; `runs` is none; the program has no call.
    """
    _check_specification(specification)
    if runs < 1:
        raise ParallelError(f"runs must be at least 1; got {runs}")
    if not program.size:
        raise ParallelError("the program has no call")
    with _executor(make, release) as run:
        return _again(run, specification, program, runs)


def _again(run: _Run, specification: Specification, program: ParallelProgram, runs: int) -> Counterexample | None:
    failed, last = 0, None
    for seed in range(runs):
        history = run(program, seed)
        if not is_linearizable(specification, history):
            failed, last = failed + 1, history
    return None if last is None else Counterexample(program, last, failed, runs)


def find_counterexample(
    make: Callable[[], Any] | Attached,
    specification: Specification,
    operations: Operations,
    *,
    release: Callable[[Any], object] | None = None,
    workers: int = 2,
    most_prefix: int = 4,
    most_calls: int = 5,
    tries: int = 30,
    max_examples: int = 100,
    reproductions: int = REPRODUCTIONS,
) -> Counterexample | None:
    """The smallest program that Hypothesis comes to whose history is not linearizable; None if it finds none.

    Args:
        make: makes a new object, for threads; or how processes come to one.
        specification: what it should do. operations: what the calls are drawn from.
        release: is given each object of threads after its run, whatever happened.
        workers: threads or processes. most_prefix: calls before they start. most_calls: of each of them.
        tries: runs of each program. max_examples: programs, shrinking not counted.
        reproductions: re-executions of the smallest, of which the failing ones are counted.

    Raises:
        ParallelError: what was given cannot be tested, or not be judged; or nothing was found because nothing could be:
            no call was made, or the specification refuses no answer.
        StepError: the specification broke the rules of its form.
        TimeoutError: a call did not return within 5 s. ChildProcessError: a worker process died. Their note has the
            program.
    """
    _check_specification(specification)
    least = {"workers": 1, "most_prefix": 0, "most_calls": 1, "tries": 1, "max_examples": 1, "reproductions": 1}
    given = (workers, most_prefix, most_calls, tries, max_examples, reproductions)
    for (name, bound), value in zip(least.items(), given, strict=True):
        if value < bound:
            raise ParallelError(f"{name} must be at least {bound}; got {value}")
    drawn = _programs(_calls(operations), workers, most_prefix, most_calls)
    chosen = settings(max_examples=max_examples, deadline=None, database=None, phases=[Phase.generate, Phase.shrink])
    with _executor(make, release) as run:
        series = _Series(run, specification, tries)
        try:
            smallest = find(drawn, series.fails, settings=chosen)
        except NoSuchExample:
            smallest = None
        series.raise_error()
        if smallest is None:
            series.check_that_it_checked()
            return None
        # the shrinker takes one unlucky series of runs for a repaired program; so try its neighbours again, harder
        series.tries *= PERSISTENCE
        while (smaller := next(filter(series.fails_again, _smaller(smallest)), None)) is not None:
            smallest = smaller
        series.raise_error()
        again = _again(run, specification, smallest, reproductions)
        return Counterexample(smallest, series.history(smallest), again.failed if again else 0, reproductions)


class _Series:
    """Programs, each run a number of times: it fails if one of its runs does.

    Asked again, the answer stays the same: chance must not look to the shrinker like a program that was repaired. An
    error ends everything: every further run could take as long, and would say the same.
    """

    def __init__(self, run: _Run, specification: Specification, tries: int) -> None:
        self.tries = tries
        self._run = run
        self._specification = specification
        self._failures: dict[str, tuple[Observed, ...] | None] = {}  # by repr: arguments need no hash
        self._error: Exception | None = None
        self._most: tuple[Observed, ...] = ()  # of the histories with nothing wrong, the first with most calls

    def fails(self, program: ParallelProgram) -> bool:
        key = repr(program)
        if key not in self._failures and self._error is None:
            try:
                self._failures[key] = next(
                    filter(self._is_wrong, map(partial(self._run, program), range(self.tries))), None
                )
            except Exception as error:
                error.add_note(f"in {program!r}")
                self._error = error
        return self._failures.get(key) is not None

    def _is_wrong(self, history: tuple[Observed, ...]) -> bool:
        if len(history) > len(self._most):
            self._most = history
        return not is_linearizable(self._specification, history)

    def check_that_it_checked(self) -> None:
        """Nothing was found: could anything have been?

        Raises:
            ParallelError: no.
        """
        if not self._most:
            raise ParallelError(
                "nothing was checked: not one call was made; either the strategies of the operations draw nothing, or "
                "max_examples is too small"
            )
        if not refuses_something(self._specification, self._most):
            raise ParallelError(
                f"nothing was checked: {type(self._specification).__name__}.step took every answer and every exception "
                f"that it was asked for, in every state; let it return None for what may not be"
            )

    def fails_again(self, program: ParallelProgram) -> bool:
        """As `fails`, with new runs of a program that did not."""
        if self._failures.get(repr(program)) is None:
            self._failures.pop(repr(program), None)
        return self.fails(program)

    def history(self, program: ParallelProgram) -> tuple[Observed, ...]:
        """The one in which it failed."""
        history = self._failures[repr(program)]
        assert history is not None, "only programs that failed are accepted"
        return history

    def raise_error(self) -> None:
        """Raise what ended everything, if something did."""
        if self._error is not None:
            raise self._error


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
    make: Callable[[], Any] | Attached,
    specification: Specification,
    operations: Operations,
    *,
    release: Callable[[Any], object] | None = None,
    **bounds: int,
) -> None:
    """As `find_counterexample`, as a test.

    Raises:
        NotLinearizable: with the shrunk counterexample.
    """
    found = find_counterexample(make, specification, operations, release=release, **bounds)
    if found is not None:
        raise NotLinearizable(describe(found))
