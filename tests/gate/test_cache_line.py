"""How far apart two CPUs are: measured where it can be, told as not measured where it cannot, and shown."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest

import harness.bench.cache_line
import harness.bench.plan
import harness.gate.run
import reports
from harness import _native
from harness.bench.cache_line import cache_line_ns
from harness.bench.measure import throughput
from harness.bench.plan import BenchRun
from harness.bench.rows import cache_line_rows
from harness.commands import bench, gate
from harness.systems.transport import ChannelTransport
from tests.gate.test_command import ROOT, run_of

SCHEMA = json.loads((Path(reports.__file__).parent / "schema" / "run-record.json").read_text(encoding="utf-8"))
IN_WORDS = "27 ns before, 165 ns after"
MS = 1_000_000

two_cpus = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")


def run(script: str) -> str:
    """What a process of its own prints, which ends within a minute."""
    return subprocess.run(
        [sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True
    ).stdout.strip()


@two_cpus
def test_a_line_takes_a_time_between_two_cpus() -> None:
    measured = (taken for _ in range(20) if (taken := cache_line_ns()) is not None)
    taken = next(measured, math.nan)  # others may keep the CPUs busy for a second, but not for twenty
    assert math.isfinite(taken)
    assert taken > 0


@two_cpus
def test_the_caller_stays_where_it_was() -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    script = """
import os
from harness.bench.cache_line import cache_line_ns
{narrow}
before = os.sched_getaffinity(0)
cache_line_ns(({first}, {second}))
print(os.sched_getaffinity(0) == before)
"""
    for narrow in ("", f"os.sched_setaffinity(0, {{{second}}})"):
        assert run(script.format(narrow=narrow, first=first, second=second)) == "True"


def test_with_one_cpu_nothing_is_measured() -> None:
    script = """
import os
from harness.bench.cache_line import cache_line_ns
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(cache_line_ns())
"""
    assert run(script) == "None"


@pytest.mark.parametrize("absent", [-1, 1 << 20])
def test_a_cpu_that_is_not_ours_is_not_waited_for(absent: int) -> None:
    cpu = min(os.sched_getaffinity(0))
    patience = 600_000 * MS  # beyond the limit of a test
    assert _native.line_latency(cpu, absent, patience) is None
    assert _native.line_latency(absent, cpu, patience) is None


def test_an_answer_that_does_not_come_in_time_is_not_waited_for() -> None:
    """Two threads on one CPU take turns by the scheduler's slices: 44,000 of them are minutes."""
    cpu = min(os.sched_getaffinity(0))
    assert _native.line_latency(cpu, cpu, 50 * MS) is None


def test_other_threads_go_on_meanwhile() -> None:
    cpu = min(os.sched_getaffinity(0))
    turns, over = 0, threading.Event()

    def count() -> None:
        nonlocal turns
        while not over.is_set():
            turns += 1
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    before = turns
    try:
        assert _native.line_latency(cpu, cpu, 300 * MS) is None
        assert turns > before
    finally:
        over.set()
        other.join()


@pytest.fixture
def two_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host moves a CPU in the middle of the run."""
    times = iter([27.1, 164.9])
    monkeypatch.setattr(harness.bench.cache_line, "cache_line_ns", lambda: next(times))


@pytest.mark.usefixtures("two_modes")
def test_bench_tells_it_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = throughput([ChannelTransport()], "threads", 1, 1, 8, rounds=2, slice_s=0.001, group="workers")
    monkeypatch.setattr(harness.bench.plan, "run_bench", lambda *_: BenchRun((cell,), (), ((8, 20.0),)))
    bench.command.main(["--report", str(tmp_path)], standalone_mode=False)
    assert f"a cache line, core to core: {IN_WORDS}" in capsys.readouterr().out
    assert IN_WORDS in (tmp_path / "index.html").read_text(encoding="utf-8")
    (record,) = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["records"]
    assert record["environment"]["cache_line_ns"] == {"before": 27.1, "after": 164.9}
    jsonschema.validate(record, SCHEMA)


@pytest.mark.usefixtures("two_modes")
def test_the_gate_tells_it_and_its_history_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(harness.gate.run, "run_gate", lambda *_: run_of({}))
    history = tmp_path / "history.jsonl"
    gate.command.main(["--report", str(tmp_path), "--history", str(history)], standalone_mode=False)
    assert f"a cache line, core to core: {IN_WORDS}" in capsys.readouterr().out
    assert IN_WORDS in (tmp_path / "index.html").read_text(encoding="utf-8")
    environment = json.loads(history.read_text(encoding="utf-8"))["environment"]
    assert environment["cache_line_ns"] == {"before": 27.1, "after": 164.9}


def test_what_was_not_measured_meets_the_schema_and_what_cannot_be_does_not() -> None:
    schema = SCHEMA["properties"]["environment"]
    jsonschema.validate({"cache_line_ns": {"before": None, "after": None}}, schema)
    jsonschema.validate({}, schema)  # records of other kinds, and those of before
    for wrong in ({}, {"before": 1.0}, {"before": 0, "after": 1.0}, {"before": "27 ns", "after": 1.0}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"cache_line_ns": wrong}, schema)


def test_a_script_has_a_row_of_it_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.bench.rows.cache_line_ns", lambda: 27.0)
    (row,) = cache_line_rows("before")
    assert (row["name"], row["value"], row["unit"]) == ("cache line, one way, before", 27.0, "ns")
    assert row["target"] is None
    monkeypatch.setattr("harness.bench.rows.cache_line_ns", lambda: None)
    assert cache_line_rows("after") == []
    assert capsys.readouterr().out == "cache line, one way, after: left out: not measured\n"
