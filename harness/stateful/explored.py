"""The smallest program on which the explorer finds a violation.

Hypothesis draws programs; each is explored natively, so that whether it fails is no matter of chance: an example is one
exploration, of the whole program or of some thousands of its executions. The program is then shrunk as data, and its
schedule minimised natively (docs/decisions/0010-minimal-schedules.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.explore import EVERY, Exploration, examine, replay, survivable
from harness.explore.exploration import Cost
from harness.explore.programs import CONVICTING, WITH_DEAD
from harness.explore.trace import worker_name
from harness.mutants import Mutant, Nature
from harness.operation import NO_TIMEOUT, Kind, message_number, message_value, message_writer
from harness.program import Program
from harness.stateful.model import ENTRY_ALIGNMENT, entry_bytes
from harness.stateful.programs import (
    SMALLEST_CAPACITY,
    SMALLEST_PAYLOAD,
    STEPS_OF_A_CALL,
    ends_by_itself,
    meetings,
    programs,
    swarms,
)
from harness.stateful.reduce import cuts, reduced
from harness.verdict import Outcome

__all__ = [
    "EXECUTIONS",
    "EXPLORED_KINDS",
    "Drawn",
    "ExploredFailure",
    "columns",
    "convict",
    "describe_explored",
    "explored",
    "explored_programs",
    "find_explored",
    "shrink_known",
]

EXPLORED_KINDS = (
    Kind.TRY_WRITE,
    Kind.TRY_READ,
    Kind.WRITE,
    Kind.READ,
    Kind.PEEK,
    Kind.SKIP,
    Kind.SKIP_FORCE,
    Kind.WRITE_MANY,
    Kind.READ_MANY,
    Kind.STATE,
    Kind.SHUTDOWN,
)

EXECUTIONS = 10_000
"""What one drawn program buys, if it has so many."""

_SECONDS = 60.0  # of one exploration, never reached: the number of executions is the bound that counts


@dataclass(frozen=True)
class Drawn:
    """A program, and (worker, access) before which workers are killed."""

    program: Program
    kills: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class ExploredFailure:
    """A program on which the channel breaks a guarantee.

    Attributes:
        drawn: shrunk. exploration: of it, with the simplest schedule. mutant, every: planted bug in the channel, or "".
        examples: drawn until it was found; 0 if it was not drawn.
    """

    drawn: Drawn
    exploration: Exploration
    mutant: str
    every: int
    examples: int = 0

    @property
    def cost(self) -> Cost:
        """What there is to the schedule."""
        assert self.exploration.cost is not None, "failures of drawn programs are minimised"
        return self.exploration.cost

    @property
    def program(self) -> Program:
        return self.drawn.program

    @property
    def kills(self) -> tuple[tuple[int, int], ...]:
        return self.drawn.kills

    @property
    def workers(self) -> int:
        return len(self.program.workers)

    @property
    def operations(self) -> int:
        return sum(map(len, self.program.workers))


@st.composite
def explored_programs(
    draw: st.DrawFn,
    *,
    kinds: tuple[Kind, ...] = EXPLORED_KINDS,
    most_workers: int = 3,
    most_operations: int = 3,
    most_kills: int = 1,
) -> Drawn:
    """Programs small enough for the explorer: swarms, free ones, and meetings; in half of them somebody is killed."""
    free = programs(
        most_workers=most_workers, most_operations=most_operations, largest_capacity=80, most_batch=3, kinds=kinds
    )
    swarm = swarms(kinds=kinds, most_workers=most_workers, most_operations=most_operations)
    shapes = [swarm, swarm, free]  # swarms twice: they show what is rare
    if {Kind.WRITE, Kind.READ} <= set(kinds):
        shapes.append(meetings())
    program = draw(shapes[draw(st.integers(0, len(shapes) - 1))])
    if program.config:  # a limit that takes a thousand rounds to meet is for stress: the explorer's bound comes first
        program = replace(program, config={"max_round_trips": draw(st.sampled_from([1, 2]))})
    if not draw(st.integers(0, most_kills)):
        return Drawn(program)
    worker = draw(st.integers(0, len(program.workers) - 1))
    access = draw(st.integers(0, STEPS_OF_A_CALL * int(program.workers[worker]["count"].sum())))
    return Drawn(survivable(program), ((worker, access),))


class _Convicted(Exception):
    """Ends the drawing."""


def find_explored(
    mutant: str = "",
    *,
    kinds: tuple[Kind, ...] = EXPLORED_KINDS,
    most_workers: int = 3,
    most_operations: int = 3,
    most_kills: int = 1,
    executions: int = EXECUTIONS,
    max_examples: int = 3_000,
) -> ExploredFailure | None:
    """Draw programs until the explorer convicts the channel on one, and shrink that one; None if none is convicted.

    Args:
        mutant: planted bug of the channel. kinds: operations that are drawn. most_workers, most_operations, most_kills
            (0 or 1): bounds of a program. executions: bound of each exploration. max_examples: programs.
    """
    failing: list[Drawn] = []
    examples = 0
    strategy = explored_programs(
        kinds=kinds, most_workers=most_workers, most_operations=most_operations, most_kills=most_kills
    )

    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(drawn=strategy)
    def draw(drawn: Drawn) -> None:
        nonlocal examples
        if not failing:
            examples += 1
        if explored(drawn, mutant, EVERY, executions).verdict.outcome is Outcome.FAIL:
            failing.append(drawn)
            raise _Convicted

    try:
        draw()
    except _Convicted:
        pass
    else:
        return None
    found = convict(failing[0], mutant=mutant, executions=executions)
    assert isinstance(found, ExploredFailure), "whether a program is convicted is no matter of chance"
    return replace(found, examples=examples)


def shrink_known(mutant: Mutant) -> ExploredFailure | None:
    """A planted bug's counterexample, shrunk from the program of `harness.explore.programs` that convicts it.

    For bugs that few drawn programs show. None: that one does not convict it.
    """
    program = {**CONVICTING, **WITH_DEAD}[mutant.program]
    kills: tuple[tuple[int, int], ...] = ()
    if mutant.nature is Nature.CRASH:
        kills = examine(program, driver="crash", mutant=mutant.name).kills
    found = convict(Drawn(program, kills), mutant=mutant.name)
    return found if isinstance(found, ExploredFailure) else None


def convict(
    drawn: Drawn, *, mutant: str = "", every: int = EVERY, executions: int = EXECUTIONS
) -> ExploredFailure | Exploration:
    """The program shrunk, if the explorer convicts the channel on it; else what it saw.

    It is shrunk until the explorer convicts the channel on no simpler one: one worker, operation or kill less, a
    smaller channel, a plainer operation.

    Args:
        drawn: what to explore. mutant, every, executions: as of `harness.explore.examine`.
    """

    def seen(candidate: Drawn, *, minimise: bool = False) -> Exploration:
        return explored(candidate, mutant, every, executions, minimise=minimise)

    exploration = seen(drawn)
    if exploration.verdict.outcome is not Outcome.FAIL:
        return exploration
    smallest = reduced(drawn, _simpler, lambda candidate: seen(candidate).verdict.outcome is Outcome.FAIL)
    return ExploredFailure(smallest, seen(smallest, minimise=True), mutant, every)


def explored(
    drawn: Drawn, mutant: str = "", every: int = EVERY, executions: int = EXECUTIONS, *, minimise: bool = False
) -> Exploration:
    """All executions of a drawn program, or so many; the simplest schedule of a failure, if `minimise`."""
    return examine(
        drawn.program,
        driver="crash" if drawn.kills else "exhaustive",
        executions=executions,
        seconds=_SECONDS,
        mutant=mutant,
        every=every,
        minimise=minimise,
        estimate=False,  # hundreds of times what ten thousand executions take
        kills=drawn.kills,
    )


def _simpler(drawn: Drawn) -> Iterator[Drawn]:
    """Fewer kills, then a simpler program that can be run and ends by itself, then an earlier kill."""
    kills = drawn.kills
    for fewer in cuts(kills):
        yield Drawn(drawn.program, fewer)
    for program, kept in _simpler_programs(drawn.program):
        if all(worker in kept for worker, _ in kills) and _fits(program) and ends_by_itself(program):
            same = tuple((kept.index(worker), access) for worker, access in kills)
            yield Drawn(program, same)
            if any(access for _, access in same):  # a smaller message has fewer words, so the same access comes earlier
                yield Drawn(program, tuple((worker, max(0, access - 1)) for worker, access in same))
    for place, (worker, access) in enumerate(kills):
        for earlier in dict.fromkeys((0, access // 2, access - 1)):
            if 0 <= earlier < access:
                yield Drawn(drawn.program, (*kills[:place], (worker, earlier), *kills[place + 1 :]))


def _simpler_programs(program: Program) -> Iterator[tuple[Program, list[int]]]:
    """Fewer workers, then nobody who waits, then the same work on fewer workers, then fewer operations, then a smaller
    channel without options, then plainer operations.

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


def _fits(program: Program) -> bool:
    """Can every message be written? One that is too large for the channel is no simpler one."""
    largest = program.capacity - entry_bytes(0) - 8
    return all(int(script["size"].max(initial=0)) <= largest for script in program.workers)


_PLAINER_KIND = {
    Kind.WRITE: Kind.TRY_WRITE,
    Kind.WRITE_MANY: Kind.TRY_WRITE,
    Kind.READ: Kind.TRY_READ,
    Kind.READ_MANY: Kind.TRY_READ,
    Kind.SKIP_FORCE: Kind.TRY_READ,
}


def _plainer(row: np.void) -> Iterator[dict[str, Any]]:
    """Changes to an operation that make it a plainer one."""
    kind, size = Kind(int(row["kind"])), int(row["size"])
    if kind in _PLAINER_KIND:
        yield {"kind": _PLAINER_KIND[kind].value, "timeout": NO_TIMEOUT, "count": 1}
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


def describe_explored(failure: ExploredFailure) -> str:
    """In this order: the fact; the program, a column per worker; the interleaving; the replay line; Hypothesis's."""
    program, kills, schedule = failure.program, failure.kills, failure.exploration.schedule
    fact, _, _ = failure.exploration.verdict.reason.partition("; schedule ")
    fact, _, _ = fact.partition(f"; {failure.cost}")
    given_mutant = f", mutant={failure.mutant!r}" if failure.mutant else ""
    given_every = f", every={failure.every}" if failure.mutant and failure.every != EVERY else ""
    given_kills = f", kills={kills!r}" if kills else ""
    shown = replay(program, schedule, mutant=failure.mutant, every=failure.every, kills=kills)
    lines = [
        f"{failure.exploration.verdict.rule}: {fact}",
        "",
        f"program: capacity {program.capacity} bytes",
        *columns(program),
        "",
        f"interleaving, {failure.cost}:",
        shown.rstrip(),
        "",
        f"program = Program.from_json({program.to_json()})",
        f"replay: replay(program, {schedule!r}{given_mutant}{given_every}{given_kills})",
        f"hypothesis: @example(drawn=Drawn(program{given_kills}))",
    ]
    return "\n".join(lines)


def columns(program: Program) -> list[str]:
    """The calls of a program as lines, a column per worker."""
    columns = []
    for worker, script in enumerate(program.workers):
        column = [f"worker {worker_name(worker)}"]
        for row in script:
            kind, value = Kind(int(row["kind"])), int(row["value"])
            message = (
                f" {message_writer(value)}:{message_number(value)}, {int(row['size'])} bytes" if kind.writes else ""
            )
            column.append(f"{kind.name.lower()}{message}")
        columns.append(column)
    widths = [max(map(len, column)) for column in columns]
    return [
        " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip_longest(*columns, fillvalue="")
    ]
