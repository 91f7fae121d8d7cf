"""A scenario's cell in the explored column: all executions of its smallest form, without kills and with one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

from harness.explore import EVERY, examine
from harness.explore.programs import small_scenario
from harness.explore.record import explored_record, self_test
from harness.mutants import parse
from harness.record import RunRecord
from harness.scenario import Scenario
from harness.verdict import Verdict

__all__ = ["DRIVERS", "explored_cell"]

DRIVERS: tuple[Literal["exhaustive"], Literal["crash"]] = ("exhaustive", "crash")

BUDGET_S = 10.0
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


@cache
def _self_test() -> Verdict:
    """Once in a process is enough: the explorer is deterministic."""
    return self_test()
