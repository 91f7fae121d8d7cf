"""Exploring a program: every interleaving, every stale read, every kill, of the channel's own source.

The explorer itself is native (``harness/native/explorer``); docs/explorer.md says how it works and what it does not
see.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor
from typing import get_args

from harness import _explorer
from harness.explore.engine import SHARES_PER_JOB, seen_parts
from harness.explore.exploration import EVERY, INTERNAL, Cost, Driver, Exploration, ExploreError, Model
from harness.explore.minimal import simplest
from harness.explore.parts import Part, Task, kill_plans
from harness.explore.progress import Covered, progress_parts
from harness.explore.subject import subject_of, survivable
from harness.explore.trace import lanes, worker_name
from harness.program import Program
from harness.verdict import Verdict, Witness

__all__ = [
    "EVERY",
    "Cost",
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

PROPERTY = "explored"


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
            ``progress``: all again, asking who waits for whom (harness/explore/progress.py).
            ``pct``, ``pos``, ``uniform``: random ones, for programs that are too large.
        model: ``rc11`` or ``sc``.
        executions, seconds: bounds, whichever comes first.
        mutant: name of a planted bug. every: period of those that strike every n-th call.
        seed: of a random driver.
        jobs: processes that share the work of the exhaustive, the crash and the progress driver.
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
    minimise: bool = True,
) -> Exploration:
    """As `explore`, with all that was counted, and the schedule of a failure: the simplest, if `minimise`."""
    if driver not in get_args(Driver):
        raise ExploreError(f"unknown driver {driver!r}; there are {', '.join(get_args(Driver))}")
    if model not in get_args(Model):
        raise ExploreError(f"unknown memory model {model!r}; there are {', '.join(get_args(Model))}")
    if jobs < 1:
        raise ExploreError(f"jobs is a whole number from 1; got {jobs}")
    if crashes not in (1, 2):
        raise ExploreError(f"crashes is 1 or 2; got {crashes}")
    start = time.monotonic()
    killed = {"crash": crashes, "progress": 1}.get(driver, 0)
    task = Task(program, driver, model, mutant, every, seed, executions, seconds)
    subject_of(program, mutant=mutant, every=every)  # what is wrong with the program is said here and not in a job
    if driver == "crash":
        parts = iter(kill_plans(task, crashes))
    elif driver == "progress":
        parts = progress_parts(task)
    elif driver == "exhaustive" and (jobs > 1 or executor is not None):
        shares = jobs * SHARES_PER_JOB
        parts = iter([Part(share=share, shares=shares) for share in range(shares)])
    else:
        parts = iter([Part()])
    done = cut = histories = 0
    covered = Covered()
    exhausted = True
    for seen in seen_parts(task, parts, jobs, executor, start + seconds):
        done, cut, histories = done + seen.executions, cut + seen.cut, histories + seen.histories
        exhausted = exhausted and seen.exhausted
        covered.add(seen)
        if seen.fault:
            what, schedule, kills, cost = seen.what, seen.schedule, seen.kills, None
            if minimise and seen.alone is None and seen.fault != INTERNAL:
                found = simplest(task, seen)
                what, schedule, kills, cost = found.what, found.schedule, found.kills, found.cost
            counts = "" if cost is None else f"; {cost}"
            checked = {"executions": done + 1, "histories": histories}
            witness = Witness(f"{what}{_killed(kills)}{counts}; schedule {schedule}")
            verdict = Verdict.failed(PROPERTY, seen.fault, witness, checked)
            took = time.monotonic() - start
            return Exploration(
                verdict, driver, model, done, cut, histories, False, took, schedule, kills, killed, seen.alone, cost
            )
        if executions is not None and done >= executions:
            exhausted = exhausted and next(parts, None) is None
            break
    counted = f"{done:,} executions ({cut:,} more cut in a wait), {histories:,} distinct histories, model {model}"
    if driver == "progress":
        counted = f"{covered}; {counted}"
    checked = {"executions": done, "histories": histories}
    if exhausted:
        verdict = Verdict.passed(PROPERTY, f"all executions explored: {counted}", checked)
    else:
        verdict = Verdict.inconclusive(PROPERTY, f"not exhausted, and nothing found: {counted}", checked)
    return Exploration(
        verdict, driver, model, done, cut, histories, exhausted, time.monotonic() - start, crashes=killed
    )


def replay(
    program: Program,
    schedule: str,
    *,
    model: Model = "rc11",
    mutant: str = "",
    every: int = EVERY,
    kills: tuple[tuple[int, int], ...] = (),
    alone: int | None = None,
) -> str:
    """One execution again, as lanes of workers.

    Args:
        kills, alone: as the exploration found it with (`Exploration`).

    Raises:
        ExploreError: the schedule is malformed or belongs to another program.
    """
    if kills or alone is not None:
        program = survivable(program)
    subject = subject_of(program, mutant=mutant, every=every, kills=kills)
    try:
        steps, failure = _explorer.trace(subject, schedule, model=model, alone=-1 if alone is None else alone)
    except ValueError as error:
        raise ExploreError(str(error)) from error
    return lanes(steps, failure)


def _killed(kills: tuple[tuple[int, int], ...]) -> str:
    return "".join(f" with worker {worker_name(worker)} killed before its access {step}" for worker, step in kills)
