"""The smallest program on which the explorer finds a violation.

Hypothesis draws programs and shrinks them; each is explored natively, so that whether it fails is no matter of chance:
an example is one exploration of up to some thousands of executions, and shrinking is exact within that bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

from harness.explore import Exploration, examine, replay
from harness.explore.trace import worker_name
from harness.operation import Kind, message_number, message_writer
from harness.program import Program
from harness.stateful.programs import programs
from harness.verdict import Outcome

__all__ = ["ExploredFailure", "columns", "describe_explored", "find_explored"]

EXPLORED_KINDS = (Kind.TRY_WRITE, Kind.TRY_READ, Kind.PEEK, Kind.SKIP_FORCE)
_SECONDS = 10.0  # of one exploration, never reached: the number of executions is the bound that counts


@dataclass(frozen=True)
class ExploredFailure:
    """A program, what the explorer saw on it, and the planted bug that was in the channel, or ""."""

    program: Program
    exploration: Exploration
    mutant: str = ""


def find_explored(
    mutant: str = "",
    *,
    kinds: tuple[Kind, ...] = EXPLORED_KINDS,
    most_workers: int = 3,
    most_operations: int = 2,
    executions: int = 5_000,
    max_examples: int = 300,
) -> ExploredFailure | None:
    """Draw programs until the explorer convicts the channel on one, and shrink that one; None if none is convicted.

    Args:
        mutant: planted bug of the channel. kinds: operations that are drawn. most_workers, most_operations: bounds of a
            program. executions: bound of each exploration. max_examples: programs, shrinking not counted.
    """

    def convicted(program: Program) -> bool:
        return _explored(program, mutant, executions, minimise=False).verdict.outcome is Outcome.FAIL

    drawn = programs(most_workers=most_workers, most_operations=most_operations, largest_capacity=96, kinds=kinds)
    chosen = settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        smallest = find(drawn, convicted, settings=chosen)
    except NoSuchExample:
        return None
    return ExploredFailure(smallest, _explored(smallest, mutant, executions), mutant)


def _explored(program: Program, mutant: str, executions: int, *, minimise: bool = True) -> Exploration:
    return examine(program, executions=executions, seconds=_SECONDS, mutant=mutant, minimise=minimise)


def describe_explored(failure: ExploredFailure) -> str:
    """In this order: the fact; the program, a column per worker; the interleaving; the replay line."""
    program, exploration = failure.program, failure.exploration
    fact, _, _ = exploration.verdict.reason.partition("; schedule ")
    planted = f", mutant={failure.mutant!r}" if failure.mutant else ""
    lines = [
        f"{exploration.verdict.rule}: {fact}",
        "",
        f"program: capacity {program.capacity} bytes",
        *columns(program),
        "",
        "interleaving:",
        replay(program, exploration.schedule, mutant=failure.mutant).rstrip(),
        "",
        f"replay: replay(program, {exploration.schedule!r}{planted}), program = Program.from_json({program.to_json()})",
    ]
    return "\n".join(lines)


def columns(program: Program) -> list[str]:
    """The calls of a program as lines, a column per worker."""
    cells = []
    for worker, script in enumerate(program.workers):
        column = [f"worker {worker_name(worker)}"]
        for row in script:
            kind, value = Kind(int(row["kind"])), int(row["value"])
            message = (
                f" {message_writer(value)}:{message_number(value)}, {int(row['size'])} bytes" if kind.writes else ""
            )
            column.append(f"{kind.name.lower()}{message}")
        cells.append(column)
    widths = [max(map(len, column)) for column in cells]
    return [
        " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip_longest(*cells, fillvalue="")
    ]
