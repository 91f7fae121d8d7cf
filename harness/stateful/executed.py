"""Programs drawn by Hypothesis and run on real threads and processes; what fails there is handed to the explorer.

Whether a program fails on real workers is a matter of chance, so it is not shrunk there: what was left out could be the
bug or the luck. The explorer looks for a violation in the executions of the same program, where nothing is left to
chance, and shrinks what it finds (`harness.stateful.explored.convict`). The verdict says whether it found one.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from harness.executors.execution import Kill
from harness.explore import EVERY, ExploreError, survivable
from harness.explore.trace import worker_name
from harness.mutants import parse
from harness.operation import Kind
from harness.program import Program, operations
from harness.stateful.explored import Drawn, ExploredFailure, columns, convict, describe_explored
from harness.stateful.programs import STEPS_OF_A_CALL, kills, programs
from harness.stress import Cell, judge, run_program
from harness.verdict import Outcome, Verdict, Witness
from harness.words import counted

__all__ = [
    "EXECUTED_KINDS",
    "BudgetSpent",
    "Executed",
    "ExecutedFailure",
    "ViolationError",
    "check_executed",
    "describe_executed",
    "executed_programs",
    "find_executed",
    "hand_over",
]

EXECUTED_KINDS = tuple(kind for kind in Kind if kind.runs)

HANDED_OVER = 20_000
"""Executions that the explorer may take to reproduce a program."""

_DEADLINE_S = 5.0
"""Of a program on real workers; one that has not ended by then is cut, and judged as far as it came."""

_SHOWN_BY = {
    "integrity": {"history"},
    "fifo": {"history"},
    "retries": {"history"},
    "timeliness": {"history", "stuck"},
    "progress": {"stuck", "unbounded"},
}
"""By property of a run, the explorer's faults that are the same: it judges a history as a whole."""

_TAKES = (Kind.READ, Kind.TRY_READ, Kind.READ_MANY, Kind.SKIP_FORCE)


class ViolationError(AssertionError):
    """The channel broke a guarantee in a drawn program; the message is that of `describe_executed`."""


@dataclass(frozen=True)
class Executed:
    """A program for real workers, and who is killed in it (processes only)."""

    program: Program
    kills: tuple[Kill, ...] = ()


@dataclass(frozen=True)
class BudgetSpent:
    """What the explorer saw of a program without a violation.

    Attributes:
        executions: of all its explorations. reason: of the last of them, or why there was none.
    """

    executions: int
    reason: str


@dataclass(frozen=True)
class ExecutedFailure:
    """A program in which the channel broke a guarantee on real workers, and what the explorer says of it.

    Attributes:
        executed: as it was drawn, not shrunk. cell: where it ran. failed: verdicts of that run.
        explored: the explorer's counterexample, shrunk; or what it saw instead.
        examples: programs that were run until it failed; 0 if it was not drawn.
        reproduce: Hypothesis's decorator that draws the program again, or "".
    """

    executed: Executed
    cell: Cell
    failed: tuple[Verdict, ...]
    explored: ExploredFailure | BudgetSpent
    examples: int = 0
    reproduce: str = ""

    @property
    def is_reproduced(self) -> bool:
        return isinstance(self.explored, ExploredFailure)

    @property
    def is_same_rule(self) -> bool:
        """Is what the explorer found what the run has broken?"""
        if isinstance(self.explored, BudgetSpent):
            return False
        fault = self.explored.exploration.verdict.rule
        return any(fault in _SHOWN_BY.get(verdict.property, ()) for verdict in self.failed)

    @property
    def verdict(self) -> Verdict:
        """That of the run, with the explorer's word on it."""
        first = self.failed[0]
        return Verdict.failed(first.property, first.rule, Witness(f"{first.reason}; {self.word}"))

    @property
    def word(self) -> str:
        """The explorer's, in one sentence."""
        if isinstance(self.explored, BudgetSpent):
            spent = self.explored
            return f"not reproduced by the explorer within {counted(spent.executions, 'execution')}: {spent.reason}"
        found, exploration = self.explored, self.explored.exploration
        calls = counted(found.operations, "operation")
        which = "the same rule" if self.is_same_rule else "another rule"
        return (
            f"reproduced by the explorer, {which}: {exploration.verdict.rule}, {calls}, {found.cost}, "
            f"schedule {exploration.schedule}"
        )


@st.composite
def executed_programs(
    draw: st.DrawFn,
    *,
    kinds: tuple[Kind, ...] = EXECUTED_KINDS,
    most_workers: int = 3,
    most_operations: int = 4,
    most_kills: int = 0,
) -> Executed:
    """Programs for real workers that are small enough to hand over."""
    program = draw(
        programs(most_workers=most_workers, most_operations=most_operations, largest_capacity=128, kinds=kinds)
    )
    return Executed(program, draw(kills(program, most=most_kills)) if most_kills else ())


def find_executed(
    cell: Cell,
    *,
    kinds: tuple[Kind, ...] = EXECUTED_KINDS,
    most_kills: int = 0,
    executions: int = HANDED_OVER,
    max_examples: int = 300,
) -> ExecutedFailure | None:
    """Draw programs and run them until the channel breaks a guarantee, and hand that one over; None: it never did.

    The programs are the same in every run; what comes of them on real workers need not be.

    Args:
        cell: executor, mode and planted bug. kinds: operations that are drawn. most_kills: in a program, processes
            only. executions: as of `hand_over`. max_examples: programs.
    """
    chosen = settings(
        max_examples=max_examples, deadline=None, database=None, derandomize=True, report_multiple_bugs=False
    )
    failure, _ = _drawn(cell, chosen, executed_programs(kinds=kinds, most_kills=most_kills), executions)
    return failure


def check_executed(cell: Cell, chosen: settings, *, most_kills: int = 0, executions: int = HANDED_OVER) -> int:
    """Run drawn programs as a test; returns how many were run.

    Args:
        cell: executor, mode and planted bug. chosen: settings; what they say of shrinking does not matter.
        most_kills: in a program, processes only. executions: as of `hand_over`.

    Raises:
        ViolationError: with the program, and what the explorer says of it.
    """
    failure, run = _drawn(cell, chosen, executed_programs(most_kills=most_kills), executions)
    if failure is not None:
        raise ViolationError(describe_executed(failure))
    return run


class _Violated(Exception):
    """Ends the drawing."""


def _drawn(
    cell: Cell, chosen: settings, strategy: st.SearchStrategy[Executed], executions: int
) -> tuple[ExecutedFailure | None, int]:
    """The first drawn program that fails, handed over; and how many were run."""
    found: list[tuple[Executed, tuple[Verdict, ...]]] = []
    run = 0
    phases = [phase for phase in chosen.phases if phase not in (Phase.shrink, Phase.explain)]

    @settings(chosen, phases=phases, print_blob=True, report_multiple_bugs=False)
    @given(executed=strategy)
    def draw(executed: Executed) -> None:
        nonlocal run
        if found:  # Hypothesis runs it again to report it; once is enough, since it may not fail a second time
            raise _Violated
        run += 1
        if failed := violations(executed, cell):
            found.append((executed, failed))
            raise _Violated

    try:
        draw()
    except _Violated as error:
        executed, failed = found[0]
        blob = re.search(r"@reproduce_failure\(.*\)", "\n".join(getattr(error, "__notes__", ())))
        failure = hand_over(executed, cell, failed, executions=executions)
        return replace(failure, examples=run, reproduce=blob[0] if blob else ""), run
    return None, run


def violations(executed: Executed, cell: Cell) -> tuple[Verdict, ...]:
    """Run a program once; the verdicts that are failures."""
    options = {"kill": executed.kills} if executed.kills else {}
    execution = run_program(executed.program, cell, deadline_s=_DEADLINE_S, **options)
    return tuple(verdict for verdict in judge(executed.program, execution) if verdict.outcome is Outcome.FAIL)


def hand_over(
    executed: Executed, cell: Cell, failed: tuple[Verdict, ...], *, executions: int = HANDED_OVER
) -> ExecutedFailure:
    """Ask the explorer for a violation in a program that failed on real workers; what it finds is shrunk.

    Somebody who was killed is killed before each of the accesses that could have been that one, the likeliest first;
    for on real workers only the call is known, and how many accesses it had made. What breaks another rule is handed
    back if nothing is found that breaks the same.

    Args:
        executed: the program. cell: where it failed, with the planted bug. failed: verdicts of that run, one or more.
        executions: bound of all the explorations together, shrinking aside.
    """
    if not failed:
        raise ValueError("a program that is handed over has failed; got no failed verdict")
    mutant, every = "", EVERY
    if cell.mutant:
        planted = parse(cell.mutant)
        mutant, every = planted.name, planted.every or EVERY
    places = _places(executed)
    each = max(1, executions // len(places))
    spent, reason = 0, ""
    other: ExecutedFailure | None = None
    for drawn in places:
        try:
            found = convict(drawn, mutant=mutant, every=every, executions=each)
        except ExploreError as error:
            reason = reason or f"it does not take the program: {error}"
            continue
        if isinstance(found, ExploredFailure):
            failure = ExecutedFailure(executed, cell, failed, found)
            if failure.is_same_rule:
                return failure
            other = other or failure
            continue
        spent, reason = spent + found.visited, found.verdict.reason
    return other or ExecutedFailure(executed, cell, failed, BudgetSpent(spent, reason))


def _places(executed: Executed) -> list[Drawn]:
    """The program as the explorer takes it, once for each place where its killed workers may have died; then again with
    a worker that drains the channel. Where somebody is killed, nobody waits: so at last everybody lives, and time-outs
    may come."""
    program = _unrolled(executed.program)
    if not executed.kills:
        return [Drawn(program), Drawn(_drained(program))]
    dying = [_accesses(kill, len(executed.program.workers[kill.worker])) for kill in executed.kills]
    shapes = (survivable(program), _drained(survivable(program)))
    dead = [Drawn(shape, kills) for shape in shapes for kills in itertools.product(*dying)]
    return [*dead, Drawn(program), Drawn(_drained(program))]


def _accesses(kill: Kill, calls: int) -> list[tuple[int, int]]:
    """(worker, access) of all that could be the one before which it was killed; around where it was, first."""
    reached = STEPS_OF_A_CALL * (kill.after or 0) + kill.step
    accesses = range(STEPS_OF_A_CALL * calls + 1)
    return [(kill.worker, access) for access in sorted(accesses, key=lambda access: abs(access - reached))]


def _unrolled(program: Program) -> Program:
    """With every script that is repeated on real workers, a reader's, long enough to see the end."""
    messages = len(program.written_values())

    def unrolled(script: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        if any(Kind(int(kind)).writes for kind in script["kind"]):
            return script
        takes = max(1, int(script["count"][np.isin(script["kind"], [kind.value for kind in _TAKES])].sum()))
        return np.tile(script, messages // takes + 1)

    return replace(program, workers=tuple(map(unrolled, program.workers)))


def _drained(program: Program) -> Program:
    """With one more worker, that takes what the others leave, as the executor does when they have ended."""
    drain = operations([{"kind": Kind.TRY_READ.value}] * (len(program.written_values()) + 1))
    return replace(program, workers=(*program.workers, drain))


def describe_executed(failure: ExecutedFailure) -> str:
    """In this order: the fact; the program that ran, a column per worker; the explorer's word on it, and its shrunk
    counterexample if it has one; Hypothesis's line."""
    program, cell, first = failure.executed.program, failure.cell, failure.failed[0]
    lines = [
        f"{first.property}: {first.rule}: {first.reason}",
        "",
        f"program, on {cell.executor} ({cell.mode}): capacity {program.capacity} bytes",
        *columns(program),
        *(
            f"worker {worker_name(kill.worker)} killed after {kill.after} calls, before access {kill.step}"
            for kill in failure.executed.kills
        ),
        "",
        failure.word,
    ]
    if isinstance(failure.explored, ExploredFailure):
        lines += ["", describe_explored(failure.explored)]
    if failure.reproduce:
        lines.append(f"hypothesis, the program that ran: {failure.reproduce}")
    return "\n".join(lines)
