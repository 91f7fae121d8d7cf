"""How fast a cell of the table was in earlier runs on this machine: the change that the report shows. Information only.

Wall-clock throughput of a shared machine swings by tens of percent, so a change stands beside the range in which the
earlier runs lie, and no verdict rests on it; the gate (docs/gate.md) is what decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.gate.history import append, load, machine
from harness.record import RunRecord

__all__ = ["remember", "with_changes"]

_MOST_RUNS = 20
_LEAST_RUNS = 3
_RANGE = (0.025, 0.975)


def remember(records: Sequence[RunRecord], history: Path) -> None:
    """Append a line with the throughput of each cell that passed."""
    figures = {_cell(record): _rate(record) for record in records if record.outcome.exit_code == 0 and _rate(record)}
    if figures:
        environment = {name: records[0].environment.get(name) for name in ("cpu", "cores", "commit")}
        append(history, {"started": records[0].started, "environment": environment, "throughput": figures})


def with_changes(
    records: Sequence[RunRecord], history: Path, tell: Callable[[str], None] = lambda _: None
) -> list[RunRecord]:
    """The records, each with its ``details["change"]`` where at least three earlier runs measured the same cell.

    ``change``: this run's operations per second over the median of up to 20 earlier runs on the same CPU with the same
    parameters, minus 1; ``low``, ``high``: the 95 % range of the same against each of them; ``runs``: how many.

    `tell` hears of lines of the history that are left out.

    Raises:
        ValueError: the file is no history.
    """
    runs = load(history, tell)
    return [_with_change(record, runs) for record in records]


def _with_change(record: RunRecord, runs: Sequence[Mapping[str, Any]]) -> RunRecord:
    here = machine(record.to_json())
    same = [run for run in runs if here is not None and machine(run) == here]
    earlier = [rate for run in same if (rate := _earlier_rate(run, _cell(record)))][-_MOST_RUNS:]
    now = _rate(record)
    if not now or len(earlier) < _LEAST_RUNS:
        return record
    ratios = now / np.asarray(earlier, dtype=float) - 1
    low, high = np.quantile(ratios, _RANGE)
    change = now / float(np.median(earlier)) - 1
    found = {"change": change, "low": float(low), "high": float(high), "runs": len(earlier)}
    return replace(record, details={**record.details, "change": found})


def _earlier_rate(run: Mapping[str, Any], cell: str) -> float:
    """0 where the run did not measure it, or what it says is no rate."""
    rates = run.get("throughput")
    rate = rates.get(cell) if isinstance(rates, Mapping) else None
    return float(rate) if isinstance(rate, int | float) and math.isfinite(rate) and rate > 0 else 0.0


def _rate(record: RunRecord) -> float:
    """Operations per second; 0 if it was not measured."""
    metrics = record.metrics
    return metrics.operations / metrics.seconds if metrics and metrics.seconds else 0.0


def _cell(record: RunRecord) -> str:
    parameters = ", ".join(f"{name}={record.parameters[name]}" for name in sorted(record.parameters))
    return f"{record.scenario} {record.executor} {record.mode} ({parameters})"
