"""The explored column: all executions of a scenario's smallest form, without kills and with one; and of the programs
that convict planted bugs, which go where the scenarios do not: batches, state(), the end of the stream, time-outs,
sizes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

from harness.explore import EVERY, Exploration, examine
from harness.explore.programs import CONVICTING, WITH_DEAD, small_scenario
from harness.explore.record import explored_record, self_test
from harness.mutants import parse
from harness.program import Program
from harness.record import RunRecord
from harness.scenario import Scenario
from harness.verdict import Outcome, Verdict
from harness.words import counted

__all__ = ["BUILT_IN", "DRIVERS", "explored_cell", "explored_programs"]

DRIVERS: tuple[Literal["exhaustive"], Literal["crash"]] = ("exhaustive", "crash")

BUILT_IN: tuple[tuple[Literal["exhaustive", "crash"], Literal["rc11", "sc"]], ...] = (
    ("exhaustive", "rc11"),
    ("exhaustive", "sc"),
    ("crash", "rc11"),
)
"""How the built-in programs are explored; under sc they are judged in real time."""

BUDGET_S = 40.0
"""The sizes are such that a tenth of it is enough; a machine on which it is not gets an inconclusive verdict."""


def explored_cell(
    scenario: Scenario, driver: Literal["exhaustive", "crash"], *, mutant: str | None = None, command: str = ""
) -> RunRecord:
    """Explore the scenario in small.

    Args:
        scenario: which. driver: of DRIVERS. mutant: planted bug, as `parse` reads it. command: for the record.

    Raises:
        ProgramError: the scenario has no small form.
    """
    planted = None if mutant is None else parse(mutant)
    name, every = ("", EVERY) if planted is None else (planted.name, planted.every or EVERY)
    program = small_scenario(scenario.name)
    seen = examine(program, driver=driver, seconds=BUDGET_S, mutant=name, every=every)
    record = explored_record(
        program, seen, _self_test(), target=[scenario.name], mutant=name, every=every, command=command
    )
    return replace(record, details={**record.details, "title": scenario.title, "claim": scenario.claim})


def explored_programs(
    driver: Literal["exhaustive", "crash"],
    model: Literal["rc11", "sc"],
    *,
    mutant: str | None = None,
    command: str = "",
) -> RunRecord:
    """Explore the built-in programs: one record of all, or, if one fails, of the first that does.

    Args:
        driver, model: of BUILT_IN. mutant: planted bug, as `parse` reads it. command: for the record.
    """
    planted = None if mutant is None else parse(mutant)
    name, every = ("", EVERY) if planted is None else (planted.name, planted.every or EVERY)
    explored: list[tuple[Program, Exploration]] = []
    for program in (WITH_DEAD if driver == "crash" else CONVICTING).values():
        seen = examine(program, driver=driver, model=model, seconds=BUDGET_S, mutant=name, every=every)
        explored.append((program, seen))
        if seen.verdict.outcome is Outcome.FAIL:
            break
    outcome, _ = Verdict.overall([seen.verdict for _, seen in explored])
    program, seen = next(pair for pair in explored if pair[1].verdict.outcome is outcome)
    if outcome is Outcome.PASS:
        said = f"every execution of {counted(len(explored), 'program')}, driver {driver}, model {model}"
        seen = replace(seen, verdict=replace(seen.verdict, reason=said))
    seen = replace(
        seen,
        executions=sum(one.executions for _, one in explored),
        cut=sum(one.cut for _, one in explored),
        bounded=sum(one.bounded for _, one in explored),
        histories=sum(one.histories for _, one in explored),
        seconds=sum(one.seconds for _, one in explored),
    )
    target = [program.name.replace(" ", "-")]
    record = explored_record(program, seen, _self_test(), target=target, mutant=name, every=every, command=command)
    details = {**record.details, "claim": "No execution of a small program breaks a guarantee."}
    if outcome is not Outcome.PASS:
        return replace(record, details=details)
    return replace(record, scenario="built-in programs", parameters={}, program_digest="", details=details)


@cache
def _self_test() -> Verdict:
    """Once in a process is enough: the explorer is deterministic."""
    return self_test()
