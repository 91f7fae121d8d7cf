"""The workflow of docs/ci-github-actions.md: valid YAML, and what the gate needs of a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "ci-github-actions.md"
ACTIONS = {"actions/checkout", "actions/setup-python", "actions/cache", "actions/upload-artifact"}


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    text = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    workflow = yaml.safe_load(text)
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML 1.1 reads `on` as true
    assert set(workflow[True]) == {"pull_request", "push", "schedule"}
    found: dict[str, Any] = workflow["jobs"]
    return found


def used(job: dict[str, Any], action: str) -> dict[str, Any]:
    (step,) = [step for step in job["steps"] if str(step.get("uses", "")).startswith(action + "@")]
    found: dict[str, Any] = step.get("with", {})
    return found


def test_every_step_runs_something_and_every_job_ends(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        nightly = job.get("if") == "github.event_name == 'schedule'"
        assert job["timeout-minutes"] <= (180 if nightly else 60)
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "uses" not in step or step["uses"].split("@")[0] in ACTIONS


def test_the_gate_has_the_history_of_its_checkout_and_keeps_its_builds(jobs: dict[str, Any]) -> None:
    assert used(jobs["gate"], "actions/checkout")["fetch-depth"] == 0
    for job in ("gate", "nightly"):
        cache = used(jobs[job], "actions/cache")
        assert cache["path"] == "build/gate"
        # a key that is there already is not saved again
        assert "github.run_id" in cache["key"]
        assert cache["key"].startswith(cache["restore-keys"])


def test_nothing_of_an_event_is_pasted_into_a_shell(jobs: dict[str, Any]) -> None:
    for job in jobs.values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
