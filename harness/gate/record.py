"""A run of the gate as a run record, which is what the report reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.gate.run import GateRun
from harness.gate.statistics import Answer
from harness.record import RunRecord
from harness.verdict import Outcome, Verdict, Witness
from harness.words import counted

__all__ = ["gate_record", "verdicts"]


def verdicts(run: GateRun) -> list[Verdict]:
    """One for the counters, one per metric."""
    total = sum(len(counters) for counters in run.counters.values())
    found = []
    if run.differences:
        sentence = f"{counted(len(run.differences), 'difference')} of exact counters; the first: {run.differences[0]}"
        found.append(Verdict.failed("exact counters", "changed", Witness(sentence), {"counter": total}))
    else:
        found.append(Verdict.passed("exact counters", "every count is what was agreed", {"counter": total}))
    for judgement in run.judgements:
        pairs = {"pair": judgement.estimate.pairs}
        reason = f"{judgement.estimate}: {judgement.reason}"
        if judgement.answer is Answer.REGRESSED:
            found.append(Verdict.failed(judgement.metric, "regressed", Witness(reason), pairs))
        elif judgement.answer is Answer.INCONCLUSIVE:
            found.append(Verdict.inconclusive(judgement.metric, reason, pairs))
        else:
            found.append(Verdict.passed(judgement.metric, reason, pairs))
    return found


def _warnings(run: GateRun) -> list[str]:
    return [f"warning: {j.metric} {j.estimate}" for j in run.judgements if j.answer is Answer.WARNING]


def gate_record(
    run: GateRun,
    *,
    started: str,
    duration: float,
    environment: Mapping[str, Any],
    command: str,
    trend: Mapping[str, Any] | None = None,
) -> RunRecord:
    """The record; its outcome is inconclusive where only timing is, whatever the exit code makes of that.

    trend: of earlier runs beside this one (``harness.gate.history.trend``).
    """
    judged = verdicts(run)
    outcome, reason = Verdict.overall(judged)
    if outcome is Outcome.PASS:
        reason = "; ".join([f"not slower than {run.standard}", *_warnings(run)])
    return RunRecord(
        kind="gate",
        scenario="gate",
        executor="threads",
        mode="native",
        parameters={"reference": run.reference},
        seed=0,
        program_digest=run.candidate,
        outcome=outcome,
        reason=reason,
        verdicts=tuple(judged),
        metrics=None,
        started=started,
        duration=duration,
        environment=environment,
        command=command,
        details={**run.details(), "trend": dict(trend or {})},
    )
