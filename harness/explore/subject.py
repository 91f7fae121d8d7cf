"""Programs as the native explorer takes them."""

from __future__ import annotations

import numpy as np

from harness import _explorer
from harness.explore.exploration import EVERY, ExploreError
from harness.operation import NO_TIMEOUT, Kind
from harness.program import Program

__all__ = ["MOST_WORKERS", "subject_of", "survivable"]


MOST_WORKERS = 8
"""A to H in schedules."""


def subject_of(
    program: Program,
    *,
    mutant: str = "",
    every: int = EVERY,
    kills: tuple[tuple[int, int], ...] = (),
    reckoned: int = 0,
) -> _explorer.Subject:
    """The program as the native explorer takes it.

    Args:
        program: what the workers call. mutant, every: planted bug, and its period.
        kills: (worker, access) before which a worker is killed. reckoned: kills that the workers reckon with, if more.

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
        subject = _explorer.channel(program.capacity, scripts, mutant, every, list(kills), limit)
    except ValueError as error:
        raise ExploreError(str(error)) from error
    if reckoned > len(kills):
        _explorer.expect_kills(subject, reckoned)
    return subject


def survivable(program: Program) -> Program:
    """The program with nobody waiting for ever for what a dead worker would have done.

    A write that waits for room, or a read that waits for a message, tries once instead; a batch gets a time-out of 0.
    Retries of conflicts stay as they are: a dead owner must not hold anybody up. Nothing that tries has a time-out.
    """
    scripts = []
    for script in program.workers:
        changed = script.copy()
        changed["kind"][changed["kind"] == Kind.WRITE] = Kind.TRY_WRITE
        changed["kind"][changed["kind"] == Kind.READ] = Kind.TRY_READ
        changed["timeout"][np.isin(changed["kind"], [Kind.TRY_WRITE.value, Kind.TRY_READ.value])] = NO_TIMEOUT
        changed["timeout"][np.isin(changed["kind"], [Kind.WRITE_MANY.value, Kind.READ_MANY.value])] = 0
        scripts.append(changed)
    return Program(program.name, tuple(scripts), program.capacity, program.config, program.seed, program.parameters)
