"""The gate proves itself: planted delays are found, identical builds are not accused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.gate.driver import PATHS
from harness.gate.measure import Rows
from harness.gate.self_test import SHORT, Effect, SelfTest, decisions, run_self_test
from harness.gate.statistics import Answer
from harness.verdict import Outcome

ROOT = Path(__file__).parents[2]


@pytest.mark.timing
def test_a_delay_of_20_percent_is_found_and_an_identical_build_passes() -> None:
    result = run_self_test(ROOT, SHORT)
    assert result.outcome is not Outcome.FAIL, result.reason
    identical, delayed = result.effects
    assert identical.found == 0
    assert delayed.found + delayed.inconclusive == delayed.decisions
    assert delayed.found > 0, "the machine was too noisy for any decision"


@pytest.mark.parametrize(
    ("effects", "outcome"),
    [
        ([Effect(0, 0, 300, 0, 0), Effect(0.2, 0.2, 60, 60, 0), Effect(0.1, 0.1, 60, 54, 0)], Outcome.PASS),
        ([Effect(0, 0, 300, 1, 0), Effect(0.2, 0.2, 60, 60, 0)], Outcome.FAIL),
        ([Effect(0, 0, 300, 0, 0), Effect(0.2, 0.2, 60, 59, 0)], Outcome.FAIL),
        ([Effect(0, 0, 300, 0, 0), Effect(0.2, 0.2, 60, 59, 1)], Outcome.INCONCLUSIVE),
        ([Effect(0, 0, 300, 0, 0), Effect(0.1, 0.1, 60, 53, 0)], Outcome.FAIL),
        ([Effect(0, 0, 300, 0, 0), Effect(0.03, 0.03, 60, 0, 0)], Outcome.PASS),
    ],
)
def test_what_a_self_test_demands(effects: list[Effect], outcome: Outcome) -> None:
    assert SelfTest(tuple(effects)).outcome is outcome


def test_decisions_drawn_from_a_record_find_what_it_holds() -> None:
    random = np.random.default_rng(7)

    def rows(factor: float) -> Rows:
        reference, candidate, copy = (random.normal(10, 0.1, 60) for _ in range(3))
        return Rows(reference, candidate * factor, copy * factor)

    family = {path: rows(1.0) for path in PATHS} | {"pair-8": rows(1.12)}
    found = {j.metric for j in decisions(family, random) if j.answer is Answer.REGRESSED}
    assert found == {"pair-8"}
