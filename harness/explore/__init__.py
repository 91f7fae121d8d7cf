"""Exploring a program: every interleaving, every stale read, every kill, of the channel's own source.

The explorer itself is native (``harness/native/explorer``); docs/explorer.md says how it works and what it does not
see.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import get_args

from harness.engine import Engine, open_engine
from harness.explore.ending import why_unending
from harness.explore.estimate import Size, estimate_size
from harness.explore.exploration import EVERY, INTERNAL, Cost, Driver, Exploration, ExploreError, Model
from harness.explore.interleaving import trace
from harness.explore.minimal import simplest
from harness.explore.parts import Piece, Seen, Task, kill_plans, walks
from harness.explore.progress import first_questions
from harness.explore.sharing import Collected, collect
from harness.explore.subject import Kills, subject_of, survivable
from harness.explore.trace import lanes, worker_name
from harness.program import Program
from harness.verdict import Verdict, Witness
from harness.words import counted

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
ESTIMATE_S = 0.5, 2.0
"""What the estimate of a size may take: a tenth of the exploration, within these bounds."""


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
    engine: str = "",
    jobs: int | None = None,
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
        engine: ``here``, ``processes`` or ``dask://HOST:PORT``; by default processes if there are several jobs.
        jobs: parts of the exploration that are explored at a time; each execution is in one of them. Processes import
            the script that starts them: it does so under ``if __name__ == "__main__":``.
        executor: any ``concurrent.futures`` executor to explore them in, instead of an engine.
        crashes: of the crash driver, in one execution, at most: 1, or 2 of different workers.
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
        engine=engine,
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
    engine: str = "",
    jobs: int | None = None,
    executor: Executor | None = None,
    crashes: int = 1,
    minimise: bool = True,
    estimate: bool = True,
    kills: Kills = (),
) -> Exploration:
    """As `explore`, with all that was counted, and the schedule of a failure: the simplest, if `minimise`.

    Args:
        estimate: of a program that was not exhausted, about how large it is; see `ESTIMATE_S` for what that takes.
        kills: (worker, step), of the crash driver: these, instead of all that there are.
    """
    if driver not in get_args(Driver):
        raise ExploreError(f"unknown driver {driver!r}; there are {', '.join(get_args(Driver))}")
    if model not in get_args(Model):
        raise ExploreError(f"unknown memory model {model!r}; there are {', '.join(get_args(Model))}")
    if crashes not in (1, 2):
        raise ExploreError(f"crashes is 1 or 2; got {crashes}")
    if crashes != 1 and driver != "crash":
        raise ExploreError(f"crashes are for the driver 'crash'; got {driver!r}")
    if math.isnan(seconds):
        raise ExploreError("seconds is a number; got nan")
    if kills and driver != "crash":
        raise ExploreError(f"kills are for the driver 'crash'; got {driver!r}")
    start = time.monotonic()
    deadline = start + seconds
    task = Task(program, driver, model, mutant, every)
    subject_of(program, mutant=mutant, every=every)  # what is wrong with the program is said here and not in a part
    if driver != "crash":  # beside the dead nobody waits (`beside_dead`)
        unending = why_unending(program)
        if unending:
            raise ExploreError(unending)
    with open_engine(engine, jobs, executor) as doing:
        if doing.name == "processes" and getattr(multiprocessing.current_process(), "_inheriting", False):
            raise ExploreError(
                "a script that explores in several processes is imported by each of them: call it under "
                "if __name__ == '__main__':"
            )
        seen = _explored(doing, task, executions, deadline, seed, crashes, kills)
    failure, cost = seen.failure, None
    if failure is not None and minimise and failure.fault != INTERNAL:
        found = simplest(task, failure)
        failure, cost = replace(failure, what=found.what, schedule=found.schedule, kills=found.kills), found.cost
    size = None
    if estimate and driver == "exhaustive" and failure is None and not seen.exhausted:
        taken = time.monotonic() - start
        shortest, longest = ESTIMATE_S
        size = estimate_size(
            subject_of(program, mutant=mutant, every=every),
            model=model,
            seen=seen.executions + seen.cut + seen.bounded,
            taken=taken,
            seconds=min(max(shortest, taken / 10), longest, seconds / 10),
        )
    return Exploration(
        _verdict(seen, failure, cost, driver, model, size),
        driver,
        model,
        seen.executions,
        seen.cut,
        seen.bounded,
        len(seen.histories),
        seen.is_whole,
        time.monotonic() - start,
        schedule=failure.schedule if failure else "",
        kills=failure.kills if failure else (),
        crashes=len(kills) or {"crash": crashes, "progress": 1}.get(driver, 0),
        alone=failure.alone if failure else None,
        cost=cost,
        engine=doing.name,
        jobs=doing.jobs,
        parts=doing.parts,
        resubmitted=doing.resubmitted,
        size=size,
        longest=seen.longest,
    )


def _explored(
    engine: Engine,
    task: Task,
    executions: int | None,
    deadline: float,
    seed: int,
    crashes: int,
    kills: Kills,
) -> Collected:
    """The pieces that the driver goes through."""
    go_through = partial(collect, engine, task, executions=executions, deadline=deadline)
    if task.driver == "exhaustive" or kills:
        return go_through([Piece(kills)])
    if task.driver not in ("crash", "progress"):
        return go_through(walks(seed, executions))
    seen = Collected()
    if task.driver == "progress":
        seen = go_through(first_questions(len(task.program.workers)))
        crashes = 1
    if seen.is_over:
        return seen
    living = collect(engine, task, [Piece(survivors=True)], executions=None, deadline=deadline)
    if living.is_over:
        return living
    seen.exhausted = seen.exhausted and living.exhausted
    seen.bounded += living.bounded
    seen.loops |= living.loops
    seen = go_through(kill_plans(living.longest, 1), collected=seen)
    if seen.is_over or crashes == 1:
        return seen
    # a recovery makes accesses that nobody makes while everybody lives
    return go_through(kill_plans(seen.longest, 2), collected=seen)


def _verdict(
    seen: Collected, failure: Seen | None, cost: Cost | None, driver: Driver, model: Model, size: Size | None
) -> Verdict:
    checked = {"executions": seen.executions, "histories": len(seen.histories)}
    if failure is not None:
        counts = "" if cost is None else f"; {cost}"
        witness = Witness(f"{failure.what}{_killed(failure.kills)}{counts}; schedule {failure.schedule}")
        return Verdict.failed(PROPERTY, failure.fault, witness, {**checked, "executions": seen.executions + 1})
    seen_so_far = (
        f"{counted(seen.executions, 'execution')} ({seen.cut:,} more cut in a wait), "
        f"{counted(len(seen.histories), 'distinct history')}, model {model}"
    )
    if seen.bounded:
        bounds = ", ".join(sorted(seen.loops))
        seen_so_far += f"; in {seen.bounded:,} more a worker met a bound ({bounds}), and how it goes on is not explored"
    if driver == "progress":
        seen_so_far = f"{seen.covered}; {seen_so_far}"
    if size is not None:
        seen_so_far += f"; {size}; sample instead: --driver pct"
    if seen.lost:
        return Verdict.inconclusive(
            PROPERTY, f"not exhausted, since {seen.lost}; nothing found: {seen_so_far}", checked
        )
    if not seen.is_whole:
        return Verdict.inconclusive(PROPERTY, f"not exhausted, and nothing found: {seen_so_far}", checked)
    return Verdict.passed(PROPERTY, f"all executions explored: {seen_so_far}", checked)


def replay(
    program: Program,
    schedule: str,
    *,
    model: Model = "rc11",
    mutant: str = "",
    every: int = EVERY,
    kills: tuple[tuple[int, int], ...] = (),
    alone: int | None = None,
    reckoned: int = 0,
) -> str:
    """One execution again, as lanes of workers.

    Args:
        kills, alone: as the exploration found it with (`Exploration`). reckoned: as of `subject_of`.

    Raises:
        ExploreError: the schedule is malformed or belongs to another program.
    """
    steps, failure = trace(
        program, schedule, model=model, mutant=mutant, every=every, kills=kills, alone=alone, reckoned=reckoned
    )
    return lanes(steps, failure)


def _killed(kills: tuple[tuple[int, int], ...]) -> str:
    return "".join(f" with worker {worker_name(worker)} killed before its access {step}" for worker, step in kills)
