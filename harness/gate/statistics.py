"""How the gate turns pairs of timings into a decision. Pure functions on arrays; nothing here measures.

A *pair* is one slice of the reference and one of the candidate, taken beside each other in the order ABBA so that a
drift of the machine cancels (Kalibera & Jones, "Rigorous benchmarking in reasonable time", ISMM 2013, argue for
interleaving and for intervals of ratios). What is kept of a pair is the logarithm of the speed ratio, candidate over
reference: 0 is "as fast", log(0.9) is "10 % slower". The centre of the pairs is their trimmed mean (Tukey & McLaughlin
1963), its interval is the percentile bootstrap (Efron 1979), and several metrics are decided together by Holm's
step-down procedure (Holm 1979), so that more metrics do not mean more false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = [
    "CONTENDED",
    "PATH_COST",
    "Answer",
    "Estimate",
    "Judgement",
    "Rule",
    "abba_log_ratios",
    "estimate",
    "holm",
    "judge",
]

Array = npt.NDArray[np.float64]

TRIM = 0.2
"""Share of the pairs that is dropped at each end before the mean."""
CONFIDENCE = 0.99
RESAMPLES = 9_999


@dataclass(frozen=True)
class Rule:
    """When a metric has regressed. Changes of speed as fractions: -0.05 is 5 % slower.

    Attributes:
        name: of the rule, for people.
        pairs: measured at first, and again to confirm.
        change: the estimate must be below this,
        bound: and the upper end of the interval below that.
        warn: an estimate below this, with an interval wholly below 0, is worth a warning; None: never.
        tolerance: same against same must not reach further than this to either side, or the metric is inconclusive.
    """

    name: str
    pairs: int
    change: float
    bound: float
    warn: float | None
    tolerance: float


PATH_COST = Rule("path cost", pairs=20, change=-0.05, bound=-0.02, warn=None, tolerance=0.05)
CONTENDED = Rule("contended", pairs=40, change=-0.25, bound=-0.15, warn=-0.15, tolerance=0.25)


class Answer(StrEnum):
    """What was decided about one metric, or about all of them."""

    PASS = "pass"
    WARNING = "warning"
    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Estimate:
    """A change of speed with its interval; fractions, negative is slower.

    Attributes:
        change: the estimate. low, high: ends of its 99 % interval. p: of "not slower than the rule's bound", one-sided.
        pairs: how many it rests on.
    """

    change: float
    low: float
    high: float
    p: float
    pairs: int

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __str__(self) -> str:
        return f"{self.change:+.1%} [{self.low:+.1%}, {self.high:+.1%}]"


@dataclass(frozen=True)
class Judgement:
    """The decision about one metric, and what it rests on.

    Attributes:
        metric: name. rule: by which it was decided. answer, reason: the decision and one sentence.
        estimate: of the candidate against the reference, all pairs pooled. noise: of the candidate against itself.
        confirmed: did fresh pairs take part?
    """

    metric: str
    rule: Rule
    answer: Answer
    reason: str
    estimate: Estimate
    noise: Estimate
    confirmed: bool

    @property
    def least_seen(self) -> float:
        """The smallest slowdown that this rule could have told with an interval as wide as this one."""
        return min(self.rule.change, self.rule.bound - (self.estimate.high - self.estimate.low) / 2)

    def to_json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "rule": self.rule.name,
            "threshold": self.rule.change,
            "least_seen": self.least_seen,
            "answer": self.answer.value,
            "reason": self.reason,
            "estimate": self.estimate.to_json(),
            "noise": self.noise.to_json(),
            "confirmed": self.confirmed,
        }


def abba_log_ratios(reference: npt.ArrayLike, candidate: npt.ArrayLike) -> Array:
    """Log of the speed ratio of each pair, from costs (time per operation): positive is a faster candidate.

    Raises:
        ValueError: different lengths, no pair, or a cost that is not a positive number.
    """
    a, b = np.asarray(reference, dtype=float), np.asarray(candidate, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"pairs need two equally long rows of costs; got shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a > 0).all() and (b > 0).all()):
        raise ValueError("a cost is a positive, finite number")
    ratios: Array = np.log(a) - np.log(b)
    return ratios


def estimate(log_ratios: npt.ArrayLike, bound: float = 0.0, seed: int = 0) -> Estimate:
    """Trimmed mean of the pairs, its bootstrap interval, and the p-value of "not slower than `bound`".

    Raises:
        ValueError: fewer than five pairs, for which a trimmed mean and its interval mean nothing.
    """
    values = np.asarray(log_ratios, dtype=float)
    if len(values) < 5:
        raise ValueError(f"an estimate needs at least 5 pairs; got {len(values)}")
    center = float(stats.trim_mean(values, TRIM))
    result = stats.bootstrap(
        (values,),
        _trimmed_mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    beyond = int((result.bootstrap_distribution >= math.log1p(bound)).sum())
    low, high = (math.expm1(float(end)) for end in result.confidence_interval)
    return Estimate(math.expm1(center), low, high, (1 + beyond) / (1 + RESAMPLES), len(values))


def _trimmed_mean(values: Array, axis: int = -1) -> Array:
    return np.asarray(stats.trim_mean(values, TRIM, axis=axis))


def holm(p_values: Mapping[str, float], alpha: float = (1 - CONFIDENCE) / 2) -> set[str]:
    """Names whose hypothesis is rejected, the chance of any false rejection being at most `alpha`."""
    rejected: set[str] = set()
    for i, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p > alpha / (len(p_values) - i):
            break
        rejected.add(name)
    return rejected


Confirm = Callable[[Sequence[str]], Mapping[str, Array]]


def judge(
    pairs: Mapping[str, Array], noise: Mapping[str, Array], rule: Rule, confirm: Confirm, seed: int = 0
) -> list[Judgement]:
    """Decide all metrics of one rule together.

    Args:
        pairs: by metric: log ratios, candidate over reference. noise: the same, candidate over candidate.
        confirm: measures fresh pairs of the metrics that look regressed; they are pooled with the first.
    """
    if pairs.keys() != noise.keys():
        raise ValueError("every metric needs its own same-against-same pairs")
    self_estimates = {name: estimate(values, seed=seed) for name, values in noise.items()}
    pooled = dict(pairs)
    estimates = {name: estimate(values, rule.bound, seed) for name, values in pooled.items()}
    suspects = sorted(_suspects(estimates, rule))
    if suspects:
        for name, fresh in confirm(suspects).items():
            pooled[name] = np.concatenate([pooled[name], fresh])
            estimates[name] = estimate(pooled[name], rule.bound, seed)
    regressed = _suspects(estimates, rule) & set(suspects)
    judgements = []
    for name, seen in estimates.items():
        answer, reason = _answer(seen, self_estimates[name], rule, name in regressed)
        judgements.append(Judgement(name, rule, answer, reason, seen, self_estimates[name], confirmed=name in suspects))
    return judgements


def _suspects(estimates: Mapping[str, Estimate], rule: Rule) -> set[str]:
    rejected = holm({name: seen.p for name, seen in estimates.items()})
    return {name for name in rejected if estimates[name].change < rule.change and estimates[name].high < rule.bound}


def _answer(seen: Estimate, noise: Estimate, rule: Rule, regressed: bool) -> tuple[Answer, str]:
    reach = max(noise.high, -noise.low)
    if reach > rule.tolerance:
        if regressed and seen.high < rule.bound - reach:  # no noise of this run comes near it
            return (
                Answer.REGRESSED,
                f"slower by {-seen.change:.1%}, confirmed with fresh pairs, and beyond what the machine's noise "
                f"explains: the same build against itself shows {noise}",
            )
        return (
            Answer.INCONCLUSIVE,
            f"the machine was too noisy: the same build against itself shows {noise}, beyond ±{rule.tolerance:.0%}",
        )
    if regressed:
        return Answer.REGRESSED, f"slower by {-seen.change:.1%}, confirmed with fresh pairs"
    if rule.warn is not None and seen.change < rule.warn and seen.high < 0:
        return Answer.WARNING, f"slower by {-seen.change:.1%}; less than what fails"
    return Answer.PASS, "no regression beyond the rule"
