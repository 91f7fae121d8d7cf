"""The benchmark's machinery: every transport carries what it was given, the absent are skipped with a word."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from channel import Channel, Counters
from harness.bench import plan
from harness.bench.crew import Crew, Stuck
from harness.bench.measure import PERCENTILES, QUEUED, Cell, LatencyCell, latency, summarize, throughput
from harness.bench.peers import PEERS, FasterFifo, ThreadSimpleQueue, peers
from harness.bench.plan import FULL, QUICK, BenchRun
from harness.bench.record import bench_record, lines
from harness.bench.rows import row
from harness.bench.transport import End, Reach, Transport, Unavailable, no_call
from harness.commands.bench import command
from harness.metrics import has_beyond
from harness.record import RunRecord
from harness.systems.transport import ChannelTransport, NativeTransport, native_pair_ns
from harness.verdict import Outcome

CAPACITY = 1 << 16


@pytest.mark.parametrize("on", ["threads", "processes"])
def test_the_channel_carries_between_workers(on: str) -> None:
    with Crew([ChannelTransport()], on, 2, 2, CAPACITY, 64) as crew:
        single = crew.throughput(1_000)
        batched = crew.throughput(1_000, batch=8)
        counters = crew.counters()
    assert single.messages == 1_000
    assert batched.messages == 992  # what four workers share in batches of eight
    assert single.rate > 0
    assert set(counters) == {"conflicts", "retries", "sleeps", "wakeups"}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: str(peer.name))
def test_every_peer_carries_or_says_why_not(peer: Any) -> None:
    transport: Transport = peer()
    on = "processes" if transport.reach.processes else "threads"
    cell = throughput([transport], on, 1, 1, 64, rounds=2, slice_s=0.001, capacity=CAPACITY)
    figure = cell.figures[0]
    if figure.skipped:
        # what a package of somebody else's does, up to getting stuck, is told and fails nothing
        assert not peer.name.startswith(("multiprocessing.", "queue.")), figure.skipped
    else:
        assert figure.rate is not None
        assert figure.rate.median > 0


def test_a_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    cell = throughput([FasterFifo()], "processes", 1, 1, 64, rounds=1)
    assert cell.figures[0].skipped == "faster_fifo is not installed"


def test_peers_are_asked_only_for_what_they_can() -> None:
    assert "multiprocessing.Pipe" in {peer.name for peer in peers("processes", 1, 1, 8)}
    assert "multiprocessing.Pipe" not in {peer.name for peer in peers("processes", 2, 1, 8)}
    assert "queue.Queue" not in {peer.name for peer in peers("processes", 1, 1, 8)}
    assert "posix_ipc" not in {peer.name for peer in peers("processes", 1, 1, 65536)}


@dataclass
class Refusing:
    """A transport whose ends cannot be opened in a worker, or whose workers die at their first message."""

    name: str = "refusing"
    dies: bool = False
    reach: Reach = field(default_factory=Reach)
    closed: bool = False

    def open(self, capacity: int, size: int) -> None:
        self.closed = False

    def sender(self) -> End:
        if not self.dies:
            raise OSError("no such device")
        return End(_die, no_call)

    def receiver(self) -> End:
        return End(no_call, _die)

    def close(self) -> None:
        self.closed = True


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_cannot_open_its_end_makes_the_transport_unavailable() -> None:
    transport = Refusing()
    with pytest.raises(Unavailable, match="no such device"):
        Crew([transport], "threads", 1, 1, CAPACITY, 8)
    assert transport.closed


def test_a_worker_that_dies_is_noticed_and_its_transport_closed() -> None:
    transport = Refusing(dies=True)
    with Crew([transport], "processes", 1, 1, CAPACITY, 8) as crew, pytest.raises(Stuck, match="died"):
        crew.throughput(10)
    assert transport.closed


TERMINATED = """
import os, signal
from harness.bench.crew import Crew
from harness.termination import tidy_on_termination
from harness.systems.transport import ChannelTransport
tidy_on_termination()
class Again(ChannelTransport):
    def close(self):
        os.kill(os.getpid(), signal.SIGTERM)
        super().close()
with Crew([Again()], "threads", 1, 1, 1 << 16, 8) as crew:
    os.kill(os.getpid(), signal.SIGTERM)
    crew.throughput(10)
"""


def test_a_benchmark_that_is_terminated_leaves_no_segment() -> None:
    with subprocess.Popen([sys.executable, "-c", TERMINATED]) as child:
        assert child.wait(timeout=60) == 128 + signal.SIGTERM
    assert not list(Path("/dev/shm").glob(f"ipc-channel-{child.pid}-*"))


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_latencies_are_measured_per_message(on: str) -> None:
    for kind in ("round trip", "one way"):
        (cell,) = latency([ChannelTransport], kind, on, rounds=2, count=50, pace_ns=10_000)
        assert cell.count == 100
        values = [value for _, value in cell.percentiles]
        assert values == sorted(values)
        assert values[0] > 0


def test_a_one_way_latency_that_is_a_queue_says_so() -> None:
    """One message each nanosecond is more than anything takes."""
    (hurried,) = latency([ChannelTransport], "one way", "processes", rounds=1, count=200, pace_ns=1)
    (there_and_back,) = latency([ChannelTransport], "round trip", "processes", rounds=1, count=50, pace_ns=1)
    assert hurried.note == QUEUED
    assert there_and_back.note == ""


def test_a_thread_that_waits_for_its_next_message_leaves_the_gil_to_the_one_that_receives() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1.0)  # who does not let go of the GIL keeps it for the whole slice, 200 ms
    try:
        (cell,) = latency([ThreadSimpleQueue], "one way", "threads", rounds=1, count=20, pace_ns=10_000_000)
    finally:
        sys.setswitchinterval(interval)
    assert cell.p50 is not None
    assert cell.p50.median < 50e6


@pytest.mark.parametrize("on", ["processes", "threads"])
def test_latency_is_planned_between_processes_and_between_threads(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []

    def note(makers: Sequence[Callable[[], Transport]], kind: str, where: str, **_: Any) -> list[LatencyCell]:
        planned.append((kind, where, [maker().name for maker in makers]))
        return [LatencyCell(maker().name, kind, where, 8) for maker in makers]

    monkeypatch.setattr(plan, "latency", note)
    monkeypatch.setattr(plan, "throughput", lambda *_, **__: Cell("", on, 1, 1, 8, 1, True, 0, ()))

    def channel(name: str, spins: int | None) -> ChannelTransport:
        return ChannelTransport(name)

    run = plan.run_bench(channel, NativeTransport, lambda size: 1.0, QUICK, [on])
    assert [(kind, where) for kind, where, _ in planned] == [("round trip", on), ("one way", on)]
    for _, _, names in planned:
        assert "channel" in names
        assert ("queue.SimpleQueue" in names) == (on == "threads")
    if on == "threads":
        assert all(len(names) == 2 for *_, names in planned)
    words = [line.split() for line in lines(run) if line.startswith("  one way")]
    assert words
    assert all(line[2] == on for line in words)


def test_a_latency_has_what_a_reader_must_know_of_its_transport() -> None:
    cells = latency([ThreadSimpleQueue, Refusing], "round trip", "threads", rounds=1, count=20)
    assert [cell.note for cell in cells] == ["passes a reference; unbounded", ""]
    assert cells[0].to_json()["note"] == cells[0].note


def test_another_kind_of_latency_is_refused() -> None:
    with pytest.raises(ValueError, match="'round trip' or 'one way'"):
        latency([ChannelTransport], "sideways", "threads")


def test_a_median_lies_in_its_interval() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(100):
        seen = summarize(random.lognormal(0, 0.3, 11))
        assert seen.low <= seen.median <= seen.high
        covered += seen.low <= 1.0 <= seen.high
    assert covered >= 85  # of 95 expected
    assert summarize([3.0, 1.0, 2.0]).low == 1.0


def test_native_cost_is_that_of_a_pair() -> None:
    assert native_pair_ns(8) < native_pair_ns(1 << 16)


def test_a_run_becomes_a_record_and_lines() -> None:
    cell = throughput([ChannelTransport(), Refusing()], "threads", 1, 1, 8, rounds=2, slice_s=0.001, group="workers")
    run = BenchRun((cell,), (), ((8, 20.0),))
    record = bench_record(run, started="", duration=0.0, environment={}, command="bench")
    assert record.outcome is Outcome.PASS
    assert "no such device" in record.reason
    assert RunRecord.from_json(record.to_json()) == record
    text = "\n".join(lines(run))
    assert "workers, threads" in text
    assert "sleeps and wake-ups per message" in text
    assert "skipped: OSError: no such device" in text


def test_a_channel_that_got_stuck_makes_no_green_run() -> None:
    cell = throughput([Refusing("channel", dies=True)], "processes", 1, 1, 8, rounds=1)
    assert cell.figures[0].skipped == "a worker died"
    latencies = [LatencyCell("channel, futex", "one way", "processes", 8, skipped="a worker did not answer")]
    for run in (BenchRun((cell,), (), ()), BenchRun((), tuple(latencies), ())):
        record = bench_record(run, started="", duration=0.0, environment={}, command="bench")
        assert record.outcome is Outcome.INCONCLUSIVE
        assert record.reason.startswith("the channel could not be measured: channel")


def test_a_worker_that_died_between_two_slices_is_noticed_and_the_others_are_ended() -> None:
    with Crew([ChannelTransport()], "processes", 1, 1, CAPACITY, 8) as crew:
        workers = list(crew._workers)
        workers[0].kill()
        workers[0].join()
        with pytest.raises(Stuck, match="died"):
            crew.throughput(10)
        assert not any(worker.is_alive() for worker in workers)
        with pytest.raises(Stuck):
            crew.counters()


def test_a_run_that_measured_nothing_is_inconclusive() -> None:
    record = bench_record(BenchRun((), (), ()), started="", duration=0.0, environment={}, command="bench")
    assert record.outcome is Outcome.INCONCLUSIVE


def test_a_row_meets_its_target_or_misses_it() -> None:
    assert row("a", 1.0, "M/s", "b", 3.0, 3.0)["met"] is True
    assert row("a", 1.0, "M/s", "b", 2.99, 3.0)["met"] is False
    assert row("a", 1.0, "M/s")["met"] is None


def test_a_percentile_needs_a_message_beyond_it() -> None:
    assert has_beyond(99.99, 10_000)
    assert not has_beyond(99.99, 9_999)
    assert has_beyond(99.9, 1_000)
    assert not has_beyond(100, 10**9)
    (cell,) = latency([ChannelTransport], "round trip", "threads", rounds=2, count=60)
    assert [percent for percent, _ in cell.percentiles] == [50, 90, 99, 100]
    (line,) = [text for text in lines(BenchRun((), (cell,), ())) if "channel" in text]
    assert line.split()[-2:] == ["-", "-"]


def test_a_writer_that_finds_no_room_waits_by_back_off_and_its_pauses_count_as_sleeps() -> None:
    with Channel.create(capacity=512) as channel:
        with pytest.raises(TimeoutError):
            channel.write_many([b"x" * 64] * 20, timeout=0.005)
        counted = sum(channel.state().counters.values(), Counters())
        channel.unlink()
    assert counted.sleeps >= 2
    assert counted.wakeups == 0


def test_a_transport_without_batches_goes_call_by_call_and_its_note_says_so() -> None:
    transports = [ChannelTransport(), ThreadSimpleQueue()]
    cell = throughput(transports, "threads", 1, 1, 8, batch=8, rounds=2, slice_s=0.001)
    assert cell["queue.SimpleQueue"].note == "call by call; passes a reference; unbounded"
    assert cell["channel"].note == ""
    assert cell["queue.SimpleQueue"].ratio is not None
    assert len(cell.figures) == 2


def test_a_quick_run_has_enough_messages_for_its_last_percentile() -> None:
    for effort in (QUICK, FULL):
        assert has_beyond(PERCENTILES[-1], effort.latency_rounds * effort.round_trips)


def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match=r"cannot write .*nowhere/bench\.json"):
        command.main(["--json", str(tmp_path / "nowhere" / "bench.json")], standalone_mode=False)
