"""Numbers and nouns."""

from __future__ import annotations

import pytest

from harness.verdict import Outcome, Verdict, Witness
from harness.words import again, before_and_after, counted


@pytest.mark.parametrize(
    ("count", "noun", "told"),
    [
        (0, "assertion", "0 assertions"),
        (1, "assertion", "1 assertion"),
        (2_000, "assertion", "2,000 assertions"),
        (1, "stale access", "1 stale access"),
        (2, "context switch", "2 context switches"),
        (3, "distinct history", "3 distinct histories"),
        (1, "distinct history", "1 distinct history"),
        (2, "day", "2 days"),
    ],
)
def test_a_noun_agrees_with_its_number(count: int, noun: str, told: str) -> None:
    assert counted(count, noun) == told


def test_what_did_not_fail_again_is_told_as_that() -> None:
    assert again("4/5") == "reproduced 4/5"
    assert again("0/5") == "this did not fail again in 5 tries; what happened above stands, and is rare"
    assert again("0/1").startswith("this did not fail again in 1 try;")
    assert again("not tried") == "not tried"


def test_a_time_before_and_after() -> None:
    assert before_and_after({"before": 27.4, "after": 164.6}) == "27 ns before, 165 ns after"
    assert before_and_after({"before": 27.4, "after": None}) == "27 ns before, not measured after"
    assert before_and_after({"before": None, "after": None}) == "not measured"


def test_a_verdict_names_its_rule_once() -> None:
    verdict = Verdict.failed("fifo", "ORDER", Witness("in first, out later"))
    assert str(verdict) == "fifo: FAIL [ORDER]: in first, out later"
    assert Verdict.overall([verdict]) == (Outcome.FAIL, "fifo: ORDER: in first, out later")


def test_one_assertion_holds() -> None:
    assert Verdict.overall([Verdict.passed("p", "r", {"a": 1})]) == (Outcome.PASS, "1 assertion holds")
