"""The change against earlier runs: of the same cell on the same machine, and only where there are enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.earlier import remember, with_changes
from harness.record import Metrics, RunRecord
from harness.verdict import Outcome, Verdict
from reports.page import render


def run(rate: float, *, cpu: str = "A", writers: int = 2, outcome: Outcome = Outcome.PASS) -> RunRecord:
    return RunRecord(
        kind="stress",
        scenario="mwmr",
        executor="threads",
        mode="native",
        parameters={"writers": writers},
        seed=1,
        program_digest="",
        outcome=outcome,
        reason="",
        verdicts=(Verdict.passed("fifo", "", {"read": 1}),),
        metrics=Metrics(seconds=1.0, operations=int(rate), messages=1),
        environment={"cpu": cpu, "cores": 2},
    )


def test_a_change_stands_beside_the_range_of_earlier_runs(tmp_path: Path) -> None:
    history = tmp_path / "out" / "history.jsonl"
    for rate in (900, 1000, 1100):
        assert "change" not in with_changes([run(rate)], history)[0].details
        remember([run(rate)], history)
    changed = with_changes([run(500)], history)[0]
    assert changed.details["change"]["runs"] == 3
    assert changed.details["change"]["change"] == pytest.approx(-0.5)
    assert changed.details["change"]["low"] < -0.5 < changed.details["change"]["high"]
    assert "-50% [" in render([changed])


def test_other_machines_other_parameters_and_failed_runs_do_not_count(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    for _ in range(5):
        remember([run(1000, cpu="B")], history)
        remember([run(1000, writers=8)], history)
        remember([run(1000, outcome=Outcome.FAIL)], history)
    assert "change" not in with_changes([run(1000)], history)[0].details


def test_a_run_without_metrics_has_no_change(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    explored = replace(run(1), metrics=None)
    remember([explored], history)
    assert not history.exists()
    assert with_changes([explored], history) == [explored]


def test_a_history_that_is_none_is_named(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_text("no JSON\n")
    with pytest.raises(ValueError, match=r"history\.jsonl:1"):
        with_changes([run(1)], history)
