"""A judged file as a run record: what the report knows of it."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.checks.judgement import Judgement
from harness.environment import environment
from harness.history import History
from harness.record import Failure, RunRecord, Timeline
from harness.timeline import SAMPLE_CALLS, timeline_of, timeline_of_recording
from harness.verdict import Outcome

__all__ = ["checked_record"]


def checked_record(judgement: Judgement, *, command: str = "", seconds: float = 0.0) -> RunRecord:
    """The record, with the timelines of its failures, or with a part of the history to look at.

    Args:
        judgement: with its history, unless the file was not understood. command: the line that asked for it.
        seconds: that judging took.
    """
    history = judgement.history
    # a report knows three outcomes, and this is none of them: nothing was judged
    not_understood = (Outcome.INCONCLUSIVE, f"not understood, and so not judged: {judgement.error}")
    outcome, reason = not_understood if judgement.error else judgement.outcome
    failures = []
    drawn: set[tuple[int, ...]] = set()
    for verdict in judgement.verdicts:
        if verdict.outcome is not Outcome.FAIL:
            continue
        rows = verdict.witness.operations if verdict.witness is not None else ()
        shown = tuple(judgement.operations[row] for row in rows)
        # those that have the same witness share the first one's
        timeline = _timeline(judgement, rows) if rows and rows not in drawn else None
        drawn.add(rows)
        failures.append(Failure(verdict.property, verdict.rule, verdict.reason, shown, timeline=timeline))
    return RunRecord(
        kind="check",
        scenario=judgement.file,
        executor="recorded",
        mode=judgement.specification,
        parameters={"specification": judgement.specification},
        seed=0,
        program_digest="",
        outcome=outcome,
        reason=reason,
        verdicts=judgement.verdicts,
        metrics=None,
        failures=tuple(failures),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        duration=seconds,
        environment=environment(),
        command=command,
        details={"operations": 0 if history is None else _count(judgement)},
        sample=_timeline(judgement, ()) if history is not None and not failures else None,
    )


def _timeline(judgement: Judgement, rows: tuple[int, ...]) -> Timeline | None:
    history = judgement.history
    if history is None:
        return None
    most = {} if rows else {"most": SAMPLE_CALLS}
    if isinstance(history, History):
        broken = any(one.property == "fifo" and one.outcome is Outcome.FAIL for one in judgement.verdicts)
        return timeline_of(history, rows, broken=broken, clock=judgement.clock, **most)
    return timeline_of_recording(history, judgement.order, rows, clock=judgement.clock, **most)


def _count(judgement: Judgement) -> int:
    history = judgement.history
    if history is None:
        return 0
    return len(history) if isinstance(history, History) else len(history.calls)
