"""Parallel runs on processes: what they find, and what becomes of workers that die or hang. Nothing stays behind."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from channel import ChannelQueue
from examples import shared_queue
from examples.naive_queue import OPERATIONS, BoundedQueue
from examples.naive_queue_machine import QueueMachine
from examples.shared_queue import SharedQueue, release
from harness.checks.specifications import Operation
from harness.stateful.attached import Attached, Crew
from harness.stateful.machine_specification import from_machine
from harness.stateful.observation import Call, ParallelError, ParallelProgram
from harness.stateful.parallel import NotLinearizable, check_parallel, find_counterexample, reproduce
from tests.quality.structures import DyingQueue, ForkingQueue, HangingQueue, LockedQueue, OpaqueQueue, no_such_queue

PUT, GET = Call("put", (1,)), Call("get")
TWO_PUTS_IN_ONE_PLACE = ParallelProgram((PUT,), ((PUT,), (PUT,)))
THREE_PUTS = ParallelProgram((), ((PUT, GET), (GET, PUT, PUT, PUT)))


CREATED: list[str] = []


def create() -> str:
    CREATED.append(shared_queue.create())
    return CREATED[-1]


def shared(attach: Any) -> Attached:
    return Attached(create, attach, release)


@pytest.fixture(autouse=True)
def _nothing_stays_behind() -> Iterator[None]:
    CREATED.clear()
    yield
    assert not multiprocessing.active_children()
    assert not [name for name in CREATED if Path("/dev/shm", name).exists()]


def test_the_race_between_processes_is_found_and_shrunk() -> None:
    found = find_counterexample(shared(SharedQueue), BoundedQueue(), OPERATIONS, tries=10)
    assert found is not None
    assert found.program.size <= 4
    assert len(found.program.workers) == 2


def test_its_program_fails_again() -> None:
    again = reproduce(shared(SharedQueue), BoundedQueue(), TWO_PUTS_IN_ONE_PLACE, runs=200)
    assert again is not None
    assert 0 < again.failed <= again.runs == 200


def test_the_repaired_queue_passes() -> None:
    check_parallel(shared(LockedQueue), BoundedQueue(), OPERATIONS, max_examples=20, tries=5)
    assert reproduce(shared(LockedQueue), BoundedQueue(), TWO_PUTS_IN_ONE_PLACE, runs=200) is None


def test_a_machine_is_the_specification_of_processes_too() -> None:
    _, specification, operations = from_machine(QueueMachine)
    check_parallel(shared(LockedQueue), specification, operations, max_examples=10, tries=3)
    put = specification.call("put", {"item": 1})
    again = reproduce(shared(SharedQueue), specification, ParallelProgram((put,), ((put,), (put,))), runs=200)
    assert again is not None


def test_instants_are_of_one_clock_and_workers_overlap() -> None:
    program = ParallelProgram((PUT,), ((GET,) * 8, (PUT,) * 8))
    with Crew(shared(LockedQueue)) as run:
        histories = [run(program, seed) for seed in range(20)]
    for history in histories:
        assert len(history) == program.size
        for worker in (-1, 0, 1):
            own = [seen for seen in history if seen.worker == worker]
            assert all(seen.invoked < seen.returned for seen in own)
            assert all(a.returned < b.invoked for a, b in itertools.pairwise(own))
        assert history[0].call == PUT
        assert history[0].returned < min(seen.invoked for seen in history[1:])

    def begins_inside_another(history: Any) -> bool:
        return any(a.invoked < b.invoked < a.returned for a in history for b in history if a.worker != b.worker)

    assert any(map(begins_inside_another, histories))


def test_a_worker_that_dies_is_named_with_its_call() -> None:
    with pytest.raises(ChildProcessError, match=r"worker \d: died of SIGKILL in put\(\d\)") as raised:
        check_parallel(shared(DyingQueue), BoundedQueue(), OPERATIONS, tries=2)
    assert "ParallelProgram(" in raised.value.__notes__[0]


def test_a_worker_that_hangs_is_cut_and_named_with_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("attached", "calling"):
        monkeypatch.setattr(f"harness.stateful.{module}.PATIENCE_S", 0.5)
    with pytest.raises(TimeoutError, match=r"worker \d: put\(1\) did not return within 0.5 s"):
        reproduce(shared(HangingQueue), BoundedQueue(), THREE_PUTS, runs=1_000)


def test_after_a_loss_the_crew_is_whole_again() -> None:
    with Crew(shared(DyingQueue)) as run:
        for _ in range(2):
            with pytest.raises(ChildProcessError):
                run(ParallelProgram((PUT, PUT, PUT), ((), ())), 0)
        assert [seen.result for seen in run(ParallelProgram((), ((PUT,), (PUT,))), 0)] == [None, None]


@pytest.mark.parametrize(
    ("attached", "told"),
    [
        (Attached(create, lambda name: SharedQueue(name), release), "attach cannot be sent to another process"),
        (Attached(threading.Lock), r"what create\(\) gave cannot be sent .*let create\(\) give what names it"),
        (Attached(multiprocessing.Queue), r"what create\(\) gave cannot be sent .*through inheritance"),
        (Attached(create, no_such_queue, release), "attach failed: FileNotFoundError: no such queue"),
        (Attached(create, release=release), r"str has no operation 'put'; its methods: capitalize, "),
        (Attached(OpaqueQueue), r"put\(1\) gave a lock that cannot be sent back .*let it give plain values"),
    ],
    ids=["attach", "object", "inherited", "absent", "operations", "result"],
)
def test_what_other_processes_cannot_come_to_gets_one_clear_error(attached: Attached, told: str) -> None:
    with pytest.raises(ParallelError, match=told):
        check_parallel(attached, BoundedQueue(), {"put": st.just((1,))}, tries=1)


def test_an_exception_that_cannot_be_restored_is_known_by_its_name() -> None:
    with Crew(Attached(OpaqueQueue)) as run:
        (seen,) = run(ParallelProgram((GET,), ((), ())), 0)
    assert seen.answer == "raises _Peculiar"


def test_what_a_worker_has_started_ends_with_it() -> None:
    with Crew(shared(ForkingQueue)) as run:
        children = [seen.result for seen in run(ParallelProgram((), ((PUT,), (PUT,))), 0)]
        watched = [os.pidfd_open(child) for child in children]
    try:
        assert len(set(children)) == 2
        for child in watched:
            assert select.select([child], [], [], 30.0)[0], "a process outlived the worker that started it"
    finally:
        for child in watched:
            os.close(child)


ABANDONED = """
import multiprocessing, sys, time
from harness.stateful.attached import Crew
from tests.quality.test_attached import *
if __name__ == "__main__":
    with Crew(shared(LockedQueue)) as run:
        run(TWO_PUTS_IN_ONE_PLACE, 0)
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        sys.stdin.read()
"""


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "abandoned.py"
    script.write_text(ABANDONED, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        workers = [os.pidfd_open(int(word)) for word in parent.stdout.readline().split()]
        try:
            assert len(workers) == 2
            parent.kill()
            for worker in workers:
                assert select.select([worker], [], [], 30.0)[0], "a worker outlived its parent"
        finally:
            for worker in workers:
                os.close(worker)


class NoWait(BoundedQueue):
    """The specification under the names of `ChannelQueue`."""

    def step(self, state: Any, operation: Operation) -> Any:
        known = replace(operation, f=operation.f.removesuffix("_nowait"), error=operation.error.removeprefix("channel"))
        return super().step(state, known)


def test_an_object_that_can_be_pickled_needs_no_attach() -> None:
    """The channel of this project, whose handles are pickled as its name."""
    room = 3  # a byte and its header take 16 of the 64 bytes, and the terminator does, too
    operations = {"put_nowait": st.tuples(st.sampled_from([b"a", b"b"])), "get_nowait": st.just(())}
    attached = Attached(partial(ChannelQueue, capacity=64), release=ChannelQueue.close)
    check_parallel(attached, NoWait(room), operations, max_examples=20, tries=5)
    with pytest.raises(NotLinearizable):
        check_parallel(attached, NoWait(room - 1), operations, most_prefix=8, tries=2)
