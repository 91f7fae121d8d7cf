"""Retry loops: what waits, what is stuck, and what goes round for ever."""

from __future__ import annotations

import re

from harness import _explorer
from harness.explore.litmus import Instruction, LitmusProgram


def explored(*workers: list[Instruction], locations: int = 2, **options: object) -> _explorer.Result:
    return _explorer.explore(LitmusProgram(locations, workers).subject(), **options)  # type: ignore[arg-type]


AWAIT = Instruction("await", 0, 1)
SET = Instruction("store", 0, 1)


def test_a_wait_that_is_answered_is_one_execution() -> None:
    result = explored([SET], [AWAIT], graphs=True)
    assert (result.complete, result.cut, result.failed) == (1, 1, 0)
    assert result.graphs == {"W0=1@1 | R0=1<0.0"}


def test_a_wait_that_nobody_answers_is_stuck() -> None:
    result = explored([Instruction("store", 1, 1)], [AWAIT])
    failure = result.failures[0]
    assert (failure.fault, failure.worker) == ("stuck", 1)
    assert failure.file.endswith("litmus.hpp")


def test_two_workers_that_wait_for_each_other_are_stuck() -> None:
    result = explored([AWAIT, Instruction("store", 1, 1)], [Instruction("await", 1, 1), SET])
    assert [failure.fault for failure in result.failures] == ["stuck"]


def test_without_the_reduction_a_spinning_worker_is_bounded_and_its_line_named() -> None:
    result = explored([AWAIT], waiting=False)
    failure = result.failures[0]
    assert (failure.fault, failure.blocked) == ("unbounded", "livelock")
    assert "more than 64 times" in failure.what
    assert f"litmus.hpp:{failure.line}" in failure.what


def test_a_loop_that_goes_round_while_others_could_act_has_met_a_bound_and_no_more() -> None:
    result = explored([AWAIT], [Instruction("store", 1, 1)], waiting=False)
    assert (result.failed, result.complete) == (0, 0)
    assert result.bounded == 1
    (loop,) = result.bounded_loops
    assert re.fullmatch(r"litmus\.hpp:\d+", loop)


def test_a_failed_check_is_reported_with_a_schedule_that_replays() -> None:
    program = LitmusProgram(
        2,
        [
            [Instruction("store", 0, 1), Instruction("store", 1, 1)],
            [Instruction("load", 1), Instruction("guard", 0, 1), Instruction("load", 0), Instruction("check", 0, 1)],
        ],
    )
    subject = program.subject()
    result = _explorer.explore(subject)
    failure = result.failures[0]
    assert failure.fault == "check"
    _, again = _explorer.replay(subject, failure.schedule)
    assert again is not None
    assert (again.fault, again.what) == ("check", "read 0, expected 1")


def test_every_schedule_of_a_failure_is_found_and_none_twice() -> None:
    """Three workers that add to a location and check for the first place: two of the six orders are right for each."""
    workers = [[Instruction("add", 0, 1), Instruction("check", 0, 0)]] + [[Instruction("add", 0, 1)]] * 2
    result = explored(*workers, stop_at_failure=False)
    assert (result.complete, len(result.failures)) == (2, len({failure.schedule for failure in result.failures}))
    assert result.failures
