"""Every planted bug is found by drawn programs, shrunk to what it needs, and told so that a person can read it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings

from harness.explore import replay
from harness.mutants import Mutant, all_mutants
from harness.operation import Kind
from harness.program import Program
from harness.stateful.explored import (
    EXECUTIONS,
    Drawn,
    describe_explored,
    explored,
    explored_programs,
    find_explored,
)
from harness.verdict import Outcome

EXPECTED = Path(__file__).with_name("early_publish.txt")

BUDGET_S = 60.0  # of CPU: the clock's seconds are the machine's load

# drawn and shrunk in a few seconds each, or more; their goldens are run always
SLOW = {
    "unchecked-empty",
    "unchecked-peek",
    "unchecked-batch",
    "unchecked-state",
    "reader-fence-relaxed",
    "silent-partial",
    "silent-recovery",
    "late-tail",
}


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, id=mutant.name, marks=[pytest.mark.stress] if mutant.name in SLOW else [])
        for mutant in all_mutants()
    ],
)
def test_a_planted_bug_is_found_in_time_and_shrunk_to_what_it_needs(mutant: Mutant) -> None:
    begun = time.process_time()
    found = find_explored(mutant.name)
    assert time.process_time() - begun <= BUDGET_S
    assert found is not None
    needs = mutant.needs
    assert found.workers <= needs.workers
    assert found.operations <= needs.operations
    assert found.cost.switches <= needs.switches
    assert found.cost.stale <= needs.stale
    assert found.cost.kills == len(found.kills) <= needs.kills
    assert replay(found.program, found.exploration.schedule, mutant=mutant.name, kills=found.kills)
    assert explored(found.drawn).verdict.outcome is not Outcome.FAIL  # the faithful channel, on the same program


def test_a_drawn_program_is_exhausted_or_buys_ten_thousand_executions() -> None:
    """And the faithful channel is right in all of them. At least 200 programs, in a minute of one core."""
    bought: list[int] = []
    begun = time.process_time()

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(drawn=explored_programs())
    def explore_all(drawn: Drawn) -> None:
        seen = explored(drawn)
        assert seen.verdict.outcome is not Outcome.FAIL, seen.verdict
        bought.append(seen.visited)
        assert seen.exhausted or bought[-1] >= EXECUTIONS

    explore_all()
    assert time.process_time() - begun <= 60.0
    assert len(bought) >= 200
    assert max(bought) >= EXECUTIONS


@pytest.mark.stress
@pytest.mark.timeout(1_200)
def test_the_core_is_right_on_drawn_programs_for_longer() -> None:
    """As many as the profile has; 10,000 executions of each, or all."""
    executions = 0

    @given(drawn=explored_programs())
    def explore_all(drawn: Drawn) -> None:
        nonlocal executions
        seen = explored(drawn)
        assert seen.verdict.outcome is not Outcome.FAIL, seen.verdict
        executions += seen.visited

    explore_all()
    assert executions >= settings().max_examples


def test_the_example_of_the_text_reproduces_under_hypothesis() -> None:
    """The last line of the text, as a person would paste it: with no phase but the explicit examples."""
    found = find_explored("no-recovery")
    assert found is not None
    assert found.kills
    *_, assignment, _, last = describe_explored(found).splitlines()
    names: dict[str, Any] = {"Program": Program, "Drawn": Drawn, "example": example}
    exec(assignment, names)  # the text is ours
    decorator: Callable[[Callable[..., None]], Callable[..., None]] = eval(last.removeprefix("hypothesis: @"), names)

    @settings(phases=[Phase.explicit])
    @decorator
    @given(drawn=explored_programs())
    def passes(drawn: Drawn) -> None:
        assert drawn.kills == found.kills
        assert explored(drawn, "no-recovery").verdict.outcome is not Outcome.FAIL, "reproduced"

    with pytest.raises(AssertionError, match="reproduced"):
        passes()


def test_the_text_is_the_expected_one() -> None:
    """Deterministic from end to end, so it is compared letter by letter; the core's line numbers aside."""
    found = find_explored("early-publish", kinds=(Kind.TRY_WRITE, Kind.TRY_READ))
    assert found is not None
    text = re.sub(r"(\.hpp):\d+", r"\1:#", describe_explored(found))
    assert text + "\n" == EXPECTED.read_text(encoding="utf-8")
