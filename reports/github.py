"""What a run says to GitHub Actions: an error annotation per failure, and the first screen as step summary."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from harness.record import RunRecord
from reports.results import label, operations, overall

__all__ = ["annotations", "announce", "summary"]

_MARKS = {"pass": "✔", "fail": "✘", "inconclusive": "?"}


def announce(
    records: Sequence[RunRecord], environment: Mapping[str, str] = os.environ, stream: TextIO | None = None
) -> None:
    """Does nothing anywhere else: each of the two happens only where GitHub's variable for it is set."""
    if environment.get("GITHUB_ACTIONS"):
        for line in error_annotations(records):
            print(line, file=stream or sys.stderr)
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(summary(records))


def error_annotations(records: Sequence[RunRecord]) -> list[str]:
    """Workflow commands, with the scenario's module as the file that they belong to."""
    lines = []
    for record in records:
        for failure in record.failures:
            scenario = f"scenarios/{record.scenario.replace('-', '_')}.py"
            file = record.scenario if record.kind == "check" else scenario
            title = _property(f"{label(record)}: {failure.property} {failure.rule}")
            text = _data("\n".join([failure.sentence, *failure.operations, failure.command]).strip())
            lines.append(f"::error file={_property(file)},line=1,title={title}::{text}")
    return lines


def summary(records: Sequence[RunRecord]) -> str:
    """The first screen, in Markdown."""
    outcome, reason = overall(records)
    lines = [f"## {_MARKS[outcome.value]} {outcome.value.upper()}", "", reason, ""]
    lines += ["| run | verdict | operations | assertions |", "| --- | --- | ---: | ---: |"]
    for record in records:
        verdict = f"{_MARKS[record.outcome.value]} {record.outcome.value}"
        lines.append(f"| {label(record)} | {verdict} | {operations(record):,} | {sum(record.assertions.values()):,} |")
    return "\n".join(lines) + "\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
