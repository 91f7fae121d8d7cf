"""Are time-outs honest, and does nobody sleep beside a message?"""

from __future__ import annotations

import numpy as np

from harness.checks.model import NEVER, NOT, Model, model_of
from harness.history import History
from harness.operation import NO_TIMEOUT, Kind, Status
from harness.verdict import Verdict, Witness

__all__ = ["check_timeliness"]

PROPERTY = "timeliness"
_BLOCKING_READS = [Kind.READ.value, Kind.READ_MANY.value]


def check_timeliness(history: History, *, slice_ns: int | None, model: Model | None = None) -> Verdict:
    """Look at every operation that could wait.

    Rules: *early time-out*: TIMEOUT came before the time was over; *slept beside a message*: a read slept through more
    than half a slice although a message that it then took had been written before. A lost wake-up that ends in OK
    leaves no wrong result, only a late one: it lasts until the sleeper's slice is over.

    Args:
        history: to judge.
        slice_ns: how long a sleeping reader sleeps at most before it looks again; None: unknown, sleep is not judged.
        model: ``model_of(history)``, where the caller has it already.
    """
    rows = history.operations
    waited = rows["returned"] - rows["invoked"]
    timed_out = np.flatnonzero((rows["status"] == Status.TIMEOUT.value) & (rows["timeout"] != NO_TIMEOUT))
    early = timed_out[waited[timed_out] < rows["timeout"][timed_out]]
    assertions = {"time-out not early": len(timed_out)}
    if len(early):
        row = int(early[0])
        short = int(rows["timeout"][row] - waited[row])
        witness = Witness(f"a time-out was reported {short:,} ns before its time", (row,))
        return Verdict.failed(PROPERTY, "early time-out", witness, assertions)

    reason = "no time-out was early"
    if slice_ns is not None:
        model = model or model_of(history)
        taken = np.flatnonzero((model.removal_row != NOT) & (model.write_ret != NEVER))
        by = model.removal_row[taken]
        blocking = np.isin(rows["kind"][by], _BLOCKING_READS)
        taken, by = taken[blocking], by[blocking]
        there = np.maximum(model.removal_inv[taken], model.write_ret[taken])
        beside = np.minimum(model.removal_ret[taken] - there, rows["slept"][by].astype(np.int64))
        assertions["did not sleep beside a message"] = len(taken)
        late = np.flatnonzero(beside > slice_ns // 2)
        if len(late):
            worst = int(late[np.argmax(beside[late])])
            pair = (int(model.write_row[taken[worst]]), int(by[worst]))
            witness = Witness(
                f"a reader slept {beside[worst] / 1e6:,.0f} ms beside a message that it could "
                f"have read (wake-up lost; it looks again every {slice_ns / 1e6:,.0f} ms)",
                pair,
            )
            return Verdict.failed(PROPERTY, "slept beside a message", witness, assertions)
        reason += ", and no reader slept beside a message"
    return Verdict.passed(PROPERTY, reason, assertions)
