"""All layers run as often as they are asked to under pytest-xdist and pytest-repeat; profiles and example database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.stateful.profiles import PROFILES, load_profile

EXAMPLES, WORKERS, REPEATS = 7, 2, 3

TESTS = f"""
import os
from pathlib import Path

from hypothesis import given, settings

import channel
from harness.stateful.executed import check_executed
from harness.stateful.explored import Drawn, explored, explored_programs
from harness.stateful.interleaving import interleaving_machine, run_interleavings
from harness.stateful.machine import machine_of
from harness.stateful.sequential import check_machine
from harness.stress import Cell
from harness.verdict import Outcome

CHOSEN = settings(max_examples={EXAMPLES}, stateful_step_count=5, deadline=None, database=None)


def note(layer, examples):
    where = os.environ["PYTEST_XDIST_WORKER"]
    Path(f"{{layer}}-{{where}}.txt").open("a").write(f"{{examples}}\\n")


def test_calls():
    note("calls", check_machine(machine_of(channel.Channel, channel), CHOSEN))


def test_interleavings():
    note("interleavings", run_interleavings(interleaving_machine(), CHOSEN))


def test_real_workers():
    note("executed", check_executed(Cell("threads"), CHOSEN))


@settings(CHOSEN)
@given(drawn=explored_programs())
def test_explored(drawn: Drawn):
    assert explored(drawn, executions=100).verdict.outcome is not Outcome.FAIL
    note("explored", 1)
"""


def test_every_repetition_executes_all_its_examples(tmp_path: Path) -> None:
    (tmp_path / "test_tiny.py").write_text(TESTS, encoding="utf-8")
    options = ["-n", str(WORKERS), "--count", str(REPEATS), "-p", "no:cacheprovider", "--import-mode=importlib"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "test_tiny.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"\b{4 * REPEATS} passed", done.stdout)
    # Hypothesis gives an example up while it is drawn, now and then: the machine has counted it by then
    for layer in ("calls", "interleavings"):
        examples = noted(tmp_path, layer)
        assert len(examples) == REPEATS, layer
        assert min(examples) >= EXAMPLES, layer
    for layer in ("executed", "explored"):
        assert sum(noted(tmp_path, layer)) == EXAMPLES * REPEATS, layer


def noted(folder: Path, layer: str) -> list[int]:
    """What the tests of a layer wrote down, in all worker processes."""
    return [int(line) for path in folder.glob(f"{layer}-*.txt") for line in path.read_text(encoding="utf-8").split()]


REMEMBERING = """
from hypothesis import settings

import channel
from harness.mutants import parse
from harness.stateful.machine import machine_of
from harness.stateful.profiles import load_profile
from harness.stateful.sequential import check_machine
from harness.systems.channel import planted_class

NAME = load_profile()


def test_calls():
    machine = machine_of(planted_class(parse("dropped-message:2")), channel)
    try:
        check_machine(machine, settings(stateful_step_count=40))
    finally:
        print("profile", NAME, settings().max_examples, "executed", machine.executed)
"""


def remembering(folder: Path, profile: str) -> tuple[str, int, int]:
    """The profile that a failing test ran under, its examples, and how many of them were executed until it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "test_failing.py"],
        cwd=folder,
        env=os.environ | {"HYPOTHESIS_PROFILE": profile},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    seen = re.search(r"profile (\w+) (\d+) executed (\d+)", done.stdout)
    assert done.returncode == 1, done.stdout + done.stderr
    assert seen is not None, done.stdout
    return seen[1], int(seen[2]), int(seen[3])


def test_a_profile_is_chosen_by_the_environment_and_dev_remembers_what_failed(tmp_path: Path) -> None:
    (tmp_path / "test_failing.py").write_text(REMEMBERING, encoding="utf-8")
    name, examples, first = remembering(tmp_path, "dev")
    assert (name, examples) == ("dev", PROFILES["dev"].max_examples)
    assert any((tmp_path / ".hypothesis").rglob("*"))
    assert remembering(tmp_path, "dev")[2] < first, "it is replayed from the database"
    once, again = remembering(tmp_path, "ci"), remembering(tmp_path, "ci")
    assert once == again
    assert once[:2] == ("ci", PROFILES["ci"].max_examples)


def test_there_are_three_profiles_and_another_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(PROFILES) == ["dev", "ci", "stress"]
    monkeypatch.setenv("HYPOTHESIS_PROFILE", "night")
    with pytest.raises(ValueError, match="HYPOTHESIS_PROFILE is one of dev, ci, stress; got 'night'"):
        load_profile()
