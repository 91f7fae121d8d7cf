"""Exploring a program: every interleaving, every stale read, every kill, of the channel's own source.

The explorer itself is native (``harness/native/explorer``); docs/explorer.md says how it works and what it does not
see.
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, get_args

from harness import _explorer
from harness.explore.trace import lanes, worker_name
from harness.operation import Kind
from harness.program import Program
from harness.verdict import Verdict, Witness

__all__ = [
    "EVERY",
    "Driver",
    "Exploration",
    "ExploreError",
    "Model",
    "examine",
    "explore",
    "replay",
    "subject_of",
    "survivable",
]

Driver = Literal["exhaustive", "crash", "pct", "pos", "uniform"]
Model = Literal["rc11", "sc"]

PROPERTY = "explored"
EVERY = 2
"""Period of a planted bug that strikes every n-th call: explored programs make few calls."""
RECOVERY_ACCESSES = 16
"""What a recovery adds to a worker's accesses, at most."""
SHARES_PER_JOB = 4
"""Shares differ in size; more of them than processes even that out."""


class ExploreError(ValueError):
    """What was asked for cannot be explored; the message says why and what would be right."""


@dataclass(frozen=True)
class Exploration:
    """What an exploration saw.

    Attributes:
        verdict: pass if every execution within the bounds was seen and is right; inconclusive if some were not seen.
        driver, model: as asked for.
        executions: complete ones. cut: those that end in a wait which newer stores would end.
        histories: distinct ones, each judged once.
        exhausted: nothing is left to explore.
        seconds: it took.
        schedule: replays the failure; empty if there is none.
        kills: (worker, step) of the failure, for the crash driver. crashes: kills in each execution.
    """

    verdict: Verdict
    driver: Driver
    model: Model
    executions: int
    cut: int
    histories: int
    exhausted: bool
    seconds: float
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()
    crashes: int = 0


def explore(
    program: Program,
    *,
    driver: Driver = "exhaustive",
    model: Model = "rc11",
    executions: int | None = None,
    seconds: float = 60.0,
    mutant: str = "",
    every: int = EVERY,
    seed: int = 1,
    jobs: int = 1,
    executor: Executor | None = None,
    crashes: int = 1,
) -> Verdict:
    """Look for an execution of the program in which the channel breaks a guarantee.

    Args:
        program: workers of single operations; its size decides how long it takes.
        driver: ``exhaustive``: all executions. ``crash``: all, with every worker killed before each of its steps.
            ``pct``, ``pos``, ``uniform``: random ones, for programs that are too large.
        model: ``rc11`` or ``sc``.
        executions, seconds: bounds, whichever comes first.
        mutant: name of a planted bug. every: period of those that strike every n-th call.
        seed: of a random driver.
        jobs: processes that share the work of the exhaustive and the crash driver.
        executor: any ``concurrent.futures`` executor to run them on, instead of processes of one's own.
        crashes: of the crash driver, in one execution: 1, or 2 of different workers.
    """
    return examine(
        program,
        driver=driver,
        model=model,
        executions=executions,
        seconds=seconds,
        mutant=mutant,
        every=every,
        seed=seed,
        jobs=jobs,
        executor=executor,
        crashes=crashes,
    ).verdict


def subject_of(
    program: Program, *, mutant: str = "", every: int = EVERY, kills: tuple[tuple[int, int], ...] = ()
) -> _explorer.Subject:
    """The program as the native explorer takes it.

    Raises:
        ExploreError: an operation or a size that the explorer does not take, or no such mutant.
    """
    scripts = [
        [(int(row["kind"]), int(row["value"]), int(row["size"]), int(row["timeout"])) for row in script]
        for script in program.workers
    ]
    limit = program.config.get("max_round_trips") or 0
    try:
        return _explorer.channel(program.capacity, scripts, mutant, every, list(kills), limit)
    except ValueError as error:
        raise ExploreError(str(error)) from error


def examine(
    program: Program,
    *,
    driver: Driver = "exhaustive",
    model: Model = "rc11",
    executions: int | None = None,
    seconds: float = 60.0,
    mutant: str = "",
    every: int = EVERY,
    seed: int = 1,
    jobs: int = 1,
    executor: Executor | None = None,
    crashes: int = 1,
) -> Exploration:
    """As `explore`, with all that was counted, and the schedule of a failure."""
    if driver not in get_args(Driver):
        raise ExploreError(f"unknown driver {driver!r}; there are {', '.join(get_args(Driver))}")
    if model not in get_args(Model):
        raise ExploreError(f"unknown memory model {model!r}; there are {', '.join(get_args(Model))}")
    if jobs < 1:
        raise ExploreError(f"jobs is a whole number from 1; got {jobs}")
    if crashes not in (1, 2):
        raise ExploreError(f"crashes is 1 or 2; got {crashes}")
    start = time.monotonic()
    killed = crashes if driver == "crash" else 0
    task = _Task(program, driver, model, mutant, every, seed, executions, seconds)
    subject_of(program, mutant=mutant, every=every)  # what is wrong with the program is said here and not in a job
    if driver == "crash":
        parts = iter(_kill_plans(task, crashes))
    elif driver == "exhaustive" and (jobs > 1 or executor is not None):
        shares = jobs * SHARES_PER_JOB
        parts = iter([_Part(share=share, shares=shares) for share in range(shares)])
    else:
        parts = iter([_Part()])
    done = cut = histories = 0
    exhausted = True
    for seen in _seen(task, parts, jobs, executor, start + seconds):
        done, cut, histories = done + seen.executions, cut + seen.cut, histories + seen.histories
        exhausted = exhausted and seen.exhausted
        if seen.fault:
            checked = {"executions": done + 1, "histories": histories}
            witness = Witness(f"{seen.what}{_killed(seen.kills)}; schedule {seen.schedule}")
            verdict = Verdict.failed(PROPERTY, seen.fault, witness, checked)
            took = time.monotonic() - start
            return Exploration(
                verdict, driver, model, done, cut, histories, False, took, seen.schedule, seen.kills, killed
            )
        if executions is not None and done >= executions:
            exhausted = exhausted and next(parts, None) is None
            break
    counted = f"{done:,} executions ({cut:,} more cut in a wait), {histories:,} distinct histories, model {model}"
    checked = {"executions": done, "histories": histories}
    if exhausted:
        verdict = Verdict.passed(PROPERTY, f"all executions explored: {counted}", checked)
    else:
        verdict = Verdict.inconclusive(PROPERTY, f"not exhausted, and nothing found: {counted}", checked)
    return Exploration(
        verdict, driver, model, done, cut, histories, exhausted, time.monotonic() - start, crashes=killed
    )


@dataclass(frozen=True)
class _Task:
    """What all parts of an exploration have in common. Plain data: it goes to other processes."""

    program: Program
    driver: Driver
    model: Model
    mutant: str
    every: int
    seed: int
    executions: int | None
    seconds: float


@dataclass(frozen=True)
class _Part:
    """One part of an exploration, independent of the others."""

    kills: tuple[tuple[int, int], ...] = ()
    share: int = 0
    shares: int = 1


@dataclass(frozen=True)
class _Seen:
    """What came of a part."""

    executions: int
    cut: int
    histories: int
    exhausted: bool
    fault: str = ""
    what: str = ""
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()


def _explore_part(task: _Task, part: _Part, seconds: float) -> _Seen:
    program = survivable(task.program) if task.driver == "crash" else task.program
    subject = subject_of(program, mutant=task.mutant, every=task.every, kills=part.kills)
    limit = 2**63 if task.executions is None else task.executions
    if task.driver in ("exhaustive", "crash"):
        result = _explorer.explore(
            subject, model=task.model, executions=limit, seconds=seconds, share=part.share, shares=part.shares
        )
    else:
        result = _explorer.sample(subject, task.driver, task.seed, limit, model=task.model, seconds=seconds)
    counts = (result.complete, result.cut, subject.histories, result.exhausted)
    if not result.failures:
        return _Seen(*counts)
    failure = result.failures[0]
    return _Seen(*counts, failure.fault, failure.what, failure.schedule, part.kills)


def _seen(
    task: _Task, parts: Iterator[_Part], jobs: int, executor: Executor | None, deadline: float
) -> Iterator[_Seen]:
    """The parts one after another, or in any order from an executor; a part that gets no time is not exhausted."""
    if jobs == 1 and executor is None:
        for part in parts:
            left = deadline - time.monotonic()
            yield _explore_part(task, part, left) if left > 0 else _Seen(0, 0, 0, False)
            if left <= 0:
                return
        return
    with ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")))
        futures = [executor.submit(_explore_part, task, part, max(0.0, deadline - time.monotonic())) for part in parts]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def replay(
    program: Program,
    schedule: str,
    *,
    model: Model = "rc11",
    mutant: str = "",
    every: int = EVERY,
    kills: tuple[tuple[int, int], ...] = (),
) -> str:
    """One execution again, as lanes of workers.

    Raises:
        ExploreError: the schedule is malformed or belongs to another program.
    """
    if kills:
        program = survivable(program)
    subject = subject_of(program, mutant=mutant, every=every, kills=kills)
    try:
        steps, failure = _explorer.trace(subject, schedule, model=model)
    except ValueError as error:
        raise ExploreError(str(error)) from error
    return lanes(steps, failure)


def survivable(program: Program) -> Program:
    """The program with nobody waiting for ever for what a dead worker would have done.

    A write that waits for room, or a read that waits for a message, tries once instead. Retries of conflicts stay as
    they are: a dead owner must not hold anybody up.
    """
    scripts = []
    for script in program.workers:
        changed = script.copy()
        changed["kind"][changed["kind"] == Kind.WRITE] = Kind.TRY_WRITE
        changed["kind"][changed["kind"] == Kind.READ] = Kind.TRY_READ
        scripts.append(changed)
    return Program(program.name, tuple(scripts), program.capacity, program.config, program.seed, program.parameters)


def _kill_plans(task: _Task, crashes: int) -> Iterator[_Part]:
    """Every worker, or two of them, before each of its accesses: as many as its longest execution has.

    Where two die, the second may be in the middle of replacing the first.
    """
    subject = subject_of(survivable(task.program), every=task.every)
    alive = _explorer.explore(subject, model=task.model, seconds=task.seconds, stop_at_failure=False)
    workers = range(len(task.program.workers))
    if crashes == 1:
        for worker in workers:
            for step in range(alive.longest[worker]):
                yield _Part(kills=((worker, step),))
        return
    for first, second in itertools.combinations(workers, 2):
        steps = (range(alive.longest[worker] + RECOVERY_ACCESSES) for worker in (first, second))
        for step, later in itertools.product(*steps):
            yield _Part(kills=((first, step), (second, later)))


def _killed(kills: tuple[tuple[int, int], ...]) -> str:
    return "".join(f" with worker {worker_name(worker)} killed before its access {step}" for worker, step in kills)
