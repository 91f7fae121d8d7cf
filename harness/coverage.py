"""What a run met on its way: a run that never filled the channel has not tested FULL, however green it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.history import History
from harness.operation import NO_ID, Kind, Status
from harness.verdict import Verdict

__all__ = ["check_coverage", "count_events"]

_REMEDY = "more messages or a smaller channel would"


def count_events(history: History) -> dict[str, int]:
    """How often each event occurred; the names are those of ``Scenario.exercises``.

    Events: delivered, skipped, full (answers FULL, and writes that had to wait), empty, time-out, mismatch, retry (more
    rounds than one), wrap-around (laps of the ring), sizes (different payload sizes), end of stream.
    """
    rows = history.operations
    kind, status, retries = rows["kind"], rows["status"], rows["retries"]
    ok = status == Status.OK
    writes = np.isin(kind, [k for k in Kind if k.writes])
    reads = np.isin(kind, [Kind.READ, Kind.TRY_READ, Kind.READ_MANY])
    skips = np.isin(kind, [Kind.SKIP, Kind.SKIP_FORCE])
    ids = rows["id"][ok & (rows["id"] != NO_ID)]
    laps = int(ids.max()) // history.capacity if len(ids) and history.capacity else 0
    waited = writes & (retries > 0)
    return {
        "delivered": int((ok & reads).sum()),
        "skipped": int((ok & skips).sum()),
        "full": int((status == Status.FULL).sum() + (writes & (status == Status.TIMEOUT)).sum()),
        "write waited": int(waited.sum()),
        "empty": int((status == Status.EMPTY).sum()),
        "time-out": int((status == Status.TIMEOUT).sum()),
        "mismatch": int((status == Status.MISMATCH).sum()),
        "retry": int((retries > 0).sum()),
        "wrap-around": laps,
        "sizes": len(np.unique(rows["size"][ok & writes])),
        "end of stream": int((status == Status.CLOSED).sum()),
    }


def check_coverage(events: Mapping[str, int], required: Sequence[str]) -> Verdict:
    """Pass if every required event occurred, else inconclusive: the run did not see what it is for."""
    missing = [name for name in required if events.get(name, 0) == 0]
    if missing:
        return Verdict.inconclusive("coverage", f"the run never met: {', '.join(missing)}; {_REMEDY}")
    return Verdict.passed("coverage", "the run met everything that it is for", {"event exercised": len(required)})
