"""Can the gate see? Known delays are planted in a copy of the core, and the gate's own rule decides about them.

What it measures on this machine: how often identical builds raise an alarm, and how often a delay of 3, 5, 10 and 20 %
of one path is found. Pairs are recorded once per delay; each decision draws its pairs, and the fresh ones that confirm
it, from the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.gate.driver import PATHS, Driver, Memory
from harness.gate.measure import PathCost, Rows
from harness.gate.source import Builder, tree_of
from harness.gate.statistics import PATH_COST, Answer, Array, Judgement, judge
from harness.verdict import Outcome

__all__ = ["FULL", "SHORT", "Effect", "Extent", "SelfTest", "decisions", "run_self_test"]

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much a self-test does.

    Attributes:
        delays: planted, as fractions of the cost. rounds: recorded per path and delay. slice_ns: of a slice.
        identical: decisions about identical builds. delayed: decisions per delay, spread over the paths.
    """

    delays: tuple[float, ...]
    rounds: int
    slice_ns: int
    identical: int
    delayed: int


FULL = Extent(delays=(0.03, 0.05, 0.10, 0.20), rounds=60, slice_ns=10_000_000, identical=300, delayed=60)
SHORT = Extent(delays=(0.20,), rounds=44, slice_ns=4_000_000, identical=60, delayed=24)

REQUIRED = {0.10: 0.90, 0.20: 1.0}
"""Delays that must be found, and in what share of the decisions."""


@dataclass(frozen=True)
class Effect:
    """What the gate made of one delay (0: identical builds).

    Attributes:
        delay: planted; seen: median of what was recorded, over the paths. Fractions of the cost.
        decisions: how many; found: of them with a regression; inconclusive: with a path too noisy to be judged.
    """

    delay: float
    seen: float
    decisions: int
    found: int
    inconclusive: int

    def __str__(self) -> str:
        what = f"{self.delay:.0%} delay" if self.delay else "identical builds"
        rate = self.found / self.decisions
        text = f"{what} (recorded {self.seen:+.1%}): {self.found} of {self.decisions} decisions regressed, {rate:.1%}"
        return f"{text}; {self.inconclusive} inconclusive" if self.inconclusive else text


@dataclass(frozen=True)
class SelfTest:
    """Effects of all delays, and what they say about the gate."""

    effects: tuple[Effect, ...]

    @property
    def outcome(self) -> Outcome:
        return self._judged()[0]

    @property
    def reason(self) -> str:
        return self._judged()[1]

    def _judged(self) -> tuple[Outcome, str]:
        for effect in self.effects:
            if effect.delay == 0 and effect.found:
                return Outcome.FAIL, f"{effect.found} false alarms in {effect.decisions} decisions"
        for effect in self.effects:
            required = REQUIRED.get(effect.delay, 0.0)
            if effect.found < required * effect.decisions:
                blind = (
                    f"{effect.found} of {effect.decisions} found of a {effect.delay:.0%} delay, {required:.0%} required"
                )
                if effect.found + effect.inconclusive >= required * effect.decisions:
                    return Outcome.INCONCLUSIVE, f"{blind}; the machine was too noisy for the rest"
                return Outcome.FAIL, blind
        return Outcome.PASS, "no false alarm, and every delay that must be found was"

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome.value,
            "reason": self.reason,
            "effects": [dict(effect.__dict__) for effect in self.effects],
        }


def run_self_test(root: Path, extent: Extent, progress: Progress = lambda _: None, seed: int = 1) -> SelfTest:
    """Plant delays in a copy of the core of the checkout `root`.

    Raises:
        GateError: it does not build.
    """
    builder = Builder(root)
    progress("building")
    library = builder.build(tree_of(root, str(root)), defines=["BENCH_DELAYED"])
    with Memory() as memory:
        records = _record(Driver(library, memory), Driver(library, memory), Driver(library, memory), extent, progress)
    random = np.random.default_rng(seed)
    identical = records[0.0]
    effects = []
    for delay, record in records.items():
        progress(f"deciding about {delay:.0%}")
        if delay == 0:
            families = [identical] * extent.identical
        else:
            paths = [PATHS[number % len(PATHS)] for number in range(extent.delayed)]
            families = [{**identical, path: record[path]} for path in paths]
        judged = [decisions(family, random) for family in families]
        seen = float(np.median([np.expm1(np.median(-rows.pairs)) for rows in record.values()]))
        effects.append(
            Effect(
                delay,
                seen,
                len(judged),
                sum(any(j.answer is Answer.REGRESSED for j in family) for family in judged),
                sum(
                    any(j.answer is Answer.INCONCLUSIVE for j in family)
                    and not any(j.answer is Answer.REGRESSED for j in family)
                    for family in judged
                ),
            )
        )
    return SelfTest(tuple(effects))


def decisions(family: Mapping[str, Rows], random: np.random.Generator) -> list[Judgement]:
    """One decision of the path-cost rule, from recorded rounds drawn without replacement."""
    first: dict[str, Array] = {}
    noise: dict[str, Array] = {}
    fresh: dict[str, Array] = {}
    for path, rows in family.items():
        drawn = random.permutation(len(rows.pairs))[: 2 * PATH_COST.pairs]
        first[path] = rows.pairs[drawn[: PATH_COST.pairs]]
        noise[path] = rows.noise[drawn[: PATH_COST.pairs]]
        fresh[path] = rows.pairs[drawn[PATH_COST.pairs :]]

    def confirm(suspects: Sequence[str]) -> dict[str, Array]:
        return {path: fresh[path] for path in suspects}

    return judge(first, noise, PATH_COST, confirm)


def _record(
    reference: Driver, candidate: Driver, copy: Driver, extent: Extent, progress: Progress
) -> dict[float, dict[str, Rows]]:
    """Rounds of each path at each delay, identical builds first."""
    measure = PathCost(reference, candidate, copy, extent.slice_ns)
    records: dict[float, dict[str, Rows]] = {}
    for delay in (0.0, *extent.delays):
        records[delay] = {}
        for path in PATHS:
            rate = _calibrated(candidate, reference, path, delay) if delay else 0
            candidate.delay(rate)
            copy.delay(rate)
            progress(f"{path}, {delay:.0%} slower")
            records[delay].update(measure.measure(extent.rounds, [path], lambda _: None))
    return records


_CALIBRATION_OPERATIONS = dict.fromkeys(PATHS, 20_000) | {"batch-64": 1_000}
_LARGEST_RATE = 1 << 20


def _calibrated(delayed: Driver, plain: Driver, path: str, delay: float) -> int:
    """The rate at which `path` costs `delay` more; by bisection, since a busy core hides part of a small delay."""
    times = _CALIBRATION_OPERATIONS[path]
    low, high = 0, _LARGEST_RATE
    while high - low > max(high // 64, 1):
        middle = (low + high) // 2
        delayed.delay(middle)
        ratios = [delayed.cost(path, times) / plain.cost(path, times) for _ in range(7)]
        if np.median(ratios) < 1 + delay:
            low = middle
        else:
            high = middle
    return high
