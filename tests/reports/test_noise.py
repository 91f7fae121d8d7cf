"""A run's own noise, in the page's environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reports.noise import own_noise
from reports.page import render
from tests.reports.records import record


def judgement(metric: str, rule: str, low: float, high: float, least_seen: float) -> dict[str, Any]:
    noise = {"change": 0.0, "low": low, "high": high, "p": 1.0, "pairs": 20}
    seen = {"metric": metric, "rule": rule, "answer": "pass", "reason": "", "least_seen": least_seen}
    return {**seen, "estimate": noise, "noise": noise}


def figure(name: str, low: float, high: float) -> dict[str, Any]:
    summary = {"median": 1.0, "low": low, "high": high}
    return {"name": name, "rate": summary, "ratio": summary, "skipped": "", "note": ""}


def test_a_gate_tells_of_each_rule_s_noisiest_metric_and_what_it_could_have_seen() -> None:
    judgements = [
        judgement("pair-8", "path cost", -0.001, 0.002, -0.05),
        judgement("batch-64", "path cost", -0.03, 0.01, -0.062),
        judgement("contended-pair", "contended", -0.1, 0.2, -0.31),
    ]
    gate = replace(record(), kind="gate", metrics=None, details={"judgements": judgements})
    assert own_noise([gate]) == [
        "path cost: same against same within -3.0% to +1.0% (batch-64), slowdowns seen from 6.2% on",
        "contended: same against same within -10.0% to +20.0% (contended-pair), slowdowns seen from 31.0% on",
    ]


def test_a_benchmark_tells_of_its_noisiest_cell() -> None:
    cells = [
        {"figures": [figure("channel", 1.0, 1.0), figure("channel, again", 0.98, 1.05)]},
        {"figures": [figure("channel", 1.0, 1.0), figure("channel, again", 0.8, 1.1), figure("a peer", 3, 9)]},
    ]
    (line,) = own_noise([replace(record(), kind="bench", metrics=None, details={"cells": cells})])
    assert "0.80 to 1.10 times as fast" in line
    assert line.endswith("from 1.25 on")


def test_a_page_without_a_comparison_says_that_noise_was_not_measured() -> None:
    assert own_noise([record()]) == []
    assert "not measured in this run; gate and bench measure it" in render([record()])
