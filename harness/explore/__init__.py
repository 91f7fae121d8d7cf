"""Exploring a program: every interleaving, every stale read, every kill, of the channel's own source.

The explorer itself is native (``harness/native/explorer``); docs/explorer.md says how it works and what it does not
see.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from harness import _explorer
from harness.explore.trace import lanes
from harness.operation import Kind
from harness.program import Program
from harness.verdict import Verdict, Witness

__all__ = ["Driver", "Exploration", "ExploreError", "Model", "examine", "explore", "replay", "subject_of", "survivable"]

Driver = Literal["exhaustive", "crash", "pct", "pos", "uniform"]
Model = Literal["rc11", "sc"]

PROPERTY = "explored"


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
        kills: (worker, step) of the failure, for the crash driver.
    """

    verdict: Verdict
    driver: str
    model: str
    executions: int
    cut: int
    histories: int
    exhausted: bool
    seconds: float
    schedule: str = ""
    kills: tuple[tuple[int, int], ...] = ()


def explore(
    program: Program,
    *,
    driver: Driver = "exhaustive",
    model: Model = "rc11",
    executions: int | None = None,
    seconds: float = 60.0,
    mutant: str = "",
    every: int = 2,
    seed: int = 1,
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
    ).verdict


def subject_of(
    program: Program, *, mutant: str = "", every: int = 2, kills: tuple[tuple[int, int], ...] = ()
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
    every: int = 2,
    seed: int = 1,
) -> Exploration:
    """As `explore`, with all that was counted, and the schedule of a failure."""
    if driver not in get_args(Driver):
        raise ExploreError(f"unknown driver {driver!r}; there are {', '.join(get_args(Driver))}")
    if model not in get_args(Model):
        raise ExploreError(f"unknown memory model {model!r}; there are {', '.join(get_args(Model))}")
    start = time.monotonic()
    limit = 2**63 if executions is None else executions
    done = cut = histories = 0
    exhausted = True
    plans = _kill_plans(program, model, mutant, every) if driver == "crash" else iter([()])
    if driver == "crash":
        program = survivable(program)
    for kills in plans:
        subject = subject_of(program, mutant=mutant, every=every, kills=kills)
        left = seconds - (time.monotonic() - start)
        if done >= limit or left <= 0:
            exhausted = False
            break
        if driver in ("exhaustive", "crash"):
            result = _explorer.explore(subject, model=model, executions=limit - done, seconds=left)
        else:
            walks = limit if executions is not None else 2**63
            result = _explorer.sample(subject, driver, seed, walks, model=model, seconds=left)
        done, cut, histories = done + result.complete, cut + result.cut, histories + subject.histories
        exhausted = exhausted and result.exhausted
        if result.failures:
            failure = result.failures[0]
            checked = {"executions": done + 1, "histories": histories}
            verdict = Verdict.failed(PROPERTY, failure.fault, Witness(_sentence(failure, kills)), checked)
            return Exploration(
                verdict, driver, model, done, cut, histories, False, time.monotonic() - start, failure.schedule, kills
            )
    counted = f"{done:,} executions ({cut:,} more cut in a wait), {histories:,} distinct histories, model {model}"
    checked = {"executions": done, "histories": histories}
    if exhausted:
        verdict = Verdict.passed(PROPERTY, f"all executions explored: {counted}", checked)
    else:
        verdict = Verdict.inconclusive(PROPERTY, f"not exhausted, and nothing found: {counted}", checked)
    return Exploration(verdict, driver, model, done, cut, histories, exhausted, time.monotonic() - start)


def replay(
    program: Program,
    schedule: str,
    *,
    model: Model = "rc11",
    mutant: str = "",
    every: int = 2,
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


def _kill_plans(program: Program, model: Model, mutant: str, every: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Every worker, before each of its accesses: as many as its longest execution has."""
    subject = subject_of(survivable(program), every=every)
    longest = _explorer.explore(subject, model=model, seconds=10.0, stop_at_failure=False).longest
    for worker in range(len(program.workers)):
        for step in range(longest[worker]):
            yield ((worker, step),)


def _sentence(failure: _explorer.Failure, kills: tuple[tuple[int, int], ...]) -> str:
    killed = "".join(f" with worker {chr(ord('A') + worker)} killed before its access {step}" for worker, step in kills)
    return f"{failure.what}{killed}; schedule {failure.schedule}"
