"""What is simpler than a drawn program: the steps in which a counterexample of the explorer is shrunk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.explore import survivable
from harness.operation import NO_TIMEOUT, Kind, message_value
from harness.program import Program
from harness.stateful.model import ENTRY_ALIGNMENT, entry_bytes
from harness.stateful.programs import SMALLEST_CAPACITY, SMALLEST_PAYLOAD, Drawn, ends_by_itself
from harness.stateful.reduce import cuts

__all__ = ["shorter_in_two_steps", "simpler"]


def simpler(drawn: Drawn) -> Iterator[Drawn]:
    """Nobody killed, or fewer; then a simpler program that can be run and ends by itself; then an earlier kill."""
    return filter(_can_run, _simpler(drawn))


def shorter_in_two_steps(drawn: Drawn) -> Iterator[Drawn]:
    """Fewer workers, or as many and fewer operations, or as many and nobody killed, by two steps of which the first
    alone may lead nowhere: an operation that another one needed is left out, and that one becomes a plainer one, which
    does not need it."""
    for step in _simpler(drawn):
        for candidate in _simpler(step):
            if _length(candidate) < _length(drawn) and _can_run(candidate):
                yield candidate


def _length(drawn: Drawn) -> tuple[int, int, bool]:
    return len(drawn.program.workers), sum(map(len, drawn.program.workers)), drawn.somebody_dies


def _can_run(drawn: Drawn) -> bool:
    """Does every message fit, and the program end? Beside somebody who dies the explorer lets only the last reader wait
    (`harness.explore.subject.beside_dead`)."""
    largest = drawn.program.capacity - entry_bytes(0) - 8
    fits = all(int(script["size"].max(initial=0)) <= largest for script in drawn.program.workers)
    return fits and (drawn.somebody_dies or ends_by_itself(drawn.program))


def _simpler(drawn: Drawn) -> Iterator[Drawn]:
    kills, dies = drawn.kills, drawn.dies
    if dies is not None:
        yield Drawn(drawn.program)
    for fewer in cuts(kills):
        yield replace(drawn, kills=fewer)
    for program, kept in _simpler_programs(drawn.program):
        if (dies is not None and dies not in kept) or any(worker not in kept for worker, _ in kills):
            continue
        same = tuple((kept.index(worker), access) for worker, access in kills)
        yield Drawn(program, same, None if dies is None else kept.index(dies))
        if any(access for _, access in same):  # a smaller message has fewer words, so the same access comes earlier
            yield Drawn(program, tuple((worker, max(0, access - 1)) for worker, access in same))
    for place, (worker, access) in enumerate(kills):
        for earlier in dict.fromkeys((0, access // 2, access - 1)):
            if 0 <= earlier < access:
                yield replace(drawn, kills=(*kills[:place], (worker, earlier), *kills[place + 1 :]))


def _simpler_programs(program: Program) -> Iterator[tuple[Program, list[int]]]:
    """Fewer workers, then nobody who waits, then the same work on fewer workers, then fewer operations, then a message
    less, then a smaller channel without options, then plainer operations.

    Yields:
        Each with the workers that it kept.
    """
    scripts, everybody = program.workers, list(range(len(program.workers)))
    for fewer in cuts(everybody):
        if fewer:
            yield _with(program, tuple(scripts[worker] for worker in fewer)), list(fewer)
    if not _only_tries(program):
        yield survivable(program), everybody
    for one, other in itertools.combinations(everybody, 2):
        kept = [worker for worker in everybody if worker != other]
        for joined in _merged(scripts[one], scripts[other]):
            yield _with(program, tuple(joined if worker == one else scripts[worker] for worker in kept)), kept
    for worker, script in enumerate(scripts):
        for rest in cuts(range(len(script))):
            if rest:
                yield _with(program, (*scripts[:worker], script[list(rest)], *scripts[worker + 1 :])), everybody
    yield from _without_a_meeting(program)
    yield from _without_a_message(program)
    if program.config:
        yield replace(program, config={}), everybody
    for capacity in dict.fromkeys((SMALLEST_CAPACITY, program.capacity - ENTRY_ALIGNMENT)):
        if SMALLEST_CAPACITY <= capacity < program.capacity:
            yield replace(program, capacity=capacity), everybody
    for worker, script in enumerate(scripts):
        for place in range(len(script)):
            for changes in _plainer(script[place]):
                changed = script.copy()
                for name, value in changes.items():
                    changed[name][place] = value
                yield _with(program, (*scripts[:worker], changed, *scripts[worker + 1 :])), everybody


def _merged(one: npt.NDArray[np.void], other: npt.NDArray[np.void]) -> Iterator[npt.NDArray[np.void]]:
    """The calls of both as one script, each one's in their order: `one` first, then in every other way."""
    calls = len(one) + len(other)
    for places in itertools.combinations(range(calls), len(one)):
        joined = np.empty(calls, one.dtype)
        rest = np.ones(calls, bool)
        rest[list(places)] = False
        joined[~rest], joined[rest] = one, other
        yield joined


def _only_tries(program: Program) -> bool:
    return not any(np.isin(script["kind"], [Kind.WRITE.value, Kind.READ.value]).any() for script in program.workers)


def _without_a_meeting(program: Program) -> Iterator[tuple[Program, list[int]]]:
    """Two workers with one operation less each: a write and the read that waits for it."""
    for pair in itertools.combinations(range(len(program.workers)), 2):
        shorter = [script[: len(script) - (worker in pair)] for worker, script in enumerate(program.workers)]
        kept = [worker for worker, script in enumerate(shorter) if len(script)]
        if kept:
            yield _with(program, tuple(shorter[worker] for worker in kept)), kept


def _without_a_message(program: Program) -> Iterator[tuple[Program, list[int]]]:
    """One write less, and another one that takes the room of both: the laps stay where they are."""
    places = [
        (worker, place)
        for worker, script in enumerate(program.workers)
        for place in range(len(script))
        if Kind(int(script["kind"][place])).writes
    ]
    for (worker, place), (other, larger) in itertools.permutations(places, 2):
        if len(program.workers[worker]) == 1:
            continue
        scripts = [script.copy() for script in program.workers]
        scripts[other]["size"][larger] += entry_bytes(int(scripts[worker]["size"][place]))
        scripts[worker] = np.delete(scripts[worker], place)
        yield _with(program, tuple(scripts)), list(range(len(scripts)))


_PLAINER_KINDS = {
    Kind.WRITE: (Kind.TRY_WRITE, Kind.READ),
    Kind.WRITE_MANY: (Kind.TRY_WRITE, Kind.WRITE),
    Kind.READ: (Kind.TRY_READ,),
    Kind.READ_MANY: (Kind.TRY_READ, Kind.READ),
    Kind.PEEK: (Kind.TRY_READ,),
    Kind.SKIP: (Kind.TRY_READ,),
    Kind.SKIP_FORCE: (Kind.TRY_READ,),
    Kind.STATE: (Kind.TRY_READ,),
    Kind.SHUTDOWN: (Kind.TRY_READ,),
}
"""Who waits for room needs messages in the channel, who waits for a message needs none."""

_WAITS = (Kind.WRITE, Kind.READ)


def _plainer(row: np.void) -> Iterator[dict[str, Any]]:
    """Changes to an operation that make it a plainer one."""
    kind, size = Kind(int(row["kind"])), int(row["size"])
    for plainer in _PLAINER_KINDS.get(kind, ()):
        changes = {"kind": plainer.value, "count": 1}
        if plainer not in _WAITS:
            changes["timeout"] = NO_TIMEOUT
        if kind.writes and not plainer.writes:
            changes |= {"size": 0, "value": 0}
        yield changes
    if row["think"]:
        yield {"think": 0}
    if row["count"] > 1:
        yield {"count": row["count"] - 1}
    if row["timeout"] > 0:
        yield {"timeout": 0}
    if kind.writes and size > SMALLEST_PAYLOAD:
        for smaller in dict.fromkeys((SMALLEST_PAYLOAD, (SMALLEST_PAYLOAD + size) // 2, size - 1)):
            yield {"size": smaller}


def _with(program: Program, scripts: tuple[npt.NDArray[np.void], ...]) -> Program:
    """The program with other scripts, their messages numbered anew."""
    numbered = []
    for worker, script in enumerate(scripts):
        changed, number = script.copy(), 0
        for place in range(len(changed)):
            if Kind(int(changed["kind"][place])).writes:
                changed["value"][place] = message_value(worker, number)
                number += int(changed["count"][place])
        numbered.append(changed)
    return replace(program, workers=tuple(numbered))
