"""The model sc: a history is judged in every real-time order that an execution allows."""

from __future__ import annotations

import re

import pytest

from harness import _explorer
from harness.explore import examine, explore, replay
from harness.explore.programs import CONVICTING, SMALL, program
from harness.explore.subject import subject_of
from harness.verdict import Outcome


@pytest.mark.parametrize("name", [*SMALL, *CONVICTING])
def test_the_channel_is_linearizable_in_real_time(name: str) -> None:
    assert explore({**SMALL, **CONVICTING}[name], model="sc").outcome is Outcome.PASS


def test_an_empty_that_hides_a_completed_message_shows_in_real_time_alone() -> None:
    """No happens-before leads from the writes to the read that is told EMPTY, so that rc11 has nothing against it."""
    hidden = CONVICTING["hidden"]
    assert explore(hidden, mutant="unchecked-empty", model="rc11").outcome is Outcome.PASS
    seen = examine(hidden, mutant="unchecked-empty", model="sc")
    assert seen.verdict.outcome is Outcome.FAIL
    assert "in real time" in seen.verdict.reason
    assert "B try_read = empty" in seen.verdict.reason


def test_the_schedule_of_a_wrong_real_time_order_is_an_interleaving_that_fails_again() -> None:
    hidden = CONVICTING["hidden"]
    seen = examine(hidden, mutant="unchecked-empty", model="sc")
    assert "~" not in seen.schedule  # every access takes the newest
    lanes = replay(hidden, seen.schedule, mutant="unchecked-empty", model="sc").splitlines()
    assert lanes[-1].startswith("history: no order of the calls on a FIFO explains their answers in real time")
    assert not [line for line in lanes if "STALE" in line]
    # the order of steps is the order of time: both of A's first writes are over when B begins
    first_of_b = next(at for at, line in enumerate(lanes) if re.match(r" +head -> 0", line))
    published = [at for at, line in enumerate(lanes) if re.match(r"tail <- ", line)]
    assert published[1] < first_of_b


@pytest.mark.parametrize("strategy", ["pct", "pos"])
def test_a_walk_under_sc_is_judged_in_the_order_of_its_steps(strategy: str) -> None:
    subject = subject_of(CONVICTING["hidden"], mutant="unchecked-empty")
    result = _explorer.sample(subject, strategy, 3, 200_000, model="sc", seconds=30.0)
    assert result.failures, "the interleaving was not met"
    assert "in real time" in result.failures[0].what
    assert "~" not in result.failures[0].schedule


def test_one_execution_allows_several_real_time_orders_and_each_is_judged() -> None:
    """Two workers that only look at a message: nothing orders them, so either may come first, or both at once."""
    subject = subject_of(program("lookers", 48, ["W", "p", "p"]))
    result = _explorer.explore(subject, model="sc")
    assert not result.failures
    assert subject.orders > result.complete
