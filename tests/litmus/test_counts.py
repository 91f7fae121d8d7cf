"""The exact numbers of executions: published litmus tests, and the Vyukov queue as GenMC 0.11 counts it."""

from __future__ import annotations

import pytest

from harness import _explorer
from harness.explore.litmus import LITMUS


@pytest.mark.parametrize("name", LITMUS)
def test_a_litmus_program_has_exactly_its_executions(name: str) -> None:
    test = LITMUS[name]
    result = _explorer.explore(test.program.subject(), graphs=True)
    assert result.complete == test.executions
    assert result.exhausted
    assert result.repeated == 0
    assert len(result.graphs) == test.executions


QUEUE = {(2, 1): 2, (2, 2): 4, (3, 1): 14, (4, 1): 118, (3, 2): 1_388, (3, 3): 81_124, (4, 2): 486_136}
WAITING = {(2, 1): 2, (2, 2): 4, (3, 1): 4, (4, 1): 14, (3, 2): 106, (3, 3): 2_498, (4, 2): 3_474}


@pytest.mark.parametrize(("workers", "operations"), QUEUE)
def test_the_queue_has_exactly_its_executions(workers: int, operations: int) -> None:
    result = _explorer.explore(_explorer.vyukov_queue(workers, operations), waiting=False)
    assert (result.complete, result.cut, result.failed, result.exhausted) == (QUEUE[workers, operations], 0, 0, True)


@pytest.mark.parametrize(("workers", "operations"), WAITING)
def test_a_failed_round_that_only_read_is_a_wait(workers: int, operations: int) -> None:
    result = _explorer.explore(_explorer.vyukov_queue(workers, operations))
    assert (result.complete, result.failed, result.exhausted) == (WAITING[workers, operations], 0, True)


def test_no_execution_of_the_queue_comes_twice() -> None:
    result = _explorer.explore(_explorer.vyukov_queue(3, 2), waiting=False, graphs=True)
    assert (len(result.graphs), result.repeated) == (1_388, 0)


MISSED = None
RACES = {
    "push_load": {(2, 1): MISSED, (2, 2): MISSED, (2, 3): 4, (3, 2): 1},
    "push_store": {(2, 1): 1, (2, 2): 1, (2, 3): 1, (3, 2): 1},
    "pop_load": {(2, 1): 1, (2, 2): 1, (2, 3): 1, (3, 2): 1},
    "pop_store": {(2, 1): MISSED, (2, 2): MISSED, (2, 3): 4, (3, 2): 1},
}


@pytest.mark.parametrize(("weakened", "workers", "operations"), [(m, *size) for m in RACES for size in RACES[m]])
def test_a_weakened_order_of_the_queue_is_a_race(weakened: str, workers: int, operations: int) -> None:
    """Two of them need more items than the capacity: the queue must wrap around."""
    subject = _explorer.vyukov_queue(workers, operations, weakened)
    result = _explorer.explore(subject, waiting=False)
    runs = RACES[weakened][workers, operations]
    if runs is MISSED:
        assert (result.failed, result.exhausted) == (0, True)
        return
    failure = result.failures[0]
    assert (failure.fault, result.runs) == ("race", runs)
    _, again = _explorer.replay(subject, failure.schedule)
    assert (again.fault, again.what, again.line, again.worker) == (
        failure.fault,
        failure.what,
        failure.line,
        failure.worker,
    )


@pytest.mark.parametrize(("workers", "operations"), [(2, 1), (2, 2), (2, 3), (3, 2)])
def test_the_queue_itself_has_no_race(workers: int, operations: int) -> None:
    result = _explorer.explore(_explorer.vyukov_queue(workers, operations), waiting=False)
    assert (result.failed, result.exhausted) == (0, True)
