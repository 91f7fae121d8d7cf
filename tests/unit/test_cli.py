"""The command line: exit codes, one line for what was not understood, and machine output that is only that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.outputs import open_outputs
from harness.mutants import all_mutants

DEADLINE_S = 120
QUICK = ("--on", "threads", "--mode", "native", "--messages", "3000")


def harness(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        cwd=cwd,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fly",), "No such command 'fly'"),
        (("run", "mwrs"), "no scenario 'mwrs'; there are: swsr, mwsr, mwmr, skip-vs-read"),
        (("run", "--on", "moon"), "'moon' is not one of 'threads', 'processes', 'both', 'explored', 'all'"),
        (("run", "--payload", "big"), "'big' is no size; give bytes, as 64 or 8-256"),
        (("run", "--payload", "4"), "payload is a size or MIN-MAX from 8 to 16360 bytes"),
        (("run", "swsr", "--writers", "2"), "swsr has 1 writer; got 2"),
        (("run", "--writers", "0"), "writers is from 1 to 64; got 0"),
        (("run", "--capacity", "3"), "capacity is from 64"),
        (("run", "--mutant", "gremlin"), "no planted bug 'gremlin'; there are: "),
        (("run", "--duration", "0"), "0 is not in the range x>0"),
        (("run", "--duration", "nan"), "nan is no finite number of seconds"),
        (("run", "--duration", "inf"), "inf is no finite number of seconds"),
        (("explore", "swsr", "--seconds", "nan"), "nan is no finite number of seconds"),
        (("run", "--max-round-trips", "0"), "max_round_trips is from 1 to 4294967295; got 0"),
        (("run", "--on", "explored", "--history", "h.npz"), "--history: of real workers, and --on explored has none"),
        (("run", "--on", "explored", "--mode", "api"), "--mode: of real workers, and --on explored has none"),
        (("run", "--on", "explored", "--jobs", "2"), "--jobs: of real workers, and --on explored has none"),
        (("run", "--report", "/proc/out"), "cannot write the results: /proc/out: No such file or directory"),
        (("run", "--json", "/no/r.json"), "cannot write the results: /no/r.json: No such file or directory"),
        (("run", "--junitxml", "/no/j.xml"), "cannot write the results: /no/j.xml: No such file or directory"),
        (("run", "swsr", "--history", "/no/h"), "cannot write the results: /no/h-swsr-threads-native: No such file"),
        (("explore", "swsr", "--json", "/no/r.json"), "cannot write the results: /no/r.json: No such file"),
        (("replay", "swsr", "AB", "--kill", "A"), "'A' is no kill; give the worker's letter and its step, as A@12"),
        (("completion",), "Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"),
        (("completion", "csh"), "'csh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_bad_arguments_get_one_line_that_says_what_is_allowed(words: tuple[str, ...], message: str) -> None:
    done = harness(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_without_a_command_it_shows_the_help() -> None:
    done = harness()
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: channel-harness [OPTIONS] COMMAND [ARGS]...")
    assert "doctor" in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_standard_streams_change_no_verdict(closed: str, tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m harness run swsr --on threads --mode native --json out.json {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, cwd=tmp_path, timeout=DEADLINE_S, check=False)
    assert b"Traceback" not in done.stderr
    outcome = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["records"][0]["outcome"]
    assert done.returncode == {"pass": 0, "inconclusive": 4}[outcome]


def test_outputs_are_tried_without_a_trace(tmp_path: Path) -> None:
    open_outputs(tmp_path / "new.json", Path("-"), None)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.json").write_text("kept", encoding="utf-8")
    open_outputs(tmp_path / "old.json", report=tmp_path / "out")
    assert (tmp_path / "old.json").read_text(encoding="utf-8") == "kept"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_disk_that_fills_is_one_line(tmp_path: Path) -> None:
    """The outputs could be opened; the kernel refuses what is written to them later."""
    done = harness("run", "swsr", *QUICK, "--json", "/dev/full", cwd=tmp_path)
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1] == "channel-harness: the output could not be written: No space left on device"
    assert "Traceback" not in done.stderr


def test_a_run_that_passes(tmp_path: Path) -> None:
    done = harness("run", "mwmr", *QUICK, "--json", "-", "--junitxml", "junit.xml", cwd=tmp_path)
    assert done.returncode in (0, 4), done.stderr  # so short a run may fail to meet what the scenario is for
    results = json.loads(done.stdout)
    assert len(results["records"]) == 1
    assert "<testsuite" in (tmp_path / "junit.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_planted_bug_makes_it_exit_1_with_a_witness(executor: str, tmp_path: Path) -> None:
    words = ("run", "mwmr", "--on", executor, "--mode", "native", "--messages", "3000")
    done = harness(*words, "--mutant", "doubled-message", "--report", "out", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "FAIL" in done.stdout
    assert "one message came out twice" in done.stderr
    assert "(reproduced 5/5)" in done.stderr
    record = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["records"][0]
    assert 1 <= len(record["failures"][0]["operations"]) <= 6


def test_the_seed_makes_the_program(tmp_path: Path) -> None:
    digests = []
    for seed in ("5", "5", "6"):
        harness("run", "swsr", *QUICK, "--seed", seed, "--json", "out.json", cwd=tmp_path)
        digests.append(json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["records"][0]["program_digest"])
    assert digests[0] == digests[1] != digests[2]


def test_a_history_that_run_writes_is_one_that_check_reads(tmp_path: Path) -> None:
    for name in ("history.npz", "history.jsonl"):
        harness("run", "skip-vs-read", *QUICK, "--history", name, cwd=tmp_path)
        done = harness("check", name, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_mutants_are_listed() -> None:
    done = harness("run", "--mutant", "?")
    assert done.returncode == 0
    assert all(mutant.name in done.stdout for mutant in all_mutants())


def test_reports_merge(tmp_path: Path) -> None:
    for name in ("swsr", "mwsr"):
        harness("run", name, *QUICK, "--json", f"{name}.json", cwd=tmp_path)
    done = harness("report", "swsr.json", "mwsr.json", "--out", "both", cwd=tmp_path)
    assert done.returncode in (0, 4), done.stderr
    results = json.loads((tmp_path / "both" / "results.json").read_text(encoding="utf-8"))
    assert [record["scenario"] for record in results["records"]] == ["swsr", "mwsr"]


def test_doctor_version_and_completion() -> None:
    assert "channel" in harness("doctor").stdout
    assert harness("--version").stdout.startswith("channel-harness ")
    assert "channel-harness" in harness("completion", "bash").stdout
