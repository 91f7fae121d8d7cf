"""Retry loops: what waits, what is stuck, and what goes round for ever."""

from __future__ import annotations

import re

import pytest

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


@pytest.mark.parametrize("others", [[], [[Instruction("store", 1, 1)]]])
def test_without_the_reduction_a_worker_that_nobody_answers_is_stuck_and_its_line_named(
    others: list[list[Instruction]],
) -> None:
    failure = explored([AWAIT], *others, waiting=False).failures[0]
    assert (failure.fault, failure.blocked) == ("stuck", "deadlock")
    assert f"litmus.hpp:{failure.line}" in failure.what


@pytest.mark.parametrize("workers", [[[AWAIT], [SET]], [[SET], [AWAIT]]])
@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_at_a_bound_a_worker_stays_and_the_others_go_on(workers: list[list[Instruction]], model: str) -> None:
    """It looks 0 to 63 times too early, and is answered; or 64 times, and nobody knows what it would see next."""
    result = explored(*workers, waiting=False, model=model, graphs=True)
    assert (result.failed, result.cut, result.exhausted) == (0, 0, False)
    assert (result.complete, result.bounded, len(result.graphs), result.repeated) == (64, 1, 64, 0)
    (bound,) = result.bounds
    assert re.fullmatch(r"64 rounds of the loop at litmus\.hpp:\d+", bound)


def test_a_worker_that_gets_on_with_every_round_is_bounded_and_not_stuck() -> None:
    result = _explorer.explore(_explorer.planted("counts far"))
    assert (result.failures, result.complete, result.bounded) == ([], 0, 1)


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
