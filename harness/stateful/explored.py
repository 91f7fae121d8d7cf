"""The smallest program on which the explorer finds a violation.

Hypothesis draws programs; each is explored natively, so that whether it fails is no matter of chance: an example is one
exploration, of the whole program or of some thousands of its executions. The program is then shrunk as data, and its
schedule minimised natively (docs/decisions/0010-minimal-schedules.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.explore import EVERY, Exploration, examine, replay
from harness.explore.exploration import Cost
from harness.explore.subject import beside_dead
from harness.explore.trace import worker_name
from harness.operation import Kind, message_number, message_writer
from harness.program import Program
from harness.stateful.programs import Drawn, meetings, programs, swarms, vigils
from harness.stateful.reduce import reduced
from harness.stateful.simpler import shorter_in_two_steps, simpler
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

_DEATHS = 40
"""Accesses of a worker that dies, in most programs at most."""

_SECONDS = 60.0  # of one exploration, never reached: the number of executions is the bound that counts


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
    """Programs small enough for the explorer: swarms, free ones, and some who wait for each other without time-out; in
    half of them somebody is killed."""
    dying = bool(draw(st.integers(0, most_kills)))
    free = programs(
        most_workers=most_workers, most_operations=most_operations, largest_capacity=80, most_batch=3, kinds=kinds
    )
    trying = tuple(kind for kind in kinds if kind not in (Kind.WRITE, Kind.READ)) if dying else ()
    swarm = swarms(kinds=trying or kinds, most_workers=most_workers, most_operations=most_operations)
    shapes = [swarm, swarm, free]  # swarms twice: they show what is rare
    if {Kind.WRITE, Kind.READ} <= set(kinds):
        shapes.append(vigils(workers=most_workers) if dying else meetings())
    program = draw(shapes[draw(st.integers(0, len(shapes) - 1))])
    if program.config:  # a limit that takes a thousand rounds to meet is for stress: the explorer's bound comes first
        program = replace(program, config={"max_round_trips": draw(st.sampled_from([1, 2]))})
    if not dying:
        return Drawn(program)
    return Drawn(beside_dead(program), dies=draw(st.integers(0, len(program.workers) - 1)))


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
    max_examples: int = 6_000,
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

    def fails(candidate: Drawn) -> bool:
        return seen(candidate).verdict.outcome is Outcome.FAIL

    exploration = seen(drawn)
    if exploration.verdict.outcome is not Outcome.FAIL:
        return exploration
    if len(drawn.kills) == 1:  # in a simpler program the same moment is at another access
        drawn = Drawn(drawn.program, dies=drawn.kills[0][0])
    smallest = reduced(drawn, simpler, fails)
    smallest = reduced(smallest, lambda value: chain(simpler(value), shorter_in_two_steps(value)), fails)
    if smallest.dies is not None:
        smallest = Drawn(smallest.program, seen(smallest).kills)
    return ExploredFailure(smallest, seen(smallest, minimise=True), mutant, every)


def explored(
    drawn: Drawn, mutant: str = "", every: int = EVERY, executions: int = EXECUTIONS, *, minimise: bool = False
) -> Exploration:
    """All executions of a drawn program, or so many; the simplest schedule of a failure, if `minimise`.

    Where a worker dies before each of its accesses, each gets its share; and those that need more get what the
    others have left, so that the program is exhausted or has its executions.
    """
    if drawn.dies is not None:
        return _each_death(drawn.program, drawn.dies, mutant, every, executions)
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


def _each_death(program: Program, worker: int, mutant: str, every: int, executions: int) -> Exploration:
    """The first that fails, or what all of them saw together."""

    def dead(access: int, most: int) -> Exploration:
        return explored(Drawn(program, ((worker, access),)), mutant, every, most)

    seen: list[Exploration] = []
    while not seen or seen[-1].longest[worker] >= len(seen) - 1:
        seen.append(dead(len(seen), max(1, executions // _DEATHS)))
        if seen[-1].verdict.outcome is Outcome.FAIL:
            return seen[-1]
    for access, one in enumerate(seen):
        left = executions - sum(each.visited for each in seen)
        if left > 0 and not one.exhausted:
            seen[access] = dead(access, one.visited + left)
            if seen[access].verdict.outcome is Outcome.FAIL:
                return seen[access]
    return replace(
        next((one for one in seen if not one.exhausted), seen[-1]),
        executions=sum(one.executions for one in seen),
        cut=sum(one.cut for one in seen),
        bounded=sum(one.bounded for one in seen),
        histories=sum(one.histories for one in seen),
        exhausted=all(one.exhausted for one in seen),
        seconds=sum(one.seconds for one in seen),
    )


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
