"""The gate proves itself: planted delays are found, identical builds are not accused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.gate.driver import PATHS
from harness.gate.measure import Rows
from harness.gate.self_test import SHORT, Effect, SelfTest, decisions, effect_of, run_self_test
from harness.gate.statistics import PATH_COST, Answer, Estimate, Judgement
from harness.verdict import Outcome

ROOT = Path(__file__).parents[2]


def effect(delay: float, decisions: int, found: int, inconclusive: int = 0, alarms: int = 0) -> Effect:
    return Effect(delay, (delay, delay), decisions, found, inconclusive, alarms)


@pytest.mark.timing
def test_a_delay_of_20_percent_is_found_and_an_identical_build_passes() -> None:
    result = run_self_test(ROOT, SHORT)
    assert result.outcome is not Outcome.FAIL, result.reason
    identical, delayed = result.effects
    assert identical.alarms == 0
    assert delayed.found + delayed.inconclusive == delayed.decisions
    assert delayed.found > 0, "the machine was too noisy for any decision"


@pytest.mark.parametrize(
    ("effects", "outcome"),
    [
        ([effect(0.0, 300, 0), effect(0.2, 60, 60), effect(0.1, 60, 54)], Outcome.PASS),
        ([effect(0.0, 300, 0, alarms=1), effect(0.2, 60, 60)], Outcome.FAIL),
        ([effect(0.0, 300, 0), effect(0.2, 60, 60, alarms=1)], Outcome.FAIL),
        ([effect(0.0, 300, 0), effect(0.2, 60, 59)], Outcome.FAIL),
        ([effect(0.0, 300, 0), effect(0.2, 60, 59, inconclusive=1)], Outcome.INCONCLUSIVE),
        ([effect(0.0, 300, 0), effect(0.1, 60, 53)], Outcome.FAIL),
        ([effect(0.0, 300, 0), effect(0.03, 60, 0)], Outcome.PASS),
    ],
)
def test_what_a_self_test_demands(effects: list[Effect], outcome: Outcome) -> None:
    assert SelfTest(tuple(effects), 60).outcome is outcome


def judged(**answers: Answer) -> list[Judgement]:
    seen = Estimate(0.0, 0.0, 0.0, 0.5, 20)
    return [Judgement(metric, PATH_COST, answer, "", seen, seen, False) for metric, answer in answers.items()]


def test_only_the_delayed_path_is_a_find_and_any_other_a_false_alarm() -> None:
    record = {"a": Rows(np.full(6, 10.0), np.full(6, 11.0), np.full(6, 11.0))}
    decided = [
        ("a", judged(a=Answer.REGRESSED, b=Answer.PASS)),
        ("a", judged(a=Answer.PASS, b=Answer.REGRESSED)),  # the wrong one
        ("a", judged(a=Answer.PASS, b=Answer.INCONCLUSIVE)),  # a miss: that b is noisy excuses nothing
        ("a", judged(a=Answer.INCONCLUSIVE, b=Answer.PASS)),
    ]
    seen = effect_of(0.1, record, decided)
    assert (seen.decisions, seen.found, seen.alarms, seen.inconclusive) == (4, 1, 1, 1)
    assert seen.seen == (pytest.approx(0.1), pytest.approx(0.1))
    same = effect_of(0.0, record, [("", family) for _, family in decided])
    assert (same.found, same.alarms, same.inconclusive) == (0, 2, 2)


@pytest.mark.parametrize("cost", [10.3, 11.4])
def test_a_delay_that_was_not_planted_is_neither_found_nor_missed(cost: float) -> None:
    record = {"a": Rows(np.full(6, 10.0), np.full(6, cost), np.full(6, cost))}
    decided = [("a", judged(a=answer)) for answer in (Answer.REGRESSED, Answer.PASS)]
    seen = effect_of(0.1, record, decided)
    assert (seen.found, seen.inconclusive) == (0, 2)
    assert SelfTest((seen,), 6).outcome is Outcome.INCONCLUSIVE


def test_decisions_drawn_from_a_record_find_what_it_holds() -> None:
    random = np.random.default_rng(7)

    def rows(factor: float) -> Rows:
        reference, candidate, copy = (random.normal(10, 0.1, 60) for _ in range(3))
        return Rows(reference, candidate * factor, copy * factor)

    family = {path: rows(1.0) for path in PATHS} | {"pair-8": rows(1.12)}
    found = {j.metric for j in decisions(family, random) if j.answer is Answer.REGRESSED}
    assert found == {"pair-8"}
