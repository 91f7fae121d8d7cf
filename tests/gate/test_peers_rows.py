"""The rows of benchmarks/peers.py: their ratios are paired by round."""

from __future__ import annotations

import argparse
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from harness.bench.measure import LatencyCell, summarize
from harness.bench.rows import publish, row

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "peers.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_peers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(name: str, *rounds: float) -> LatencyCell:
    return LatencyCell(name, "round trip", "processes", 8, 10, ((50.0, 1.0),), summarize(rounds), rounds)


def test_round_trips_are_compared_within_a_round(script: ModuleType) -> None:
    """A neighbour that slows some rounds of both down is in neither's favour; medians of each alone would say 0.5."""
    ours = cell("channel, spinning", 1000, 4000, 4000, 4000, 1000, 4000, 1000)
    theirs = cell("iceoryx2", 2000, 8000, 2000, 8000, 2000, 8000, 2000)
    slower = cell("cloudtoid-interprocess, polling", *[9000.0] * 7)
    found = script.latency_rows([ours, theirs, slower], "round trip")
    (ratio,) = [row for row in found if row["ratio"] is not None]
    assert ratio["ratio"] == 2.0
    assert ratio["against"] == "quicker than iceoryx2 [0.50, 2.00]"
    assert ratio["met"] is True


def test_without_a_peer_of_the_kind_there_is_no_ratio(script: ModuleType) -> None:
    found = script.latency_rows([cell("channel, futex", 1.0, 2.0), cell("iceoryx2", 1.0, 2.0)], "round trip")
    assert [row["ratio"] for row in found] == [None, None]


@pytest.mark.parametrize(
    ("ratios", "strict", "code", "words"),
    [
        ((2.0, 1.0), True, None, "0 of 2 targets missed"),
        ((2.0, 0.9), True, 3, "1 of 2 targets missed: second"),
        ((2.0, 0.9), False, None, "1 of 2 targets missed: second"),
        ((), True, None, "0 of 0 targets missed"),
    ],
)
def test_a_missed_target_ends_a_strict_script(
    ratios: tuple[float, ...],
    strict: bool,
    code: int | None,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [row(name, 1, "x", "target", ratio, 1.0) for name, ratio in zip(("first", "second"), ratios, strict=False)]
    options = argparse.Namespace(json=tmp_path / "rows.json", strict=strict)
    if code is None:
        publish([*rows, row("without", 1, "ns")], options)
    else:
        with pytest.raises(SystemExit) as ended:
            publish([*rows, row("without", 1, "ns")], options)
        assert ended.value.code == code
    assert capsys.readouterr().err.strip() == words
    assert len(json.loads(options.json.read_text(encoding="utf-8"))) == len(ratios) + 1
