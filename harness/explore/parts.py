"""The parts of an exploration: independent of each other, and plain data, so that any process can explore them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from harness import _explorer
from harness.explore.exploration import Driver, Model
from harness.explore.subject import subject_of, survivable
from harness.program import Program

__all__ = ["HINDERED", "Part", "Seen", "Task", "explore_part", "kill_plans"]

RECOVERY_ACCESSES = 16
"""What a recovery adds to a worker's accesses, at most."""
HINDERED = "hindered"
"""The rule that is broken by waiting for a worker that has stopped for ever."""


@dataclass(frozen=True)
class Task:
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
class Part:
    """One part of an exploration, independent of the others."""

    kills: tuple[tuple[int, int], ...] = ()
    share: int = 0
    shares: int = 1
    alone: int | None = None
    """The worker that goes on when all others stop for ever, of the progress driver."""


@dataclass(frozen=True)
class Seen:
    """What came of a part: counts, the first failure, and what the progress driver adds (`progress.Covered`)."""

    executions: int
    cut: int
    histories: int
    exhausted: bool
    fault: str = ""
    what: str = ""
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()
    alone: int | None = None
    stop_points: int = 0
    waits: int = 0
    longest: int = 0


def explore_part(task: Task, part: Part, seconds: float) -> Seen:
    if part.alone is not None:
        return _explore_alone(task, part.alone, seconds)
    program = survivable(task.program) if part.kills else task.program
    subject = subject_of(program, mutant=task.mutant, every=task.every, kills=part.kills)
    limit = 2**63 if task.executions is None else task.executions
    if task.driver in ("exhaustive", "crash", "progress"):
        result = _explorer.explore(
            subject, model=task.model, executions=limit, seconds=seconds, share=part.share, shares=part.shares
        )
    else:
        result = _explorer.sample(subject, task.driver, task.seed, limit, model=task.model, seconds=seconds)
    counts = (result.complete, result.cut, subject.histories, result.exhausted)
    if not result.failures:
        return Seen(*counts, kills=part.kills)
    failure = result.failures[0]
    # the progress driver's rules name how a worker is stuck, if it is
    fault = failure.blocked if task.driver == "progress" and failure.blocked else failure.fault
    return Seen(*counts, fault, failure.what, failure.schedule, part.kills)


def _explore_alone(task: Task, worker: int, seconds: float) -> Seen:
    """One worker, while all the others stop for ever at every vector of stop points."""
    subject = subject_of(survivable(task.program), mutant=task.mutant, every=task.every)
    limit = 2**63 if task.executions is None else task.executions
    progress, failures = _explorer.alone(subject, worker, model=task.model, executions=limit, seconds=seconds)
    fault = what = schedule = ""
    if failures:
        fault, what, schedule = failures[0].fault, failures[0].what, failures[0].schedule
        if fault in ("stuck", "unbounded"):
            fault, what = HINDERED, f"while all others have stopped for ever, {what}"
    return Seen(
        progress.executions + progress.excused,
        progress.cut,
        0,
        progress.exhausted,
        fault,
        what,
        schedule,
        alone=worker,
        stop_points=progress.stop_points,
        waits=progress.excused,
        longest=progress.longest,
    )


def kill_plans(task: Task, crashes: int) -> Iterator[Part]:
    """Every worker, or two of them, before each of its accesses: as many as its longest execution has.

    Where two die, the second may be in the middle of replacing the first.
    """
    subject = subject_of(survivable(task.program), every=task.every)
    alive = _explorer.explore(subject, model=task.model, seconds=task.seconds, stop_at_failure=False)
    workers = range(len(task.program.workers))
    if crashes == 1:
        for worker in workers:
            for step in range(alive.longest[worker]):
                yield Part(kills=((worker, step),))
        return
    for first, second in itertools.combinations(workers, 2):
        steps = (range(alive.longest[worker] + RECOVERY_ACCESSES) for worker in (first, second))
        for step, later in itertools.product(*steps):
            yield Part(kills=((first, step), (second, later)))
