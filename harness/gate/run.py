"""One run of the gate: exact counters, then path cost, then contention; each against the reference of this run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.gate.apart import PATIENCE_S, Progress, apart, user
from harness.gate.counters import Counters, Difference, agreed, compare, count
from harness.gate.driver import PATHS, Driver, Memory
from harness.gate.measure import CONTENDED_METRICS, Contention, Measure, PathCost, Rows
from harness.gate.rehearsal import rehearse
from harness.gate.source import BrokenPath, Builder, GateError, Tree, tree_of
from harness.gate.statistics import CONTENDED, PATH_COST, Answer, Array, Judgement, Rule, judge

__all__ = ["GateRun", "run_gate"]

YARDSTICK = Path("harness/gate/yardstick.json")


@dataclass(frozen=True)
class GateRun:
    """What a run of the gate saw and decided.

    Attributes:
        reference: name of the reference, or of the yardstick. candidate: digest of the core that was judged.
        differences: exact counters that are not what was agreed. counters: all of them.
        judgements: one per metric. rows: by metric: the costs they rest on, ns.
        floors: by metric: how many times as fast as the yardstick it must be; empty with a reference revision.
        notes: what was not measured, and why.
    """

    reference: str
    candidate: str
    compiler: str
    counters: Counters
    differences: tuple[Difference, ...]
    judgements: tuple[Judgement, ...]
    rows: Mapping[str, Rows]
    floors: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def exit_code(self, strict: bool) -> int:
        """0 pass (also if only some timing is inconclusive), 3 regression, 4 inconclusive and `strict`."""
        answers = {judgement.answer for judgement in self.judgements}
        if self.differences or Answer.REGRESSED in answers:
            return 3
        return 4 if strict and Answer.INCONCLUSIVE in answers else 0

    @property
    def standard(self) -> str:
        """What the candidate must not be slower than."""
        return f"demanded against {self.reference}" if self.floors else self.reference

    @property
    def demanded(self) -> str:
        """With a yardstick: what the changes are relative to."""
        floors = ", ".join(f"{metric} {floor:g}x" for metric, floor in self.floors.items())
        return f"Changes are relative to what is demanded: {floors} {self.reference}"

    def figures(self) -> dict[str, Any]:
        """By metric, for the history: the ratio to the reference, its interval and the cost in ns."""
        figures = {}
        for judgement in self.judgements:
            floor = self.floors.get(judgement.metric, 1.0)
            seen = judgement.estimate
            figures[judgement.metric] = {
                "ratio": (1 + seen.change) * floor,
                "low": (1 + seen.low) * floor,
                "high": (1 + seen.high) * floor,
                "cost_ns": float(np.median(self.rows[judgement.metric].candidate)),
                "answer": judgement.answer.value,
            }
        return figures

    def details(self) -> dict[str, Any]:
        """JSON of everything, for the run record."""
        return {
            "reference": self.reference,
            "candidate": self.candidate,
            "compiler": self.compiler,
            "yardstick": dict(self.floors),
            "judgements": [judgement.to_json() for judgement in self.judgements],
            "pairs": {
                metric: {
                    "log_ratios": _beyond(rows, self.floors.get(metric, 1.0)).tolist(),
                    "noise": rows.noise.tolist(),
                }
                for metric, rows in self.rows.items()
            },
            "counters": self.counters,
            "differences": [str(difference) for difference in self.differences],
            "notes": list(self.notes),
        }


def run_gate(
    root: Path, reference: str | None, progress: Progress = lambda _: None, builder: Builder | None = None
) -> GateRun:
    """Judge the core of the checkout `root` against a revision or folder, or (None) against the yardstick.

    Raises:
        GateError: something does not build, or the reference does not work. BrokenPath: the candidate does not.
    """
    builder = builder or Builder(root)
    candidate = tree_of(root, str(root))
    # first: what is wrong with these needs no build
    against = None if reference is None else tree_of(root, reference)
    agreement = agreed(root)
    floors = _demanded(root) if reference is None else {}
    progress("exact counters")
    counters = count(builder, candidate)
    differences = compare(agreement, counters)
    progress("building")
    other, name = _reference(against, builder, candidate)
    library = builder.build(candidate)
    rehearse(library)
    try:
        rehearse(other)
    except BrokenPath as error:
        raise GateError(f"{name} cannot be a reference: {error}") from error
    judgements, rows, notes = _measured_apart(other, name, library, floors, progress)
    return GateRun(
        name,
        candidate.digest,
        builder.compiler,
        counters,
        tuple(differences),
        judgements,
        rows,
        floors,
        notes,
    )


_Measured = tuple[tuple[Judgement, ...], dict[str, Rows], tuple[str, ...]]


def _measured_apart(
    reference: Path,
    name: str,
    candidate: Path,
    floors: Mapping[str, float],
    progress: Progress,
    patience_s: float = PATIENCE_S,
) -> _Measured:
    """Judgements, the rows that they rest on, and notes; in a process apart, since the rehearsal may have been luck."""
    at_work = user()
    try:
        arguments = (reference, candidate, dict(floors), at_work)
        return apart(_measured, *arguments, what="a path", patience_s=patience_s, progress=progress)
    except BrokenPath as error:
        if at_work.value == _REFERENCE:
            raise GateError(f"{name} cannot be a reference: {error}") from error
        raise


_REFERENCE, _CANDIDATE = range(2)


def _measured(
    reference: Path, candidate: Path, floors: Mapping[str, float], at_work: Any, progress: Progress
) -> _Measured:
    notes = []
    with Memory(at_work) as memory:
        copies = Driver(candidate, memory, _CANDIDATE), Driver(candidate, memory, _CANDIDATE)
        builds = Driver(reference, memory, _REFERENCE), *copies
        judgements, rows = _judge(PathCost(*builds), PATH_COST, floors, progress)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) >= 2:
            more, more_rows = _judge(Contention(*builds, (cpus[0], cpus[1])), CONTENDED, floors, progress)
            judgements, rows = judgements + more, {**rows, **more_rows}
        else:
            notes.append("contention was not measured: it needs two CPUs")
    return tuple(judgements), rows, tuple(notes)


def _reference(reference: Tree | None, builder: Builder, candidate: Tree) -> tuple[Path, str]:
    """The reference's build, and its name."""
    if reference is None:
        return builder.build(candidate, defines=["BENCH_MUTEX_RING"]), "a robust-mutex ring"
    return builder.build(reference), reference.name


def _demanded(root: Path) -> dict[str, float]:
    """By metric: how many times as fast as the yardstick it must be. A metric left out would be judged by nothing."""
    try:
        floors = json.loads((root / YARDSTICK).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GateError(f"{YARDSTICK} cannot be read: {error}") from error
    metrics = {*PATHS, *CONTENDED_METRICS}
    numbers = isinstance(floors, dict) and all(type(floor) in (int, float) for floor in floors.values())
    if not numbers or floors.keys() != metrics or not all(0 < floor < math.inf for floor in floors.values()):
        raise GateError(f"{YARDSTICK} must give each metric a positive number: {', '.join(sorted(metrics))}")
    return {metric: float(floor) for metric, floor in floors.items()}


def _beyond(seen: Rows, floor: float) -> Array:
    """Log ratios; against a yardstick, to what is demanded of the candidate (`floor`; else 1)."""
    ratios: Array = seen.pairs - math.log(floor)
    return ratios


def _judge(
    measure: Measure, rule: Rule, floors: Mapping[str, float], progress: Progress
) -> tuple[list[Judgement], dict[str, Rows]]:
    rows = measure.measure(rule.pairs, measure.metrics, progress)

    def confirm(suspects: Sequence[str]) -> dict[str, Array]:
        fresh = measure.measure(rule.pairs, suspects, lambda what: progress(f"{what}, again"))
        for metric, seen in fresh.items():
            rows[metric] = Rows.joined(rows[metric], seen)
        return {metric: _beyond(seen, floors.get(metric, 1.0)) for metric, seen in fresh.items()}

    judgements = judge(
        {metric: _beyond(seen, floors.get(metric, 1.0)) for metric, seen in rows.items()},
        {metric: seen.noise for metric, seen in rows.items()},
        rule,
        confirm,
    )
    return judgements, rows
