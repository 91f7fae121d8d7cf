"""Where an exploration ends: a correct channel is never convicted for it, and time and signals are heeded."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable

import pytest

from harness import _explorer
from harness.explore import examine
from harness.explore.exploration import Driver
from harness.explore.litmus import Instruction, LitmusProgram
from harness.explore.programs import program
from harness.explore.record import explored_record, self_test
from harness.operation import NO_TIMEOUT, Kind
from harness.verdict import Outcome

Call = tuple[int, int, int, int, int]


def call(kind: Kind, value: int = 0, size: int = 0, timeout: int = NO_TIMEOUT) -> Call:
    return kind.value, value, size, timeout, 1


READ, READ_BRIEFLY = call(Kind.READ), call(Kind.READ, timeout=1_000)


def write(value: int, kind: Kind = Kind.WRITE, timeout: int = NO_TIMEOUT) -> Call:
    return call(kind, value, 8, timeout)


@pytest.mark.parametrize("strategy", ["uniform", "pct", "pos"])
@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_a_walk_in_which_a_deadline_does_not_fire_is_cut_and_no_deadlock(strategy: str, model: str) -> None:
    subject = _explorer.channel(32, [[write(1)], [READ_BRIEFLY, READ_BRIEFLY]])
    seen = _explorer.sample(subject, strategy, seed=1, executions=500, model=model)
    assert seen.failures == []
    assert seen.complete > 0
    assert seen.cut > 0


@pytest.mark.parametrize("strategy", ["uniform", "pct", "pos"])
def test_a_walk_in_which_a_reader_without_a_deadline_sleeps_for_ever_fails(strategy: str) -> None:
    seen = _explorer.sample(_explorer.channel(32, [[write(1)], [READ, READ]]), strategy, seed=1, executions=500)
    assert seen.failures[0].blocked == "deadlock"


@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_a_call_that_tries_once_takes_no_heed_of_its_timeout(model: str) -> None:
    scripts = [[write(worker, Kind.TRY_WRITE, 1_000)] for worker in range(2)]
    seen = _explorer.explore(_explorer.channel(32, scripts), model)
    assert seen.failures == []
    assert seen.exhausted


def _many() -> _explorer.Subject:
    """Adders, of whom one expects to be the first: more orders than there is time for."""
    add = Instruction("add", 0, 1)
    return LitmusProgram(1, [[add, Instruction("check", 0, 0)], *[[add, add, add]] * 5]).subject()


def _first_failure(subject: _explorer.Subject) -> str:
    return _explorer.explore(subject).failures[0].schedule


@pytest.mark.parametrize(
    "run",
    [
        lambda: _explorer.explore(_explorer.vyukov_queue(4, 4), seconds=60.0),
        lambda: _explorer.sample(_explorer.vyukov_queue(4, 4), "pos", seed=1, executions=2**62, seconds=60.0),
        lambda: _explorer.minimise(_many(), _first_failure(_many()), executions=2**62, seconds=60.0),
    ],
)
def test_an_interrupt_ends_an_exploration(run: Callable[[], object]) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run()


def test_time_is_looked_at_by_accesses_and_not_by_executions() -> None:
    # rounds that are no waits: an execution has thousands of accesses
    subject = _explorer.channel(32, [[write(1), write(2)], [READ]], max_round_trips=1_000)
    begun = time.monotonic()
    seen = _explorer.explore(subject, seconds=0.5, stop_at_failure=False)
    assert not seen.exhausted
    assert seen.runs < 1_024 or time.monotonic() - begun < 30


@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_at_a_limit_beyond_the_bound_only_the_worker_who_meets_it_stays(model: str) -> None:
    """The writer goes round a full ring: each number of rounds after which there is room is another execution."""
    subject = _explorer.channel(32, [[write(1), write(2)], [READ]], max_round_trips=1_000)
    seen = _explorer.explore(subject, model, executions=2_000)
    assert seen.failures == []
    assert seen.complete > 64
    assert seen.bounded > 0
    assert all(re.fullmatch(r"64 rounds of the loop at channel\.hpp:\d+", bound) for bound in seen.bounds)


@pytest.mark.parametrize("strategy", ["uniform", "pct", "pos"])
def test_a_walk_that_meets_a_bound_is_none_that_is_cut_in_a_wait(strategy: str) -> None:
    seen = _explorer.sample(_explorer.planted("pauses much"), strategy, seed=1, executions=5)
    assert (seen.failures, seen.complete, seen.cut, seen.bounded) == ([], 0, 0, 5)
    (bound,) = seen.bounds
    assert re.fullmatch(r"4000 accesses, the last in the loop at planted\.hpp:\d+", bound)


@pytest.mark.parametrize("driver", ["exhaustive", "progress", "pct"])
def test_what_was_left_at_a_bound_is_counted_and_the_verdict_is_inconclusive(driver: Driver) -> None:
    """The writer goes round a full ring beside a reader who comes late."""
    limited = program("limited", 32, ["ww", "r"], max_round_trips=1_000)
    seen = examine(limited, driver=driver, executions=1_000, estimate=False)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert not seen.exhausted
    assert seen.visited == seen.executions + seen.cut + seen.bounded
    assert seen.bounded > 0
    assert (
        f"in {seen.bounded:,} more a worker met a bound (64 rounds of the loop at channel.hpp:" in seen.verdict.reason
    )
    assert explored_record(limited, seen, self_test(), target=["x"]).details["bounded"] == seen.bounded


def test_too_many_accesses_in_a_loop_that_pauses_are_no_failure() -> None:
    long = _explorer.explore(_explorer.planted("pauses much"))
    assert (long.failures, long.complete, long.bounded, long.exhausted) == ([], 0, 1, False)
    (bound,) = long.bounds
    assert re.fullmatch(r"4000 accesses, the last in the loop at planted\.hpp:\d+", bound)


@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_without_the_reduction_a_sleeper_whose_deadline_does_not_fire_is_not_stuck(model: str) -> None:
    seen = _explorer.explore(_explorer.channel(32, [[READ_BRIEFLY]]), model, waiting=False)
    assert (seen.failures, seen.complete, seen.bounded, seen.exhausted) == ([], 1, 1, False)
    endless = _explorer.explore(_explorer.channel(32, [[READ]]), model, waiting=False)
    assert [failure.blocked for failure in endless.failures] == ["deadlock"]


def test_a_loop_that_never_pauses_still_fails() -> None:
    assert _explorer.explore(_explorer.planted("spinning")).failures[0].fault == "unbounded"


@pytest.mark.parametrize("size", range(8))
def test_a_payload_that_cannot_say_which_message_it_is_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"at least 8 bytes.*got {size}"):
        _explorer.channel(32, [[call(Kind.WRITE, 1, size)]])


def test_outside_the_workers_a_complete_execution_shows_what_it_left() -> None:
    before, after = _explorer.values_outside()
    assert before == 1
    assert after
    assert set(after) == {3}


@pytest.mark.parametrize("what", ["fetch_add", "compare_exchange", "check", "pause", "fence"])
def test_what_only_a_worker_may_do_is_refused_outside(what: str) -> None:
    with pytest.raises(RuntimeError, match="is for the workers of a program that runs"):
        _explorer.act_outside(what)


@pytest.mark.parametrize(
    ("name", "says"), [("load that releases", "cannot release"), ("store that acquires", "cannot acquire")]
)
def test_an_order_that_an_access_cannot_have_is_refused(name: str, says: str) -> None:
    (failure,) = _explorer.explore(_explorer.planted(name)).failures
    assert failure.fault == "exception"
    assert says in failure.what


def test_a_race_names_its_other_worker_as_everything_else_does() -> None:
    store = ("store", 0, 1, 0, "plain", "relaxed")
    (failure,) = _explorer.explore(_explorer.litmus(1, [[store], [store]])).failures
    assert "also accessed by worker A" in failure.what
