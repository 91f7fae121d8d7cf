"""What the gate says to GitHub Actions, where its variables exist: annotations and a step summary."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.gate.counters import AGREED, Difference
from harness.gate.run import GateRun
from harness.gate.statistics import Answer
from harness.words import counted

__all__ = ["counter_commands", "failure", "summary", "table", "workflow_commands", "write_step_summary"]

_CORE = "channel/core/channel.hpp"


def table(run: GateRun) -> list[tuple[str, str, str, str]]:
    """Rows of metric, answer, change with interval, and same against same."""
    return [(j.metric, j.answer.value, str(j.estimate), str(j.noise)) for j in run.judgements]


def workflow_commands(run: GateRun) -> list[str]:
    """Workflow commands: errors for regressions, warnings for what warns or is inconclusive."""
    lines = counter_commands(run.differences)
    for judgement in run.judgements:
        if judgement.answer is not Answer.PASS:
            level = "error" if judgement.answer is Answer.REGRESSED else "warning"
            text = _escaped(f"{judgement.metric} {judgement.estimate}: {judgement.reason}")
            lines.append(f"::{level} file={_CORE},title=performance {judgement.answer.value}::{text}")
    return lines


def counter_commands(differences: Sequence[Difference]) -> list[str]:
    """An error per exact counter that changed."""
    return [
        f"::error file={AGREED},title=exact counter changed::{_escaped(str(difference))}" for difference in differences
    ]


def failure(what: str, environment: Mapping[str, str] = os.environ) -> str:
    """A run came to no judgement: writes the step summary, gives the workflow command; empty outside of GitHub."""
    write_step_summary(f"## {what}\n", environment)
    if not environment.get("GITHUB_ACTIONS"):
        return ""
    return f"::error file={_CORE},title=performance gate::{_escaped(what)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def summary(run: GateRun, headline: str) -> str:
    """The gate's first screen, in Markdown."""
    lines = [
        f"## {headline}",
        "",
        f"Against {run.reference}, {run.compiler}." + (f" {run.demanded}." if run.floors else ""),
        "",
        "| metric | answer | change of speed, 99 % interval | same against same |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join(row)} |" for row in table(run)]
    lines += ["", *run.notes]
    lines += ["", f"Exact counters: {counted(len(run.differences), 'difference')}."]
    lines += [f"- {difference}" for difference in run.differences]
    return "\n".join(lines) + "\n"


def write_step_summary(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append to the step summary, if this is a step."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
