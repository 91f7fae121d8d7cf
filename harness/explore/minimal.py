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
from harness.explore.parts import Kills, Seen, Task
from harness.explore.subject import subject_of, survivable

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
    best = _minimise(task, _subject(task, seen.kills, seen.survivors), seen.kills, seen.schedule)
    for count in range(1, len(seen.kills)):
        for kills in itertools.combinations(seen.kills, count):
            subject = _subject(task, kills, seen.survivors)
            failures = _explorer.explore(subject, model=task.model, executions=EXECUTIONS, seconds=SECONDS).failures
            if failures and failures[0].fault == seen.fault:
                best = min(best, _minimise(task, subject, kills, failures[0].schedule), key=lambda found: found.cost)
    return best


def _subject(task: Task, kills: Kills, survivors: bool) -> _explorer.Subject:
    program = survivable(task.program) if survivors else task.program
    return subject_of(program, mutant=task.mutant, every=task.every, kills=kills)


def _minimise(task: Task, subject: _explorer.Subject, kills: Kills, schedule: str) -> Simplest:
    minimal = _explorer.minimise(subject, schedule, model=task.model, executions=EXECUTIONS, seconds=SECONDS)
    cost = Cost(minimal.stale, minimal.switches, len(kills), minimal.chosen, minimal.steps, minimal.exact)
    return Simplest(minimal.failure.what, minimal.failure.schedule, kills, cost)
