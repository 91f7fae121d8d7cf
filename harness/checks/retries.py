"""Does the retry policy do what it says?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.history import History
from harness.operation import NO_TIMEOUT, Kind, Status
from harness.verdict import Verdict, Witness
from harness.words import counted

__all__ = ["check_retries"]

PROPERTY = "retries"
_NEVER_SLEEP = [Kind.TRY_WRITE.value, Kind.TRY_READ.value, Kind.PEEK.value, Kind.SKIP.value, Kind.SKIP_FORCE.value]


def check_retries(history: History, config: Mapping[str, Any]) -> Verdict:
    """Judge retries, sleeps and limits.

    Rules: *slept*: an operation that must not sleep did; *over the limit*: more rounds than ``max_round_trips``
    without a time-out; *gave up early*: RETRY_LIMIT, or FULL of a write that may wait, before the limit was reached.
    """
    rows = history.operations
    done = rows["status"] != Status.PENDING.value
    never_sleep = np.flatnonzero(np.isin(rows["kind"], _NEVER_SLEEP) & done)
    assertions = {"did not sleep": len(never_sleep)}
    slept = never_sleep[rows["slept"][never_sleep] > 0]
    if len(slept):
        return _failed("slept", "an operation that never sleeps did", int(slept[0]), assertions)

    limit = config.get("max_round_trips")
    gave_up = np.isin(rows["status"], [Status.RETRY_LIMIT.value]) & (rows["timeout"] == NO_TIMEOUT)
    gave_up |= (rows["status"] == Status.FULL.value) & (rows["kind"] == Kind.WRITE.value)
    if limit is None:
        impatient = np.flatnonzero(gave_up & ~np.isin(rows["kind"], _NEVER_SLEEP))
        assertions["waits without a limit"] = int((done & ~np.isin(rows["kind"], _NEVER_SLEEP)).sum())
        if len(impatient):
            return _failed("gave up early", "a call without a limit gave up", int(impatient[0]), assertions)
    else:
        single = np.isin(rows["kind"], [kind.value for kind in Kind if kind is not Kind.WRITE_MANY])
        bounded = np.flatnonzero(single & done & (rows["timeout"] == NO_TIMEOUT) & (rows["batch"] == 0))
        assertions["rounds within the limit"] = len(bounded)
        over = bounded[rows["retries"][bounded] >= limit]
        if len(over):
            return _failed(
                "over the limit", f"more than {counted(limit, 'round')} without a time-out", int(over[0]), assertions
            )
        early = np.flatnonzero(gave_up & (rows["batch"] == 0) & (rows["retries"] + 1 < limit))
        if len(early):
            return _failed("gave up early", f"gave up before {counted(limit, 'round')}", int(early[0]), assertions)
    return Verdict.passed(PROPERTY, "retries and back-off follow the policy", assertions)


def _failed(rule: str, sentence: str, row: int, assertions: dict[str, int]) -> Verdict:
    return Verdict.failed(PROPERTY, rule, Witness(sentence, (row,)), assertions)
