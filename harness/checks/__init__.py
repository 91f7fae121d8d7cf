"""The checks: each decides one property of a history alone, whoever recorded it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.checks.fifo import check_fifo
from harness.checks.integrity import check_integrity
from harness.checks.model import model_of
from harness.checks.progress import Straggler, check_progress
from harness.checks.retries import check_retries
from harness.checks.timeliness import check_timeliness
from harness.history import History
from harness.verdict import Verdict

__all__ = [
    "check_fifo",
    "check_history",
    "check_integrity",
    "check_progress",
    "check_retries",
    "check_timeliness",
]


def check_history(
    history: History,
    *,
    drained: bool,
    config: Mapping[str, Any] | None = None,
    unfinished: Sequence[Straggler] = (),
) -> list[Verdict]:
    """All checks.

    Args:
        history: to judge.
        drained: was the channel seen empty after the last operation?
        config: keyword arguments of ``ChannelConfig`` that the run was made with.
        unfinished: workers that did not come to their end, as the executor reports them.
    """
    config = config or {}
    model = model_of(history)
    return [
        check_integrity(history, drained=drained, model=model),
        check_fifo(history, model),
        check_timeliness(history, slice_ns=config.get("slice_ns"), model=model),
        check_retries(history, config),
        check_progress(history, unfinished),
    ]
