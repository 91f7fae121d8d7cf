"""Detection power: every planted bug of the channel, looked for in the program that stands beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from harness.environment import environment
from harness.explore import Driver, examine
from harness.explore.programs import CONVICTING, WITH_DEAD
from harness.mutants import Mutant, Nature, all_mutants
from harness.record import RunRecord
from harness.verdict import Outcome, Verdict

__all__ = ["detection_record", "look_for"]

BUDGET_S = 10.0
"""For one planted bug; each takes a fraction of a second."""

_PROGRAMS = {**CONVICTING, **WITH_DEAD}


def look_for(mutant: Mutant, *, seconds: float = BUDGET_S) -> dict[str, Any]:
    """Whether the explorer finds it: a row of the record's details (docs/report.md)."""
    driver: Driver = "crash" if mutant.nature is Nature.CRASH else "exhaustive"
    seen = examine(_PROGRAMS[mutant.program], driver=driver, mutant=mutant.name, seconds=seconds)
    found = seen.verdict.outcome is Outcome.FAIL
    return {
        "name": mutant.name,
        "tier": f"explored, {driver}",
        "killed": found,
        "rule": seen.verdict.rule,
        "seconds": seen.seconds,
        "steps": seen.cost.steps if seen.cost is not None else None,
        "schedule": str(seen.cost) if seen.cost is not None else "",
    }


def detection_record(
    self_tests: Mapping[tuple[str, str], Mapping[str, str] | Verdict] | None = None,
    *,
    command: str = "",
    seconds: float = BUDGET_S,
    progress: Callable[[str], None] = lambda _: None,
) -> RunRecord:
    """All planted bugs in the explorer, and those that were convicted on real workers before a run.

    Args:
        self_tests: by executor and mode what ``stress.convict`` said. command: for the record. seconds: for one bug.
        progress: is told what is being looked for.
    """
    started, begin = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    rows: list[dict[str, Any]] = []
    for mutant in all_mutants():
        progress(mutant.name)
        rows.append(look_for(mutant, seconds=seconds))
    for (executor, mode), convicted in (self_tests or {}).items():
        # where one got away, the runs themselves say so
        for name, rule in () if isinstance(convicted, Verdict) else convicted.items():
            rows.append({"name": name, "tier": f"{executor}, {mode}", "killed": True, "rule": rule})
    verdict = _verdict(rows)
    return RunRecord(
        kind="mutants",
        scenario="planted bugs",
        executor="explored",
        mode="native",
        parameters={},
        seed=0,
        program_digest="",
        outcome=verdict.outcome,
        reason=verdict.reason,
        verdicts=(verdict,),
        metrics=None,
        started=started,
        duration=time.monotonic() - begin,
        environment=environment(),
        command=command,
        details={"mutants": rows},
    )


def _verdict(rows: list[dict[str, Any]]) -> Verdict:
    missed = sorted({row["name"] for row in rows if not row["killed"]})
    if missed:
        return Verdict.inconclusive("detection", f"not found: {', '.join(missed)}; what a pass is worth is unknown")
    names = {row["name"] for row in rows}
    stressed = {row["name"] for row in rows if not row["tier"].startswith("explored")}
    again = f", {len(stressed)} of them on real workers too" if stressed else ""
    return Verdict.passed("detection", f"all {len(names)} found{again}", {"planted bug convicted": len(rows)})
