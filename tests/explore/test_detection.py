"""Detection power as a record."""

from __future__ import annotations

from harness.explore.detection import detection_record
from harness.mutants import all_mutants
from harness.verdict import Outcome
from reports.page import render


def test_every_planted_bug_is_found_and_shown() -> None:
    record = detection_record({("threads", "native"): {"torn-payload": "torn"}})
    assert record.outcome is Outcome.PASS
    rows = record.details["mutants"]
    assert [row["name"] for row in rows] == [*(mutant.name for mutant in all_mutants()), "torn-payload"]
    assert all(row["killed"] and row["rule"] for row in rows)
    html = render([record])
    count = len(all_mutants())
    assert f"{count} of {count} planted bugs were found wherever they were looked for ({count + 1} places)" in html
    assert "threads, native" in html


def test_one_that_gets_away_makes_it_inconclusive() -> None:
    record = detection_record(seconds=0.0)
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "not found: " in record.reason
