"""The simplest schedule with which a program fails as it did: fewest stale accesses, then context switches, then kills,
then other choices of the environment, then steps.

The search is native (``harness/native/explorer/minimise.hpp``) for given kills; which of the kills it takes is tried
here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from harness import _explorer
from harness.explore.exploration import Cost
from harness.explore.parts import Seen, Task, told
from harness.explore.subject import Kills, subject_among

__all__ = ["Simplest", "simplest"]

EXECUTIONS = 200_000
SECONDS = 5.0
"""Bounds of each exhaustive pass; a program with more executions has its schedule improved change by change."""


@dataclass(frozen=True)
class Simplest:
    """A failure with its schedule, the kills that it takes, and what there is to it."""

    what: str
    schedule: str
    kills: tuple[tuple[int, int], ...]
    cost: Cost


def simplest(task: Task, seen: Seen) -> Simplest:
    """The simplest failure of the kind that a part of an exploration has seen."""
    best = _minimise(task, seen, seen.kills, seen.schedule)
    for count in range(1, len(seen.kills)):
        for kills in itertools.combinations(seen.kills, count):
            subject = _subject(task, seen, kills)
            failures = _explorer.explore(subject, model=task.model, executions=EXECUTIONS, seconds=SECONDS).failures
            if failures and failures[0].fault == seen.fault:
                best = min(best, _minimise(task, seen, kills, failures[0].schedule), key=lambda found: found.cost)
    return best


def _subject(task: Task, seen: Seen, kills: Kills) -> _explorer.Subject:
    return subject_among(
        task.program,
        mutant=task.mutant,
        every=task.every,
        kills=kills,
        alone=seen.alone,
        survivors=seen.survivors or bool(seen.kills),
    )


def _minimise(task: Task, seen: Seen, kills: Kills, schedule: str) -> Simplest:
    minimal = _explorer.minimise(
        _subject(task, seen, kills),
        schedule,
        model=task.model,
        alone=-1 if seen.alone is None else seen.alone,
        executions=EXECUTIONS,
        seconds=SECONDS,
    )
    cost = Cost(minimal.stale, minimal.switches, len(kills), minimal.chosen, minimal.steps, minimal.exact)
    return Simplest(told(minimal.failure, seen.alone), minimal.failure.schedule, kills, cost)
