"""Run records in; an HTML page, results.json and junit.xml out.

Nothing here runs anything: the report knows of a run only what its record says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.record import RunRecord
from reports.results import overall, write_json

__all__ = ["announce", "overall", "write_json", "write_junit", "write_report"]


def write_report(records: Sequence[RunRecord], out: Path) -> Path:
    """Write index.html, results.json and junit.xml into the folder `out`, which is made; returns the page's path."""
    from reports.page import render

    out.mkdir(parents=True, exist_ok=True)
    page = out / "index.html"
    page.write_text(render(records), encoding="utf-8")
    write_json(records, out / "results.json")
    write_junit(records, out / "junit.xml")
    return page


def write_junit(records: Sequence[RunRecord], path: Path) -> None:
    """Write JUnit XML: a suite per run record, a case per property."""
    from reports import junit

    path.write_text(junit.render(records), encoding="utf-8")


def announce(records: Sequence[RunRecord]) -> None:
    """On GitHub, where its variables say so: error annotations on standard error, and the step summary."""
    from reports import github

    github.announce(records)
