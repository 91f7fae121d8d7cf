"""Did everybody get on?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from harness.history import History
from harness.operation import Status
from harness.verdict import Verdict, Witness
from harness.words import counted

__all__ = ["Straggler", "check_progress"]

PROPERTY = "progress"
_BUSY_CALLS = 1_000
"""A worker is starved only beside workers that completed at least so many calls."""


class Straggler(Protocol):
    """A worker that did not come to its end, as executors report it."""

    @property
    def worker(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def completed(self) -> int: ...
    @property
    def message(self) -> str: ...


def check_progress(history: History, unfinished: Sequence[Straggler] = ()) -> Verdict:
    """Rules: *did not finish*: a worker was cut at the deadline of the run (livelock, deadlock, or blocked for ever);
    *starved*: a worker completed nothing while others completed thousands of calls."""
    rows = history.operations
    done = rows[rows["status"] != Status.PENDING.value]
    workers, counts = np.unique(done["worker"], return_counts=True)
    completed = dict(zip(workers.tolist(), counts.tolist(), strict=True))
    everybody = np.unique(rows["worker"]).tolist()
    assertions = {"worker finished": len(everybody), "worker not starved": len(everybody)}

    stuck = [straggler for straggler in unfinished if straggler.reason != "died"]
    if stuck:
        names = "; ".join(
            f"worker {straggler.worker} after {counted(straggler.completed, 'call')} ({straggler.reason})"
            + (f": {straggler.message}" if straggler.message else "")
            for straggler in stuck
        )
        last = [np.flatnonzero(rows["worker"] == straggler.worker)[-1:] for straggler in stuck]
        shown = tuple(int(row) for part in last for row in part)
        witness = Witness(names, shown)
        return Verdict.failed(PROPERTY, "did not finish", witness, assertions)

    busiest = max(completed.values(), default=0)
    dead = {straggler.worker for straggler in unfinished}
    starved = [worker for worker in everybody if completed.get(worker, 0) == 0 and worker not in dead]
    if starved and busiest >= _BUSY_CALLS:
        sentence = f"worker {starved[0]} completed nothing while another completed {counted(busiest, 'call')}"
        row = int(np.flatnonzero(rows["worker"] == starved[0])[0])
        return Verdict.failed(PROPERTY, "starved", Witness(sentence, (row,)), assertions)

    rounds = done["retries"].astype(np.int64) + 1
    if not len(rounds):
        return Verdict.inconclusive(PROPERTY, "no operation was completed")
    median, rare, most = np.percentile(rounds, [50, 99.9, 100])
    reason = f"everybody finished; rounds per operation: median {median:.0f}, p99.9 {rare:.0f}, maximum {most:,.0f}"
    return Verdict.passed(PROPERTY, reason, assertions)
