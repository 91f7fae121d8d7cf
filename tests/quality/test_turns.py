"""Threads that take turns are interleaved as the schedule has it, and never wait for ever."""

from __future__ import annotations

import threading

import pytest

from examples.naive_lru import Lru, NaiveLru
from harness.stateful import turns
from harness.stateful.calling import OnThreads
from harness.stateful.observation import Call, Observed, ParallelProgram, is_linearizable
from harness.stateful.turns import Schedule, schedule

LATEST_IS_FORGOTTEN = ParallelProgram(
    (Call("put", (0, 1)), Call("put", (1, 1))), ((Call("get", (0,)),), (Call("put", (2, 2)),))
)
SEEDS = range(0, 60, 2)


def histories(make: type, program: ParallelProgram) -> list[tuple[Observed, ...]]:
    run = OnThreads(make)
    return [run(program, seed) for seed in SEEDS]


@pytest.fixture
def unstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here waits in a call for another; a machine that is busy must not look so."""
    monkeypatch.setattr(turns, "STALL_S", 5.0)


@pytest.mark.usefixtures("unstalled")
def test_the_race_is_met_in_the_same_runs_again() -> None:
    judged = [
        [is_linearizable(Lru(), history) for history in histories(NaiveLru, LATEST_IS_FORGOTTEN)] for _ in range(3)
    ]
    assert judged[0] == judged[1] == judged[2]
    assert judged[0][0]  # the first has no preemption
    assert False in judged[0]


@pytest.mark.usefixtures("unstalled")
@pytest.mark.parametrize("first", [0, 1])
def test_a_turn_ends_where_the_schedule_says(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Steps:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def call(self, worker: int) -> None:
            self.seen.append(worker)
            self.seen.append(worker)
            self.seen.append(worker)

    made: list[Steps] = []

    def make() -> Steps:
        made.append(Steps())
        return made[-1]

    chosen = Schedule(first, frozenset([3]))
    monkeypatch.setattr("harness.stateful.calling.schedule", lambda *_: chosen)
    OnThreads(make)(ParallelProgram((), ((Call("call", (0,)),), (Call("call", (1,)),))))
    other = 1 - first  # the first step is before the call, and a step is before its line
    assert made[0].seen == [first, other, other, other, first, first]


def test_all_single_preemptions_come_and_no_other_before_a_walk() -> None:
    numbered = [schedule([0, 1], 5, number) for number in range(60)]
    assert numbered[0] == Schedule(0, frozenset())
    single = {(s.first, *s.ends) for s in numbered[1:20:2]}
    assert single == {(first, end) for first in (0, 1) for end in range(1, 6)}
    assert {len(s.ends) for s in numbered[2:20:2]} > {2, 3, 4}


class Locked:
    """Correct; a thread that is preempted with the lock held keeps all others out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items = NaiveLru()

    def put(self, key: int, value: int) -> None:
        with self._lock:
            self._items.put(key, value)

    def get(self, key: int) -> int | None:
        with self._lock:
            return self._items.get(key)


@pytest.mark.parametrize("workers", [2, 3])
def test_who_waits_for_another_loses_the_turn(workers: int) -> None:
    calls = (Call("put", (0, 1)), Call("get", (1,)), Call("put", (1, 1)), Call("get", (0,)))
    program = ParallelProgram((), (calls,) * workers)
    for history in histories(Locked, program):
        assert len(history) == 4 * workers
        assert is_linearizable(Lru(), history)
