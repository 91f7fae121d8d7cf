"""The history: lines in, series and change points out."""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gate.history import append, change_points, load, trend


def line(day: int, ratio: float, reference: str = "v1", cpu: str = "A") -> dict[str, Any]:
    figure = {"ratio": ratio, "low": ratio * 0.98, "high": ratio * 1.02, "cost_ns": 10.0, "answer": "passed"}
    environment = {"cpu": cpu, "cores": 2}
    return {"started": f"day {day}", "reference": reference, "environment": environment, "figures": {"pair-8": figure}}


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history.jsonl"
    lines = [line(number, 1 + number) for number in range(3)]
    for each in lines:
        append(path, each)
    assert load(path) == lines


def test_a_trend_is_of_the_same_reference_on_the_same_machine() -> None:
    runs = [line(0, 1.0), line(1, 9.0, reference="v2"), line(2, 9.0, cpu="B"), line(3, 1.1)]
    points = trend(runs, line(3, 1.1))["pair-8"]["points"]
    assert [(point["started"], point["ratio"]) for point in points] == [("day 0", 1.0), ("day 3", 1.1)]


@pytest.mark.parametrize(("text", "message"), [("{", "not a JSON object"), ("[1]", "but list")])
def test_a_line_that_is_no_object_is_named_and_left_out(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"started": "x"}\n' + text + "\n", encoding="utf-8")
    heard: list[str] = []
    assert load(path, heard.append) == [{"started": "x"}]
    assert [(f"{path}:2" in told, message in told) for told in heard] == [(True, True)]


def test_another_file_is_no_history(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("# Read me\n")
    with pytest.raises(ValueError, match=r"README.md:1: not a JSON object"):
        load(path)


def test_what_can_be_read_without_end_is_no_history(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"pipe: not a regular file"):
        load(tmp_path / "pipe")


def test_a_run_behind_a_line_that_was_cut_short_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append(path, line(0, 1.0))
    with path.open("a") as file:
        file.write('{"started": "da')
    append(path, line(1, 1.1))
    heard: list[str] = []
    assert load(path, heard.append) == [line(0, 1.0), line(1, 1.1)]
    assert len(heard) == 1


ODD: list[dict[str, Any]] = [
    {},
    {"reference": "v1", "environment": "none", "figures": {}},
    line(1, 1.0) | {"figures": None},
    line(1, 1.0) | {"figures": {"pair-8": 7}},
    line(1, 1.0) | {"figures": {"pair-8": {"ratio": "fast"}}},
    line(1, math.nan),
    line(1, -1.0),
    line(1, 0.0),
]


@pytest.mark.parametrize("odd", ODD)
def test_a_run_of_another_shape_is_no_point(odd: dict[str, Any]) -> None:
    assert len(trend([line(0, 1.0), odd, line(2, 1.0)], line(2, 1.0))["pair-8"]["points"]) == 2


def test_runs_whose_machine_is_not_known_are_not_held_beside_each_other() -> None:
    unknown = line(0, 1.0) | {"environment": {}}
    assert trend([unknown, unknown], unknown)["pair-8"]["points"] == []


@pytest.mark.parametrize("runs", [1, 2, 100, 10_000])
def test_a_trend_is_bounded(runs: int) -> None:
    points = trend([line(number, 1.0) for number in range(runs)], line(runs, 1.0))["pair-8"]["points"]
    assert len(points) == min(runs, 200)
    assert points[-1]["started"] == f"day {runs - 1}"


@pytest.mark.skipif(importlib.util.find_spec("ruptures") is None, reason="ruptures is not installed")
def test_a_new_level_is_a_change_point_and_noise_is_none() -> None:
    random = np.random.default_rng(3)
    steady = np.exp(random.normal(0, 0.02, 40))
    assert change_points(list(steady)) == []
    stepped = steady * np.where(np.arange(40) < 25, 1.0, 0.85)
    found = change_points(list(stepped))
    assert found is not None
    assert [abs(point - 25) <= 1 for point in found] == [True]
    assert change_points(list(stepped[:9])) == []


@pytest.mark.skipif(importlib.util.find_spec("ruptures") is not None, reason="ruptures is installed")
def test_without_its_library_nothing_is_said() -> None:
    assert change_points([1.0] * 20) is None
