"""Programs as the native explorer takes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness import _explorer
from harness.explore.exploration import EVERY, ExploreError
from harness.operation import NO_TIMEOUT, Kind
from harness.program import Program

__all__ = ["MOST_WORKERS", "Kills", "beside_dead", "subject_among", "subject_of", "survivable"]


Kills = tuple[tuple[int, int], ...]
"""(worker, access): who is killed, and before which of its accesses."""

MOST_WORKERS = 8
"""A to H in schedules."""


def subject_of(
    program: Program,
    *,
    mutant: str = "",
    every: int = EVERY,
    kills: Kills = (),
    reckoned: int = 0,
    survivors: bool = False,
) -> _explorer.Subject:
    """The program as the native explorer takes it.

    Args:
        program: what the workers call. mutant, every: planted bug, and its period.
        kills: who is killed. reckoned: kills that the workers reckon with, if more.
        survivors: of somebody who may be dead: a read may wait for ever where there is nothing to read, and where a
            wake-up died with its writer.

    Raises:
        ExploreError: an operation or a size that the explorer does not take, or no such mutant.
    """
    if len(program.workers) > MOST_WORKERS:
        raise ExploreError(f"an explored program has at most {MOST_WORKERS} workers; got {len(program.workers)}")
    scripts = [
        [
            (int(row["kind"]), int(row["value"]), int(row["size"]), int(row["timeout"]), int(row["count"]))
            for row in script
        ]
        for script in program.workers
    ]
    limit = program.config.get("max_round_trips") or 0
    try:
        subject = _explorer.channel(program.capacity, scripts, mutant, every, list(kills), limit, survivors)
    except ValueError as error:
        raise ExploreError(str(error)) from error
    if reckoned > len(kills):
        _explorer.expect_kills(subject, reckoned)
    return subject


def subject_among(
    program: Program,
    *,
    mutant: str,
    every: int,
    kills: Kills = (),
    reckoned: int = 0,
    alone: int | None = None,
    survivors: bool = False,
) -> _explorer.Subject:
    """The program among workers who die (`kills`; with `survivors` also nobody), or of whom all but `alone` stop."""
    survivors = alone is None and (survivors or bool(kills))
    if alone is not None:
        program = survivable(program)
    elif survivors:
        program = beside_dead(program)
    return subject_of(program, mutant=mutant, every=every, kills=kills, reckoned=reckoned, survivors=survivors)


def beside_dead(program: Program) -> Program:
    """The program as survivors of a dead worker run it: as `survivable`, but they sleep for messages.

    A read with a time-out is left as it is, since it ends by it, and so is the last read without one: whether it waits
    rightly shows in the channel (`subject_of`). Others would only multiply the executions: a wake-up is for all.
    """
    scripts = _trying(program)
    left = 1
    for worker in reversed(range(len(scripts))):
        given = program.workers[worker]
        for at in reversed(range(len(given))):
            if given["kind"][at] not in (Kind.READ, Kind.READ_MANY):
                continue
            endless = given["timeout"][at] == NO_TIMEOUT
            if left or not endless:
                scripts[worker][at] = given[at]
                left -= endless
    return _unless_same(program, scripts)


def survivable(program: Program) -> Program:
    """The program with nobody waiting for what another worker would do.

    A write that waits for room, or a read that waits for a message, tries once instead; a batch gets a time-out of 0.
    Retries of conflicts stay as they are: a dead owner must not hold anybody up. Nothing that tries has a time-out.
    """
    return _unless_same(program, _trying(program))


def _trying(program: Program) -> list[npt.NDArray[np.void]]:
    scripts = []
    for script in program.workers:
        changed = script.copy()
        kinds = changed["kind"]
        kinds[kinds == Kind.WRITE] = Kind.TRY_WRITE
        kinds[kinds == Kind.READ] = Kind.TRY_READ
        changed["timeout"][(kinds == Kind.TRY_WRITE) | (kinds == Kind.TRY_READ)] = NO_TIMEOUT
        changed["timeout"][(kinds == Kind.WRITE_MANY) | (kinds == Kind.READ_MANY)] = 0
        scripts.append(changed)
    return scripts


def _unless_same(program: Program, scripts: list[npt.NDArray[np.void]]) -> Program:
    """With these scripts; the program itself if it has them, since every new one is checked."""
    same = all(map(np.array_equal, program.workers, scripts))
    return program if same else replace(program, workers=tuple(scripts))
