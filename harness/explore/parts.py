"""The parts of an exploration: independent of each other, and plain data, so that any process can explore them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from harness import _explorer
from harness.explore.exploration import Driver, Model
from harness.explore.subject import subject_of, survivable
from harness.program import Program

__all__ = ["Part", "Seen", "Task", "explore_part", "kill_plans"]

RECOVERY_ACCESSES = 16
"""What a recovery adds to a worker's accesses, at most."""


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


@dataclass(frozen=True)
class Seen:
    """What came of a part."""

    executions: int
    cut: int
    histories: int
    exhausted: bool
    fault: str = ""
    what: str = ""
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()


def explore_part(task: Task, part: Part, seconds: float) -> Seen:
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
        return Seen(*counts)
    failure = result.failures[0]
    return Seen(*counts, failure.fault, failure.what, failure.schedule, part.kills)


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
