"""An exploration as a run record: what the report and the gate read."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from harness.environment import environment
from harness.explore import EVERY, Exploration, examine
from harness.explore.interleaving import interleaving, trace
from harness.explore.parts import rule_of
from harness.explore.programs import CONVICTING
from harness.explore.trace import lanes, worker_name
from harness.program import Program
from harness.record import Failure, RunRecord
from harness.verdict import Outcome, Verdict

__all__ = ["explored_record", "self_test"]

PLANTED = "publish-relaxed"
REPRODUCTIONS = 5


def self_test() -> Verdict:
    """Convict one planted bug, in milliseconds: a blind explorer must not report green."""
    seen = examine(CONVICTING["alone 32"], mutant=PLANTED, seconds=10.0)
    if seen.verdict.outcome is Outcome.FAIL:
        return Verdict.passed("self-test", f"{PLANTED} was convicted", {"planted bugs": 1})
    return Verdict.inconclusive("self-test", f"the explorer did not convict {PLANTED}; its verdicts mean nothing")


def explored_record(
    program: Program,
    seen: Exploration,
    tested: Verdict,
    *,
    target: Sequence[str],
    mutant: str = "",
    every: int = EVERY,
    command: str = "",
) -> RunRecord:
    """The record of one exploration; without its self-test it is no pass.

    `target` is how the command line names the program, and `command` the whole line.
    """
    verdicts = (seen.verdict, tested)
    outcome, reason = Verdict.overall(verdicts)
    failures: tuple[Failure, ...] = ()
    if seen.schedule:
        replays = [
            trace(
                program, seen.schedule, model=seen.model, mutant=mutant, every=every, kills=seen.kills, alone=seen.alone
            )
            for _ in range(REPRODUCTIONS)
        ]
        steps, failure = replays[0]
        rules = [None if found is None else rule_of(found, seen.driver, seen.alone) for _, found in replays]
        again = ["channel-harness", "replay", *target, seen.schedule, "--model", seen.model]
        again += [f"--kill={worker_name(worker)}@{step}" for worker, step in seen.kills]
        if seen.alone is not None:
            again.append(f"--alone={worker_name(seen.alone)}")
        if mutant:
            again.append(f"--mutant={mutant}" if every == EVERY else f"--mutant={mutant}:{every}")
        verdict = seen.verdict
        failures = (
            Failure(
                verdict.property,
                verdict.rule,
                verdict.reason,
                tuple(lanes(steps, failure).splitlines()),
                shlex.join(again),
                f"{rules.count(seen.verdict.rule)}/{REPRODUCTIONS}",
                interleaving=interleaving(len(program.workers), steps, failure),
            ),
        )
    return RunRecord(
        kind="explore",
        scenario=program.name,
        executor="explored",
        mode="native",
        parameters={"workers": len(program.workers), "operations": program.size, "capacity": program.capacity},
        seed=program.seed,
        program_digest=program.digest,
        outcome=outcome,
        reason=reason,
        verdicts=verdicts,
        metrics=None,
        failures=failures,
        self_test={"mutant": PLANTED, "rule": "history"} if tested.outcome is Outcome.PASS else {},
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration=seen.seconds,
        environment=environment(),
        command=command,
        details={
            "driver": seen.driver,
            "model": seen.model,
            "executions": seen.executions,
            "cut": seen.cut,
            "bounded": seen.bounded,
            "distinct": seen.histories,
            "exhausted": seen.exhausted,
            "engine": seen.engine,
            "jobs": seen.jobs,
            "parts": seen.parts,
            "resubmitted": seen.resubmitted,
            "bounds": {"accesses": 4000, "rounds": 64, "kills": seen.crashes},
            **({} if seen.cost is None else {"schedule": asdict(seen.cost)}),
        },
    )
