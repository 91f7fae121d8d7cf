"""The parts of an exploration: plain data, independent of each other, so that any process can explore them.

What an exploration has left when it stops is a list of such pieces again (``harness/native/explorer/frontier.hpp``):
a part that turns out large comes back in pieces and is shared out anew, and every execution is in exactly one piece.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from uuid import uuid4

from harness import _explorer
from harness.explore.exploration import Driver, ExploreError, Model
from harness.explore.subject import Kills, subject_among
from harness.program import Program

__all__ = [
    "HINDERED",
    "Kills",
    "Part",
    "Piece",
    "Seen",
    "Task",
    "build",
    "explore_part",
    "kill_plans",
    "rule_of",
    "told",
    "walks",
]

HINDERED = "hindered"
"""The rule that is broken by waiting for a worker that has stopped for ever."""
WALKS = 2_000
"""Random executions of one seed: a fraction of a second."""
SUBJECTS = 32
"""Programs that a process keeps: as many kill plans as are in its hands at once."""


@cache
def build() -> str:
    """What tells this build of the explorer from others: pieces of one exploration must all be explored by one."""
    return hashlib.blake2b(Path(_explorer.__file__).read_bytes(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Task:
    """What all parts of an exploration have in common. `identity` tells it from other explorations."""

    program: Program
    driver: Driver
    model: Model
    mutant: str
    every: int
    identity: str = field(default_factory=lambda: uuid4().hex)
    build: str = field(default_factory=build)


@dataclass(frozen=True)
class Piece:
    """Something to explore.

    Attributes:
        kills: (worker, step) of those who die. below: the alternative whose executions are meant; empty: all.
        alone: the worker that goes on when all others stop for ever, of the progress driver.
        survivors: of the survivors' program (`beside_dead`), as all with somebody who dies.
        seed, walks: of a random driver.
    """

    kills: Kills = ()
    below: str = ""
    alone: int | None = None
    survivors: bool = False
    seed: int = 0
    walks: int = 0


@dataclass(frozen=True)
class Part:
    """Pieces for one process.

    Attributes:
        executions: at most. seconds: after them, what is not explored comes back. deadline: s, for what cannot.
    """

    pieces: tuple[Piece, ...]
    executions: int
    seconds: float
    deadline: float


@dataclass(frozen=True)
class Seen:
    """What came of pieces that differ in nothing but what they are below.

    Attributes:
        executions, cut: as in Exploration. histories: digests of those not judged before in this process, 8 bytes each.
        longest: accesses of each worker, at most.
        bounded: executions in which a worker met a bound. loops: which bounds, and in which loops.
        left: not explored yet. partial: something was not explored that cannot be gone on with.
        fault, what, schedule: of the first failure. kills, alone, survivors: as in Piece.
        stop_points, waits, longest_call: of the progress driver (`progress.Covered`).
    """

    executions: int = 0
    cut: int = 0
    histories: bytes = b""
    longest: tuple[int, ...] = ()
    left: tuple[Piece, ...] = ()
    partial: bool = False
    fault: str = ""
    what: str = ""
    schedule: str = ""
    kills: Kills = ()
    bounded: int = 0
    loops: tuple[str, ...] = ()
    alone: int | None = None
    survivors: bool = False
    stop_points: int = 0
    waits: int = 0
    longest_call: int = 0


_kept = threading.local()  # a program is explored by one thread at a time


def _subject(task: Task, piece: Piece) -> _explorer.Subject:
    """The task's program, kept between parts: what it has judged is not judged again."""
    if getattr(_kept, "identity", "") != task.identity:
        _kept.identity, _kept.subjects = task.identity, {}
    subjects: dict[tuple[Kills, bool, int | None], _explorer.Subject] = _kept.subjects
    key = piece.kills, piece.survivors, piece.alone
    if key not in subjects:
        while len(subjects) >= SUBJECTS:
            del subjects[next(iter(subjects))]
        subjects[key] = subject_among(
            task.program,
            mutant=task.mutant,
            every=task.every,
            kills=piece.kills,
            alone=piece.alone,
            survivors=piece.survivors,
        )
    return subjects[key]


def explore_part(task: Task, part: Part) -> list[Seen]:
    """Explore a part until nothing is left of it, or it has found a failure, or its bounds are met.

    Raises:
        ExploreError: this is another build of the explorer than the one that made the part.
    """
    if task.build != build():
        raise ExploreError(
            f"build {build()} of the explorer is asked to go on with an exploration of build {task.build}; "
            "install the same package everywhere"
        )
    begin = time.monotonic()
    executions = part.executions
    seen: list[Seen] = []
    for _, group in itertools.groupby(part.pieces, lambda piece: replace(piece, below="")):
        pieces = tuple(group)
        spent = time.monotonic() - begin
        if seen and (spent >= part.seconds or executions <= 0):
            seen.append(Seen(left=pieces))
            continue
        bounds = Part(pieces, executions, part.seconds - spent, part.deadline - spent)
        if pieces[0].walks:
            seen.append(_walk(task, bounds))
        elif pieces[0].alone is not None:
            seen.append(_explore_alone(task, bounds))
        else:
            seen.append(_explore_below(task, bounds))
        executions -= seen[-1].executions + seen[-1].cut + seen[-1].bounded
        if seen[-1].fault:
            break
    return seen


def _explore_below(task: Task, part: Part) -> Seen:
    piece = part.pieces[0]
    subject = _subject(task, piece)
    result = _explorer.explore(
        subject,
        model=task.model,
        executions=part.executions,
        seconds=part.seconds,
        parts=[piece.below for piece in part.pieces if piece.below],
    )
    left = tuple(replace(piece, below=below) for below in result.left)
    return _seen(task, subject, result, Seen(kills=piece.kills, left=left, survivors=piece.survivors))


def _walk(task: Task, part: Part) -> Seen:
    piece = part.pieces[0]
    subject = _subject(task, piece)
    result = _explorer.sample(subject, task.driver, piece.seed, piece.walks, model=task.model, seconds=part.deadline)
    return _seen(task, subject, result, Seen(partial=True))


def _seen(task: Task, subject: _explorer.Subject, result: _explorer.Result, seen: Seen) -> Seen:
    seen = replace(
        seen,
        executions=result.complete + result.excused,
        cut=result.cut,
        histories=subject.take_histories(),
        longest=tuple(result.longest[: len(task.program.workers)]),
        bounded=result.bounded,
        loops=tuple(sorted(result.bounds)),
    )
    if not result.failures:
        return seen
    failure = result.failures[0]
    return replace(seen, fault=rule_of(failure, task.driver, None), what=failure.what, schedule=failure.schedule)


def _explore_alone(task: Task, part: Part) -> Seen:
    """One worker, while all the others stop for ever at every vector of stop points."""
    worker = part.pieces[0].alone
    assert worker is not None
    subject = _subject(task, part.pieces[0])
    progress, failures = _explorer.alone(
        subject, worker, model=task.model, executions=part.executions, seconds=part.deadline
    )
    seen = Seen(
        progress.executions + progress.excused,
        progress.cut,
        partial=not progress.exhausted,
        bounded=progress.bounded,
        loops=tuple(sorted(progress.bounds)),
        alone=worker,
        stop_points=progress.stop_points,
        waits=progress.excused,
        longest_call=progress.longest,
    )
    if not failures:
        return seen
    failure = failures[0]
    return replace(
        seen, fault=rule_of(failure, task.driver, worker), what=told(failure, worker), schedule=failure.schedule
    )


def rule_of(failure: _explorer.Failure, driver: Driver, alone: int | None) -> str:
    """The rule that a failure breaks; those of the progress driver say how a worker is stuck, if it is."""
    if alone is not None and failure.fault in ("stuck", "unbounded"):
        return HINDERED
    return failure.blocked if driver == "progress" and failure.blocked else failure.fault


def told(failure: _explorer.Failure, alone: int | None) -> str:
    """What went wrong, and among whom."""
    return failure.what if alone is None else f"while all others have stopped for ever, {failure.what}"


def walks(seed: int, executions: int | None) -> Iterator[Piece]:
    """Random executions, a few of each of many seeds that follow from one."""
    for number in itertools.count():
        count = WALKS if executions is None else min(WALKS, executions - number * WALKS)
        if count <= 0:
            return
        yield Piece(seed=(seed << 32) + number & (1 << 64) - 1, walks=count)


def kill_plans(longest: tuple[int, ...], crashes: int) -> Iterator[Piece]:
    """Every worker, or two of them, before each of its accesses.

    Where two die, the second may be in the middle of replacing the first.

    Args:
        longest: accesses of each worker in an execution with one kill less, at most: until the last kill of a plan
            strikes, its execution is one of those.
    """
    workers = range(len(longest))
    if crashes == 1:
        for worker in workers:
            for step in range(longest[worker]):
                yield Piece(kills=((worker, step),))
        return
    for first, second in itertools.combinations(workers, 2):
        for step, later in itertools.product(range(longest[first]), range(longest[second])):
            yield Piece(kills=((first, step), (second, later)))
