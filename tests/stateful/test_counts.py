"""All three layers run as often as they are asked to under pytest-xdist and pytest-repeat."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES, WORKERS, REPEATS = 7, 2, 2

TESTS = f"""
import os
from pathlib import Path

from hypothesis import given, settings

import channel
from harness.stateful.executed import check_executed
from harness.stateful.explored import Drawn, explored, explored_programs
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
    assert re.search(rf"\b{3 * REPEATS} passed", done.stdout)
    # Hypothesis gives an example up while it is drawn, now and then: the machine has counted it by then
    calls = noted(tmp_path, "calls")
    assert len(calls) == REPEATS
    assert min(calls) >= EXAMPLES
    for layer in ("executed", "explored"):
        assert sum(noted(tmp_path, layer)) == EXAMPLES * REPEATS, layer


def noted(folder: Path, layer: str) -> list[int]:
    """What the tests of a layer wrote down, in all worker processes."""
    return [int(line) for path in folder.glob(f"{layer}-*.txt") for line in path.read_text(encoding="utf-8").split()]
