"""A channel that a user brings: ``queue.Queue`` on threads, judged like any other."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from harness.checks import check_history
from harness.executors import Execution, ExecutorError, processes, threads
from harness.operation import Kind
from harness.program import Program, ProgramError
from harness.systems.base import System
from harness.systems.channel import ChannelSystem
from harness.systems.queues import QueueSystem
from harness.verdict import Outcome
from tests.executors.programs import program, removed, script, writer, written


def traffic() -> Program:
    readers = script({"kind": Kind.READ}, {"kind": Kind.TRY_READ}, {"kind": Kind.READ, "timeout": 1_000_000})
    return program(writer(0, 200, size=24), writer(1, 200, size=40), readers, readers)


def bounded(_: int) -> queue.Queue[bytes]:
    return queue.Queue(maxsize=4)


class LifoQueue(queue.LifoQueue[bytes]):
    """Not a FIFO at all."""


def failures(execution: Execution) -> set[str]:
    verdicts = check_history(execution.history, drained=execution.drained, unfinished=execution.unfinished)
    return {verdict.property for verdict in verdicts if verdict.outcome is Outcome.FAIL}


def test_a_queue_is_a_system() -> None:
    assert isinstance(QueueSystem(bounded), System)
    assert isinstance(ChannelSystem(), System)


def test_the_standard_queue_is_acquitted() -> None:
    execution = threads.run(traffic(), system=QueueSystem(bounded), mode="api", deadline_s=30)
    assert execution.finished
    assert execution.drained
    assert written(execution) == removed(execution)
    assert len(written(execution)) == 400
    assert failures(execution) == set()


def test_a_stack_is_convicted() -> None:
    stack = QueueSystem(lambda _: LifoQueue(), "stack")
    several = program(writer(0, 5, size=24), script({"kind": Kind.READ, "think": 50_000_000}))
    assert failures(threads.run(several, system=stack, mode="api", deadline_s=30)) == {"fifo"}


def test_a_writer_blocked_in_a_queue_is_cut() -> None:
    execution = threads.run(program(writer(0, 9)), system=QueueSystem(bounded), mode="api", deadline_s=0.3)
    assert [(worker.worker, worker.reason, worker.completed) for worker in execution.unfinished] == [(0, "deadline", 4)]


def test_what_a_system_does_not_offer_is_refused() -> None:
    system = QueueSystem(bounded, "small queue")
    with pytest.raises(ProgramError, match="wants peek; small queue offers read, try_read, try_write, write"):
        threads.run(program(script({"kind": Kind.PEEK})), system=system, mode="api")
    with pytest.raises(ExecutorError, match="no native scripts; use mode 'api'"):
        threads.run(program(writer(0, 1)), system=system)
    with pytest.raises(ValueError, match="run it on threads"):
        processes.run(program(writer(0, 1)), system=system, mode="api")


@pytest.mark.parametrize("options", [{"noise": 5, "mode": "api"}, {"noise": -1}])
def test_noise_is_validated(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="noise is a number of accesses from 1"):
        threads.run(program(writer(0, 1)), **options)


def test_a_channel_of_threads_may_stand_in_a_segment() -> None:
    execution = threads.run(traffic(), system=ChannelSystem(in_segment=True), deadline_s=30)
    assert execution.finished
    assert written(execution) == removed(execution)
