"""Stress campaigns: many seeds of a scenario, several at a time, and one verdict."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import harness.stress
from harness.commands.run import command as run_command
from harness.engine import Engine, EngineLost, open_engine
from harness.stress import Cell, stress
from harness.verdict import Outcome
from scenarios import SCENARIOS

SCENARIO = SCENARIOS["swsr"]
PARAMETERS = replace(SCENARIO.parameters(), messages=20_000)


class Scripted(Executor):
    """What is to become of each part in turn: done, or its process dies, or it never comes back."""

    def __init__(self, *fates: str) -> None:
        self.fates = list(fates)
        self.parts = 0

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.parts += 1
        fate = self.fates.pop(0) if self.fates else "done"
        if fate == "done":
            future.set_result(work(*arguments, **named))
        elif fate == "dies":
            future.set_exception(BrokenExecutor("a process died"))
        return future


def test_a_campaign_runs_every_seed_and_adds_up_what_was_checked() -> None:
    with open_engine("processes", 2) as engine:
        record = stress(SCENARIO, PARAMETERS, seeds=4, engine=engine).record
    assert record.outcome is Outcome.PASS, record
    assert record.details["rounds"] == 4
    assert (record.details["engine"], record.details["jobs"], record.details["resubmitted"]) == ("processes", 2, 0)
    one = stress(SCENARIO, PARAMETERS).record
    assert one.details["rounds"] == 1
    assert record.assertions["worker finished"] == 4 * one.assertions["worker finished"]
    assert record.assertions["in FIFO order, by read"] > 2 * one.assertions["in FIFO order, by read"]


def test_a_seed_that_fails_is_the_verdict_and_its_command_names_it() -> None:
    cell = Cell("threads", "native", "dropped-message:5000")
    with open_engine("processes", 2) as engine:
        record = stress(SCENARIO, replace(PARAMETERS, seed=30), cell, seeds=20, engine=engine).record
    assert record.outcome is Outcome.FAIL
    assert record.details["rounds"] < 20
    words = shlex.split(record.failures[0].command)
    assert 30 <= int(words[words.index("--seed") + 1]) == record.seed < 50


def test_a_round_whose_process_died_is_run_again() -> None:
    executor = Scripted("done", "dies", "dies", "done")
    record = stress(SCENARIO, PARAMETERS, seeds=3, engine=Engine("scripted", 1, lambda: executor)).record
    assert record.outcome is Outcome.PASS
    assert (record.details["rounds"], record.details["resubmitted"], executor.parts) == (3, 2, 5)


def test_rounds_that_do_not_come_back_are_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.stress, "ROUND_PATIENCE_S", 0.05)
    dying = Engine("scripted", 1, lambda: Scripted("done", "dies", "dies", "dies"))
    record = stress(SCENARIO, PARAMETERS, seeds=3, engine=dying).record
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "1 of 2 rounds came back: 3 processes died of the same part" in record.reason
    silent = Engine("scripted", 1, lambda: Scripted("done", "silent"))
    record = stress(SCENARIO, PARAMETERS, seeds=3, engine=silent).record
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "has not answered" in record.reason
    with pytest.raises(EngineLost, match="has not answered"):
        stress(SCENARIO, PARAMETERS, seeds=3, engine=Engine("scripted", 1, lambda: Scripted("silent")))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(run_command, list(arguments), standalone_mode=False)


def test_the_command_runs_a_campaign(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    result = run(
        "swsr",
        "--on",
        "threads",
        "--mode",
        "native",
        "--messages",
        "20000",
        "--seeds",
        "3",
        "--jobs",
        "2",
        "--json",
        str(out),
    )
    assert result.return_value == 0, result.output
    (record,) = json.loads(out.read_text())["records"]
    assert (record["details"]["rounds"], record["details"]["jobs"]) == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "2", "--duration", "1"), "give --seeds or --duration, not both"),
        (("--seeds", "2", "--engine", "quantum"), "unknown engine 'quantum'"),
        (("--seeds", "0"), "0 is not in the range"),
    ],
)
def test_a_campaign_that_makes_no_sense_is_one_error(arguments: tuple[str, ...], message: str) -> None:
    result = run("swsr", "--on", "threads", *arguments)
    assert result.exception is not None
    assert message in getattr(result.exception, "message", str(result.exception))
