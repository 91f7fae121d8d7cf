"""Workers that are killed, that fail, that never end; executors that are interrupted or killed: nothing is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.executors import processes, threads
from harness.executors.execution import ExecutorError, Kill, Progress
from harness.history import PENDING_RETURN
from harness.operation import NO_ID, Kind, Status, message_value
from harness.systems import channel as channel_system
from harness.systems.base import Answer
from harness.systems.channel import ChannelEndpoint, ChannelSystem
from tests.executors.programs import EXECUTORS, MODES, leftovers, mixed, program, removed, script, writer, written

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    assert leftovers() == []


def endless_reader() -> Any:
    return script({"kind": Kind.READ})


# ---- kills


@pytest.mark.parametrize("step", range(13))
def test_a_writer_killed_at_any_step_costs_at_most_its_own_message(step: int) -> None:
    execution = processes.run(mixed(messages=200), kill=(Kill(0, after=50, step=step),), deadline_s=PATIENCE_S)
    assert execution.finished
    assert execution.drained
    assert [(death.worker, death.exit, death.planned) for death in execution.dead] == [(0, "SIGKILL", True)]
    assert [(worker.worker, worker.reason) for worker in execution.unfinished] == [(0, "died")]
    rows = execution.history.operations
    pending = rows[rows["status"] == Status.PENDING.value]
    assert len(pending) == 1
    assert pending["worker"] == 0
    assert pending["kind"] == Kind.WRITE.value
    assert pending["returned"] == PENDING_RETURN
    maybe = set(pending["value"].tolist())
    assert set(written(execution)) <= set(removed(execution)) <= set(written(execution)) | maybe
    assert len(set(removed(execution))) == len(removed(execution))


def test_the_last_step_of_a_write_has_published_it_and_its_record_names_the_entry() -> None:
    """Of two kills one access apart, one lies before the publication and one behind it."""
    published = []
    for step in range(13):
        alone = program(writer(0, 10), capacity=1024)
        execution = processes.run(alone, kill=(Kill(0, after=5, step=step),), deadline_s=PATIENCE_S)
        pending = execution.history.operations[execution.history.operations["status"] == Status.PENDING.value]
        seen = message_value(0, 5) in removed(execution)
        published.append(seen)
        if seen and int(pending["value"][0]) == message_value(0, 5):
            assert int(pending["id"][0]) == 5 * 16
    assert published == sorted(published)
    assert not published[0]
    assert published[-1]


@pytest.mark.parametrize("mode", MODES)
def test_a_reader_killed_takes_at_most_one_message(mode: str) -> None:
    kill = Kill(2, after=20)
    execution = processes.run(mixed(messages=200), mode=mode, kill=(kill,), deadline_s=PATIENCE_S)
    assert execution.finished
    assert len(written(execution)) - 8 <= len(removed(execution)) <= len(written(execution))


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_killed_by_the_executor_is_reported(mode: str) -> None:
    forever = program(writer(0, 50, think=20_000_000), endless_reader())
    execution = processes.run(forever, mode=mode, kill=(Kill(0, at_s=0.05),), deadline_s=PATIENCE_S)
    assert [(death.worker, death.exit, death.planned) for death in execution.dead] == [(0, "SIGKILL", True)]
    assert execution.seconds < PATIENCE_S
    assert execution.finished


def test_a_killed_peer_s_skipped_entry_is_found() -> None:
    """The victim publishes and dies before it can record its id; a skip removes the entry."""
    victim = writer(0, 1)
    skipper = script({"kind": Kind.SKIP_FORCE, "think": 1_000_000})
    execution = processes.run(program(victim, skipper), kill=(Kill(0, after=0, step=9),), deadline_s=PATIENCE_S)
    rows = execution.history.operations
    skipped = rows[(rows["kind"] == Kind.SKIP_FORCE.value) & (rows["status"] == Status.OK.value)]
    assert skipped["value"].tolist() == [message_value(0, 0)]


def test_without_recovery_a_dead_writer_blocks_the_others() -> None:
    victim, late = writer(0, 10), writer(1, 1, think=100_000_000)  # nobody is in the victim's way: step 6 is inside
    execution = processes.run(
        program(victim, late), kill=(Kill(0, after=5, step=6),), deadline_s=1.0, system=ChannelSystem("no-recovery")
    )
    assert not execution.finished
    assert {(worker.worker, worker.reason) for worker in execution.unfinished} >= {(0, "died"), (1, "deadline")}


def test_kills_are_validated() -> None:
    with pytest.raises(ValueError, match="one of after="):
        Kill(0)
    with pytest.raises(ValueError, match="one of after="):
        Kill(0, after=1, at_s=1.0)
    with pytest.raises(ValueError, match="not negative"):
        Kill(0, after=-1)
    with pytest.raises(ValueError, match="there are 0 to 3"):
        processes.run(mixed(), kill=(Kill(4, after=1),))
    with pytest.raises(ValueError, match="a thread cannot be killed"):
        threads.run(mixed(), kill=(Kill(0, after=1),))
    with pytest.raises(ValueError, match="mode 'native'"):
        processes.run(mixed(), mode="api", kill=(Kill(0, after=1, step=3),))


# ---- failures of the system under test


class FailingEndpoint(ChannelEndpoint):
    def write(self, data: bytes, timeout: int | None) -> Answer:
        print("about to fail", file=sys.stderr)
        raise RuntimeError("the wire is cut")


class FailingSystem(ChannelSystem):
    def attach(self, address: Any) -> ChannelEndpoint:
        whole = super().attach(address)
        return FailingEndpoint(whole._channel, whole._effort)

    def __reduce__(self) -> tuple[Any, ...]:
        return FailingSystem, ()


class AbsentSystem(ChannelSystem):
    """Cannot be attached to by a child."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _raise, ("no such system here",)


class DyingSystem(ChannelSystem):
    """Its endpoints end the process in a write."""

    def attach(self, address: Any) -> ChannelEndpoint:
        whole = super().attach(address)
        return DyingEndpoint(whole._channel, whole._effort)

    def __reduce__(self) -> tuple[Any, ...]:
        return DyingSystem, ()


class DyingEndpoint(ChannelEndpoint):
    def write(self, data: bytes, timeout: int | None) -> Answer:
        os.write(2, b"famous last words")
        os.abort()


def _raise(text: str) -> Any:
    raise RuntimeError(text)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_exception_of_the_system_is_reported_with_its_words(executor: str) -> None:
    execution = EXECUTORS[executor](mixed(messages=5), mode="api", system=FailingSystem(), deadline_s=PATIENCE_S)
    failed = {worker.worker: worker for worker in execution.unfinished}
    assert set(failed) == {0, 1}
    assert failed[0].reason == "error"
    assert "RuntimeError: the wire is cut" in failed[0].message
    assert not execution.finished
    rows = execution.history.operations
    assert rows["status"][rows["kind"] == Kind.WRITE.value].tolist() == [Status.PENDING.value] * 2


def test_a_child_that_dies_is_reported_with_signal_and_last_words() -> None:
    execution = processes.run(mixed(messages=5), mode="api", system=DyingSystem(), deadline_s=PATIENCE_S)
    assert {(death.worker, death.exit, death.planned) for death in execution.dead} == {
        (0, "SIGABRT", False),
        (1, "SIGABRT", False),
    }
    assert all("famous last words" in death.last_words for death in execution.dead)
    assert not execution.finished


def test_a_child_that_does_not_start_is_an_error_with_its_words() -> None:
    with pytest.raises(ExecutorError, match=r"(?s)did not start \(exit code 1\).*no such system here"):
        processes.run(mixed(), mode="api", system=AbsentSystem())


def test_a_death_is_noticed_while_others_still_wait() -> None:
    """The victim is the only writer; the reader waits for ever and is released by the end of the stream."""
    start = time.monotonic()
    execution = processes.run(
        program(writer(0, 50), endless_reader()), kill=(Kill(0, after=10),), deadline_s=PATIENCE_S
    )
    assert execution.finished
    assert time.monotonic() - start < PATIENCE_S
    assert execution.history.shutdown is not None


# ---- runs that do not end


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", MODES)
def test_a_run_that_cannot_end_is_cut_at_its_deadline(executor: str, mode: str) -> None:
    execution = EXECUTORS[executor](program(writer(0, 100), capacity=128), mode=mode, deadline_s=0.3)
    assert [(worker.worker, worker.reason, worker.completed) for worker in execution.unfinished] == [(0, "deadline", 7)]
    assert not execution.finished
    rows = execution.history.operations
    assert rows["status"][:8].tolist() == [Status.OK.value] * 7 + [Status.PENDING.value]
    assert rows["id"][7] == NO_ID
    assert execution.drained


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", MODES)
def test_a_reader_asleep_without_slices_is_woken_at_the_deadline(executor: str, mode: str) -> None:
    sleeper = program(script({"kind": Kind.TRY_WRITE, "value": 1, "size": 8}, {"kind": Kind.READ}, {"kind": Kind.READ}),
                      slice_ns=10**12)  # fmt: skip
    start = time.monotonic()
    execution = EXECUTORS[executor](sleeper, mode=mode, deadline_s=0.3)
    assert time.monotonic() - start < PATIENCE_S
    assert [(worker.worker, worker.reason) for worker in execution.unfinished] == [(0, "deadline")]


def test_progress_can_be_watched() -> None:
    seen: list[Progress] = []
    processes.run(program(writer(0, 100, think=2_000_000), endless_reader()), watch=seen.append, deadline_s=PATIENCE_S)
    assert len(seen) > 3
    assert all(len(progress.completed) == 2 for progress in seen)
    totals = [sum(progress.completed) for progress in seen]
    assert totals == sorted(totals)
    assert totals[-1] > 0


# ---- interruption of the executor

LONG_RUN = """
    import sys
    from harness.executors import processes, threads
    from harness.operation import Kind
    from harness.program import Program, operations

    def main() -> None:
        executor, mode = sys.argv[1:]
        script = operations([{"kind": Kind.READ}, {"kind": Kind.TRY_WRITE, "value": 1, "size": 8}])
        started = []

        def watch(progress):
            if not started:
                started.append(True)
                print("running", flush=True)

        run = {"threads": threads.run, "processes": processes.run}[executor]
        run(Program("long", (script, script[:1]), 4096), mode=mode, deadline_s=600, watch=watch)

    main()
"""


def long_run(executor: str, mode: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LONG_RUN), executor, mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n", process.communicate(timeout=PATIENCE_S)
    return process


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int) -> bool:
    try:
        state = re.search(r"^State:\s+(\w)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state is not None and state[1] in "ZX"


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_ends_everything(executor: str, mode: str) -> None:
    process = long_run(executor, mode)
    children = children_of(process.pid)
    assert len(children) == (2 if executor == "processes" else 0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert "KeyboardInterrupt" in errors
    assert process.returncode == -signal.SIGINT
    assert all(gone(child) for child in children)
    assert leftovers(process.pid) == []


@pytest.mark.parametrize("mode", MODES)
def test_children_die_with_a_killed_executor_and_the_segment_has_no_name(mode: str) -> None:
    process = long_run("processes", mode)
    children = children_of(process.pid)
    assert len(children) == 2
    assert leftovers(process.pid) == []
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while not all(gone(child) for child in children):
        assert time.monotonic() < deadline, "a child outlived its executor"
        time.sleep(0.01)


# ---- segments of executors that were killed before they could remove them


def test_an_orphaned_segment_is_swept_and_not_while_somebody_is_attached() -> None:
    from channel import Channel

    name = f"{channel_system.SEGMENT_PREFIX}{os.getpid()}-00ff"
    channel = Channel.create(name, 4096)
    assert name not in channel_system.sweep()
    channel.close()
    assert name in channel_system.sweep()
    assert not Path("/dev/shm", name).exists()


def test_a_failed_run_leaves_no_segment_and_no_process() -> None:
    def explode(_: Progress) -> None:
        raise ZeroDivisionError

    before = set(children_of(os.getpid()))
    with pytest.raises(ZeroDivisionError):
        processes.run(program(writer(0, 1000, think=1_000_000), endless_reader()), watch=explode)
    assert set(children_of(os.getpid())) <= before
    assert leftovers() == []


def test_records_of_workers_are_their_own() -> None:
    execution = processes.run(mixed(writers=3, readers=3, messages=100), deadline_s=PATIENCE_S)
    rows = execution.history.operations
    writes = rows[rows["kind"] == Kind.WRITE.value]
    assert np.all(writes["worker"] == writes["value"] >> 40)
