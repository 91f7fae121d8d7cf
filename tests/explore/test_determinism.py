"""What looks at something outside the machine is an internal error, never a pass or a failure like others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import _explorer, explore
from harness.explore import subject
from harness.explore.command import command
from harness.explore.programs import SMALL
from harness.verdict import Outcome

OUTSIDE = ["other value", "fewer accesses", "more accesses"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_exploration_runs_its_first_execution_twice(name: str) -> None:
    result = _explorer.explore(_explorer.planted(name))
    assert [failure.fault for failure in result.failures] == ["internal"]
    assert not result.exhausted


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("strategy", ["uniform", "pct", "pos"])
def test_a_walk_does_too(name: str, strategy: str) -> None:
    result = _explorer.sample(_explorer.planted(name), strategy, 1, 2_000)
    assert [failure.fault for failure in result.failures] == ["internal"]
    assert "outside the machine" in result.failures[0].what


def test_a_failure_that_does_not_come_again_is_an_internal_error() -> None:
    result = _explorer.explore(_explorer.planted("fails once"))
    failure = result.failures[0]
    assert failure.fault == "internal"
    assert failure.what.endswith("it was: fails in its first life")
    sampled = _explorer.sample(_explorer.planted("fails once"), "uniform", 1, 10)
    assert [failure.fault for failure in sampled.failures] == ["internal"]


def test_one_execution_in_a_thousand_is_run_twice() -> None:
    """The structure changes its mind in its third life, and the second is when the first execution is run again."""
    result = _explorer.explore(_explorer.planted("changes its mind"))
    assert result.failures[0].fault == "internal"
    assert result.complete == 1_001


@pytest.mark.parametrize("driver", ["exhaustive", "progress", "uniform"])
def test_the_command_exits_with_the_code_of_an_internal_error(
    driver: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (explore, subject):
        monkeypatch.setattr(module, "subject_of", lambda *_, **__: _explorer.planted("other value"))
    seen = explore.examine(SMALL["swsr"], driver=driver)  # type: ignore[arg-type]
    assert (seen.verdict.outcome, seen.verdict.rule) == (Outcome.FAIL, "internal")
    file = tmp_path / "record.json"
    result = CliRunner().invoke(command, ["swsr", "--driver", driver, "--json", str(file)], standalone_mode=False)
    assert result.exception is None
    assert result.return_value == 5
    assert "INTERNAL ERROR: " in result.output
    assert "PASS" not in result.output
    assert '"outcome": "fail"' in json.dumps(json.loads(file.read_text()))
