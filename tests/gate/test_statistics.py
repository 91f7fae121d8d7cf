"""The statistics of the gate: properties, and rates of false alarm and detection simulated with fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gate.statistics import (
    CONTENDED,
    PATH_COST,
    Answer,
    Judgement,
    Rule,
    abba_log_ratios,
    estimate,
    holm,
    judge,
)

Array = npt.NDArray[np.float64]
COSTS = st.lists(st.floats(1, 1e6), min_size=5, max_size=30)


@given(COSTS)
def test_identical_costs_show_no_change(costs: list[float]) -> None:
    assert (abba_log_ratios(costs, costs) == 0).all()


@given(COSTS, st.floats(0.5, 2))
def test_a_constant_slowdown_is_found_exactly(costs: list[float], factor: float) -> None:
    seen = estimate(abba_log_ratios(costs, np.asarray(costs) * factor))
    for value in (seen.change, seen.low, seen.high):
        assert value == pytest.approx(1 / factor - 1, abs=1e-9)


@given(COSTS, COSTS)
def test_exchanging_the_builds_turns_the_sign(a: list[float], b: list[float]) -> None:
    length = min(len(a), len(b))
    assert abba_log_ratios(a[:length], b[:length]) == pytest.approx(-abba_log_ratios(b[:length], a[:length]))


@given(st.lists(st.floats(-1, 1), min_size=20, max_size=20), st.integers(0, 19), st.floats(-50, 50))
@settings(max_examples=50)
def test_one_wild_pair_moves_the_estimate_no_further_than_the_others_lie(
    values: list[float], at: int, wild: float
) -> None:
    others = values[:at] + values[at + 1 :]
    center = math.log1p(estimate([*others, wild]).change)
    assert min(others) - 1e-9 <= center <= max(others) + 1e-9


@given(st.lists(st.floats(-0.2, 0.2), min_size=5, max_size=40))
@settings(max_examples=50)
def test_the_interval_holds_the_estimate(values: list[float]) -> None:
    seen = estimate(values)
    assert seen.low - 1e-9 <= seen.change <= seen.high + 1e-9


@pytest.mark.parametrize(
    ("reference", "candidate", "message"),
    [
        ([1.0], [1.0, 2.0], "equally long"),
        ([], [], "equally long"),
        ([0.0], [1.0], "positive"),
        ([math.nan], [1.0], "pos"),
    ],
)
def test_what_is_no_pair_is_refused(reference: list[float], candidate: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        abba_log_ratios(reference, candidate)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 5 pairs"):
        estimate([0.0] * 4)


def test_holm_on_the_textbook_example() -> None:
    # Holm 1979 at 5 %: 0.01 < 0.05/4, 0.013 < 0.05/3, but 0.03 > 0.05/2, so nothing after it is rejected either
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.013}, alpha=0.05) == {"a", "d"}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8), st.floats(0.001, 0.2))
def test_holm_rejects_at_least_what_bonferroni_does(p_values: dict[str, float], alpha: float) -> None:
    bonferroni = {name for name, p in p_values.items() if p <= alpha / max(len(p_values), 1)}
    assert bonferroni <= holm(p_values, alpha) <= {name for name, p in p_values.items() if p <= alpha}


# ---- the rule, on simulated machines


def simulated(
    random: np.random.Generator, rule: Rule, deviation: float, slowdown: float, metrics: int = 6
) -> list[Judgement]:
    """A decision about `metrics` metrics, the first of which is slower by `slowdown`; noise with rare wild pairs."""

    def pairs(shift: float) -> Array:
        values = random.normal(shift, deviation, rule.pairs)
        wild = random.random(rule.pairs) < 0.05
        return np.where(wild, random.normal(shift, 8 * deviation, rule.pairs), values)

    shifts = {f"m{i}": math.log1p(-slowdown) if i == 0 else 0.0 for i in range(metrics)}

    def confirm(suspects: Sequence[str]) -> Mapping[str, Array]:
        return {name: pairs(shifts[name]) for name in suspects}

    return judge({name: pairs(s) for name, s in shifts.items()}, {name: pairs(0.0) for name in shifts}, rule, confirm)


def test_the_path_cost_rule_raises_no_false_alarm_in_300_identical_builds() -> None:
    random = np.random.default_rng(20260)
    alarms = 0
    for _ in range(50):  # six metrics each
        alarms += sum(j.answer is Answer.REGRESSED for j in simulated(random, PATH_COST, 0.038, 0.0))
    assert alarms == 0


@pytest.mark.parametrize(("slowdown", "least"), [(0.10, 0.76), (0.20, 0.93)])
def test_the_path_cost_rule_finds_slowdowns(slowdown: float, least: float) -> None:
    random = np.random.default_rng(20261)
    decisions = [simulated(random, PATH_COST, 0.038, slowdown)[0] for _ in range(40)]
    found = sum(j.answer is Answer.REGRESSED for j in decisions)
    assert found / len(decisions) >= least


def test_a_slowdown_within_the_rule_is_no_alarm() -> None:
    random = np.random.default_rng(20262)
    decisions = [simulated(random, PATH_COST, 0.01, 0.03)[0] for _ in range(40)]
    assert not any(j.answer is Answer.REGRESSED for j in decisions)


def test_a_noisy_machine_is_inconclusive_about_a_slowdown_within_its_noise() -> None:
    decision = simulated(np.random.default_rng(20263), PATH_COST, 0.36, 0.1)[0]
    assert decision.answer is Answer.INCONCLUSIVE
    assert "too noisy" in decision.reason


def test_a_noisy_machine_hides_no_slowdown_beyond_its_noise() -> None:
    random = np.random.default_rng(20265)
    decisions = [simulated(random, PATH_COST, 0.2, 0.6)[0] for _ in range(20)]
    assert sum(j.answer is Answer.REGRESSED for j in decisions) >= 18
    assert any("beyond what the machine's noise explains" in j.reason for j in decisions)


@pytest.mark.parametrize("deviation", [0.1, 0.36])
def test_a_noisy_machine_raises_no_false_alarm(deviation: float) -> None:
    random = np.random.default_rng(20266)
    answers = {j.answer for _ in range(40) for j in simulated(random, PATH_COST, deviation, 0.0)}
    assert answers <= {Answer.PASS, Answer.INCONCLUSIVE}


def test_contended_metrics_warn_before_they_fail() -> None:
    random = np.random.default_rng(20264)
    answers = {slowdown: simulated(random, CONTENDED, 0.05, slowdown, 2)[0].answer for slowdown in (0.05, 0.2, 0.4)}
    assert answers == {0.05: Answer.PASS, 0.2: Answer.WARNING, 0.4: Answer.REGRESSED}


def test_an_alarm_that_fresh_pairs_do_not_repeat_is_none() -> None:
    slow, same = np.full(20, math.log(0.9)), np.zeros(20)
    asked: list[list[str]] = []

    def confirm(suspects: Sequence[str]) -> Mapping[str, Array]:
        asked.append(list(suspects))
        return {name: np.full(20, math.log(1.1)) for name in suspects}

    decisions = judge({"slow": slow, "same": same}, {"slow": same, "same": same}, PATH_COST, confirm)
    assert asked == [["slow"]]
    assert [d.answer for d in decisions] == [Answer.PASS, Answer.PASS]
    assert decisions[0].estimate.pairs == 40


def test_what_did_not_look_regressed_at_first_cannot_regress() -> None:
    same = np.zeros(20)

    def confirm(_suspects: Sequence[str]) -> Mapping[str, Array]:
        raise AssertionError("nobody was suspected")

    assert judge({"m": same}, {"m": same}, PATH_COST, confirm)[0].answer is Answer.PASS


def test_a_metric_without_its_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="same-against-same"):
        judge({"m": np.zeros(20)}, {}, PATH_COST, lambda _: {})
