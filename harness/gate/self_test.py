"""Can the gate see? Known delays are planted in a copy of the core, and the gate's own rule decides about them.

What it measures on this machine: how often identical builds raise an alarm, and how often a delay of 3, 5, 10 and 20 %
of one path is found. Rounds are recorded once per delay; each decision draws its own, and the fresh ones that confirm
it, from the record. The decisions of one record overlap: their rates tell of the machine at that time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.gate.apart import Progress, apart
from harness.gate.driver import PATHS, Driver, Memory
from harness.gate.measure import PathCost, Rows
from harness.gate.rehearsal import rehearse
from harness.gate.source import Builder, tree_of
from harness.gate.statistics import PATH_COST, Answer, Array, Judgement, judge
from harness.verdict import Outcome
from harness.words import counted

__all__ = ["FULL", "SHORT", "Effect", "Extent", "SelfTest", "decisions", "effect_of", "run_self_test"]


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


FULL = Extent(delays=(0.03, 0.05, 0.10, 0.20), rounds=100, slice_ns=10_000_000, identical=300, delayed=60)
SHORT = Extent(delays=(0.20,), rounds=44, slice_ns=4_000_000, identical=60, delayed=24)

REQUIRED = {0.10: 0.90, 0.20: 1.0}
"""Delays that must be found, and in what share of the decisions."""


@dataclass(frozen=True)
class Effect:
    """What the gate made of one delay (0: identical builds).

    Attributes:
        delay: planted; seen: what was recorded of it, least and most over the paths. Fractions of the cost.
        decisions: how many; found: those in which the delayed path regressed; inconclusive: in which it (of identical
            builds: any path) was too noisy to be judged, or the delay that was recorded is not about the one that was
            asked for; alarms: in which a path without delay regressed.
    """

    delay: float
    seen: tuple[float, float]
    decisions: int
    found: int
    inconclusive: int
    alarms: int

    def __str__(self) -> str:
        what = f"{self.delay:.0%} delay" if self.delay else "identical builds"
        text = (
            f"{what} (recorded {self.seen[0]:+.1%} to {self.seen[1]:+.1%}): of {counted(self.decisions, 'decision')} "
        )
        if self.delay:
            text += f"{self.found} found it, {self.found / self.decisions:.1%}; "
        return f"{text}{counted(self.alarms, 'false alarm')}, {self.inconclusive} inconclusive"


@dataclass(frozen=True)
class SelfTest:
    """Effects of all delays, and what they say about the gate. rounds: recorded per path and delay."""

    effects: tuple[Effect, ...]
    rounds: int

    @property
    def outcome(self) -> Outcome:
        return self._judged()[0]

    @property
    def reason(self) -> str:
        return self._judged()[1]

    def _judged(self) -> tuple[Outcome, str]:
        for effect in self.effects:
            if effect.alarms:
                return (
                    Outcome.FAIL,
                    f"{counted(effect.alarms, 'false alarm')} in {counted(effect.decisions, 'decision')}",
                )
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
            "rounds": self.rounds,
            "effects": [dict(effect.__dict__) for effect in self.effects],
        }


def run_self_test(root: Path, extent: Extent, progress: Progress = lambda _: None, seed: int = 1) -> SelfTest:
    """Plant delays in a copy of the core of the checkout `root`.

    Raises:
        GateError: it does not build. BrokenPath: it does not work.
    """
    builder = Builder(root)
    progress("building")
    library = builder.build(tree_of(root, str(root)), defines=["BENCH_DELAYED"])
    rehearse(library)
    records = apart(_recorded_apart, library, extent, what="a path", progress=progress)
    random = np.random.default_rng(seed)
    identical = records[0.0]
    effects = []
    for delay, record in records.items():
        progress(f"deciding about {delay:.0%}")
        paths = [PATHS[n % len(PATHS)] for n in range(extent.delayed)] if delay else [""] * extent.identical
        families = [{**identical, path: record[path]} if path else identical for path in paths]
        judged = [(path, decisions(family, random)) for path, family in zip(paths, families, strict=True)]
        effects.append(effect_of(delay, record, judged))
    return SelfTest(tuple(effects), extent.rounds)


def effect_of(delay: float, record: Mapping[str, Rows], judged: Sequence[tuple[str, Sequence[Judgement]]]) -> Effect:
    """What decisions came to; each with the path that was delayed, or an empty name."""
    seen = {path: _recorded(rows) for path, rows in record.items()}
    answers = [(path, {j.metric: j.answer for j in family}) for path, family in judged]
    for path, told in answers:
        # nothing was planted there that the rule could have found, or missed
        if path and not _is_planted(seen[path], delay):
            told[path] = Answer.INCONCLUSIVE
    return Effect(
        delay,
        (min(seen.values()), max(seen.values())),
        decisions=len(answers),
        found=sum(told.get(path) is Answer.REGRESSED for path, told in answers),
        inconclusive=sum(
            Answer.INCONCLUSIVE in ([told[path]] if path else list(told.values())) for path, told in answers
        ),
        alarms=sum(
            any(answer is Answer.REGRESSED for metric, answer in told.items() if metric != path)
            for path, told in answers
        ),
    )


def _recorded(rows: Rows) -> float:
    """The delay that a record shows, as a fraction of the cost."""
    return float(np.expm1(np.median(-rows.pairs)))


def _is_planted(seen: float, delay: float) -> bool:
    """Is a recorded delay about the one that was asked for?"""
    return abs(seen - delay) <= max(_AWRY * delay, 0.01)


def decisions(family: Mapping[str, Rows], random: np.random.Generator) -> list[Judgement]:
    """One decision of the path-cost rule, from recorded rounds drawn without replacement.

    What is drawn is two rounds that were measured one after the other, in the two orders of ABBA.
    """
    first: dict[str, Array] = {}
    noise: dict[str, Array] = {}
    fresh: dict[str, Array] = {}
    for path, rows in family.items():
        blocks = random.permutation(len(rows.pairs) // 2)[: PATH_COST.pairs]
        drawn = np.column_stack([2 * blocks, 2 * blocks + 1]).ravel()
        first[path] = rows.pairs[drawn[: PATH_COST.pairs]]
        noise[path] = rows.noise[drawn[: PATH_COST.pairs]]
        fresh[path] = rows.pairs[drawn[PATH_COST.pairs :]]

    def confirm(suspects: Sequence[str]) -> dict[str, Array]:
        return {path: fresh[path] for path in suspects}

    return judge(first, noise, PATH_COST, confirm)


def _recorded_apart(library: Path, extent: Extent, progress: Progress) -> dict[float, dict[str, Rows]]:
    with Memory() as memory:
        return _record(Driver(library, memory), Driver(library, memory), Driver(library, memory), extent, progress)


def _record(
    reference: Driver, candidate: Driver, copy: Driver, extent: Extent, progress: Progress
) -> dict[float, dict[str, Rows]]:
    """Rounds of each path at each delay, identical builds first."""
    measure = PathCost(reference, candidate, copy, extent.slice_ns)
    records: dict[float, dict[str, Rows]] = {}
    for delay in (0.0, *extent.delays):
        records[delay] = {}
        for path in PATHS:
            for _ in range(_ATTEMPTS):
                rate = _calibrated(candidate, reference, path, delay) if delay else 0
                candidate.delay(rate)
                copy.delay(rate)
                progress(f"{path}, {delay:.0%} slower")
                records[delay].update(measure.measure(extent.rounds, [path], lambda _: None))
                # a neighbour in the middle of the bisection leads it astray
                if not delay or _is_planted(_recorded(records[delay][path]), delay):
                    break
    return records


_CALIBRATION_OPERATIONS = dict.fromkeys(PATHS, 20_000) | {"batch-64": 1_000}
_LARGEST_RATE = 1 << 20
_ATTEMPTS = 3
_AWRY = 0.3
"""A delay that is recorded by more than this part of it larger or smaller is another one."""


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
