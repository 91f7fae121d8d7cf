"""``explore`` and ``replay`` on the command line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import harness.cluster
from harness.cli import cli
from harness.explore.command import command as explore_command
from harness.explore.programs import CONVICTING
from harness.explore.replay_command import command as replay_command


def run(*arguments: str) -> Result:
    command = {"explore": explore_command, "replay": replay_command}[arguments[0]]
    return CliRunner().invoke(command, list(arguments[1:]), standalone_mode=False)


def test_a_clean_scenario_passes_and_says_what_was_covered() -> None:
    result = run("explore", "mwsr")
    assert result.return_value == 0
    assert "PASS" in result.output
    assert "all executions explored" in result.output
    assert "model rc11" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("alone-32", "--mutant", "unchecked-peek"),
        ("alone-48", "--mutant", "torn-payload:3"),
        ("dead-writer", "--driver", "crash", "--mutant", "no-recovery"),
        ("mwsr", "--messages", "3", "--mutant", "silent-writer"),
        ("alone-32", "--driver", "pct", "--mutant", "early-publish", "--executions", "50000"),
    ],
)
def test_a_failure_prints_a_command_that_replays_it(arguments: tuple[str, ...]) -> None:
    result = run("explore", *arguments)
    assert result.return_value == 1
    line = next(line for line in result.output.splitlines() if line.startswith("again: "))
    program, *again = shlex.split(line.removeprefix("again: "))
    assert program == "channel-harness"
    replayed = run(*again)
    assert replayed.return_value == 1
    lanes = replayed.output.rstrip().splitlines()
    told = re.sub(r" \(worker [A-H]\)$", "", lanes[-1])
    assert told.startswith("FAIL: ")
    assert told in result.output, "both tell the verdict in the same words"
    assert len(lanes) > 5
    assert not any(lane.strip() in result.output for lane in lanes[1:-1]), "the accesses are the replay's to show"


def test_the_record_states_the_engine(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    assert run("explore", "swsr", "--jobs", "2", "--json", str(record)).return_value == 0
    details = json.loads(record.read_text())["records"][0]["details"]
    assert (details["engine"], details["jobs"], details["resubmitted"]) == ("processes", 2, 0)
    assert details["parts"] >= 1


def test_an_engine_that_cannot_be_reached_is_an_error_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    monkeypatch.setattr(harness.cluster, "CONNECT_S", 0.5)
    result = run("explore", "swsr", "--engine", "dask://127.0.0.1:9")
    assert result.return_value == 5
    assert result.output.count("no dask scheduler answers") == 1


def test_a_run_cut_short_is_inconclusive() -> None:
    result = run("explore", "mwmr", "--executions", "10")
    assert result.return_value == 4
    assert "not exhausted, and nothing found" in result.output


def test_a_saved_program_is_explored_and_the_record_says_so(tmp_path: Path) -> None:
    CONVICTING["skips"].save(tmp_path / "program.json")
    result = run("explore", str(tmp_path / "program.json"), "--json", str(tmp_path / "record.json"))
    assert result.return_value == 0
    records = json.loads((tmp_path / "record.json").read_text())
    text = json.dumps(records)
    assert '"exhausted": true' in text
    assert '"kind": "explore"' in text


def test_a_failure_is_recorded_with_what_there_is_to_its_schedule(tmp_path: Path) -> None:
    result = run("explore", "sleep", "--mutant", "lost-wakeup", "--json", str(tmp_path / "record.json"))
    assert result.return_value == 1
    assert "0 stale accesses, 3 context switches, 0 kills (the fewest there can be)" in result.output
    record = json.loads((tmp_path / "record.json").read_text())["records"][0]
    assert record["details"]["schedule"] == {
        "stale": 0,
        "switches": 3,
        "kills": 0,
        "chosen": 0,
        "steps": 43,
        "exact": True,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explore", "nonesuch"), "no program 'nonesuch'; there are swsr"),
        (("explore", "missing.json"), "missing.json"),
        (("explore", "mwmr", "--mutant", "nonesuch"), "no planted bug 'nonesuch'"),
        (("explore", "mwmr", "--messages", "1"), "a message per writer"),
        (("explore", "mwmr", "--messages", "40"), "too large to explore"),
        (("explore", "full", "--writers", "2"), "belong to a scenario"),
        (("explore", "mwmr", "--driver", "quantum"), "quantum"),
        (("explore", "mwmr", "--engine", "quantum"), "there are here, processes and dask://HOST:PORT"),
        (("replay", "mwmr", "explore2:00000000:00000000:A"), "belongs to program 00000000"),
        (("replay", "mwmr", "nonsense"), "begins with 'explore2:'"),
        (("replay", "mwmr", "explore2:00000000:00000000:A", "--kill", "me"), "is no kill"),
    ],
)
def test_bad_input_is_one_error_that_says_what_would_be_right(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exception is not None
    assert message in getattr(result.exception, "message", str(result.exception))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("explore nonesuch", "no program 'nonesuch'; there are swsr, mwsr, mwmr, skip-vs-read"),
        ("explore mwmr --driver quantum", "'quantum' is not one of 'exhaustive', 'crash', 'progress', 'pct'"),
        ("explore mwmr --mutant nonesuch", "no planted bug 'nonesuch'; there are: doubled-message"),
        ("explore mwmr --model tso", "'tso' is not one of 'rc11', 'sc'"),
        ("replay mwmr explore2:00000000:00000000:A --mutant nonesuch", "no planted bug 'nonesuch'"),
        ("replay nonesuch explore2:00000000:00000000:A", "no program 'nonesuch'; there are swsr"),
    ],
)
def test_what_there_is_not_is_one_line_and_exit_code_2(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments.split()) == 2
    output = capsys.readouterr()
    assert not output.out
    (line,) = output.err.splitlines()
    assert line.startswith(f"channel-harness {arguments.split()[0]}: ")
    assert message in line


def test_messages_are_shown_as_writer_and_number() -> None:
    program = ("explore", "mwsr", "--messages", "3", "--mutant", "doubled-message")
    output = run(*program).output
    assert "write 1:1 = ok" in output
    (line,) = (line for line in output.splitlines() if line.startswith("again: "))
    lanes = run(*shlex.split(line)[2:]).output
    assert " <- 1:1 rlx" in lanes
    assert str(1 << 40) not in output + lanes
