"""The explored column of a run."""

from __future__ import annotations

from typing import Literal

import pytest

from harness.explore import cell
from harness.explore.cell import BUILT_IN, DRIVERS, explored_cell, explored_programs
from harness.verdict import Outcome
from scenarios import SCENARIOS


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_exhausted_in_small(name: str, driver: Literal["exhaustive", "crash"]) -> None:
    record = explored_cell(SCENARIOS[name], driver)
    assert (record.outcome, record.details["exhausted"]) == (Outcome.PASS, True)
    assert (record.kind, record.executor, record.scenario) == ("explore", "explored", name)


def test_a_planted_bug_is_convicted_with_a_command_that_replays() -> None:
    record = explored_cell(SCENARIOS["mwmr"], "exhaustive", mutant="publish-relaxed")
    assert record.outcome is Outcome.FAIL
    assert record.failures[0].command.startswith("channel-harness replay mwmr ")
    assert record.failures[0].reproduced == "5/5"


def test_what_was_cut_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell, "BUDGET_S", 0.0)
    assert explored_cell(SCENARIOS["mwmr"], "exhaustive").outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(("driver", "model"), BUILT_IN)
def test_the_built_in_programs_are_exhausted_and_are_one_record(
    driver: Literal["exhaustive", "crash"], model: Literal["rc11", "sc"]
) -> None:
    record = explored_programs(driver, model)
    assert (record.outcome, record.details["exhausted"]) == (Outcome.PASS, True)
    assert (record.scenario, record.details["model"]) == ("built-in programs", model)
    assert record.details["executions"] > 10_000


@pytest.mark.parametrize(("mutant", "program"), [("silent-partial", "partial-batch"), ("wrong-wrap", "straddling")])
def test_what_no_scenario_shows_is_convicted_in_a_built_in_program(mutant: str, program: str) -> None:
    for scenario in SCENARIOS.values():
        assert explored_cell(scenario, "exhaustive", mutant=mutant).outcome is Outcome.PASS
    record = explored_programs("exhaustive", "rc11", mutant=mutant)
    assert record.outcome is Outcome.FAIL
    assert record.failures[0].command.startswith(f"channel-harness replay {program} ")
    assert record.failures[0].reproduced == "5/5"
