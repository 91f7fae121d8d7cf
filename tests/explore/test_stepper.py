"""An execution under the caller's control is one of the explorer's, and its schedule replays."""

from __future__ import annotations

import random

import pytest

from harness import _explorer
from harness.explore import subject_of
from harness.explore.litmus import LITMUS
from harness.explore.programs import CONVICTING, WITH_DEAD, program
from harness.operation import Kind, message_value

OK, EMPTY, PENDING = 0, 2, 9


def fresh(workers: int, *, capacity: int = 48, mutant: str = "") -> _explorer.Subject:
    """A channel on which nothing has been called."""
    return _explorer.channel(capacity, [[] for _ in range(workers)], mutant, 2)


def finish_call(stepper: _explorer.Stepper, worker: int) -> None:
    while worker in stepper.enabled():
        stepper.step(worker)


def write(stepper: _explorer.Stepper, worker: int, value: int) -> None:
    stepper.start(worker, Kind.TRY_WRITE.value, value, 8)
    finish_call(stepper, worker)


def test_calls_are_begun_and_go_on_as_told() -> None:
    stepper = _explorer.Stepper(fresh(2))
    assert (stepper.workers, stepper.enabled(), stepper.in_call(0)) == (2, [], False)
    stepper.start(0, Kind.TRY_WRITE.value, 1, 8)
    stepper.start(1, Kind.TRY_READ.value)
    assert stepper.enabled() == [0, 1]
    assert stepper.in_call(0)
    finish_call(stepper, 1)
    assert not stepper.in_call(1)
    finish_call(stepper, 0)
    assert [(worker, status) for worker, _, _, status, _ in stepper.calls] == [(0, OK), (1, EMPTY)]
    assert stepper.judge() is None
    write(stepper, 1, 2)  # a program that grows
    assert stepper.judge() is None
    assert stepper.finish() is None
    assert stepper.over


def test_a_sleeper_waits_until_somebody_wakes_it() -> None:
    stepper = _explorer.Stepper(fresh(2))
    stepper.start(0, Kind.READ.value)
    finish_call(stepper, 0)
    assert stepper.waits(0)
    assert stepper.in_call(0)
    write(stepper, 1, 7)
    assert not stepper.waits(0)
    finish_call(stepper, 0)
    assert stepper.calls[0][2:4] == (7, OK)
    assert stepper.finish() is None


def test_who_waits_for_ever_is_stuck_and_whose_time_passes_is_not() -> None:
    stepper = _explorer.Stepper(fresh(1))
    stepper.start(0, Kind.READ.value, timeout=1_000)
    while stepper.next(0) != "choice":
        stepper.step(0)
    assert stepper.choices(0) == 2
    assert stepper.step(0, 1) == 1
    finish_call(stepper, 0)
    assert stepper.calls[0][3] == 3  # TIMEOUT
    stepper.start(0, Kind.READ.value)
    finish_call(stepper, 0)
    assert stepper.judge() is None  # what has been answered is right
    stuck = stepper.finish()
    assert stuck is not None
    assert stuck.fault == "stuck"


def test_an_older_store_is_read_where_the_model_lets_it() -> None:
    stepper = _explorer.Stepper(fresh(2, mutant="publish-relaxed"))
    write(stepper, 0, 5)
    stepper.start(1, Kind.TRY_READ.value)
    while stepper.choices(1) == 1 or stepper.step(1) is None:
        stepper.step(1)
    ways: list[int] = []
    while 1 in stepper.enabled():
        ways.append(stepper.choices(1))
        stepper.step(1, min(1, ways[-1] - 1))
    failure = stepper.judge()
    assert max(ways) > 1
    assert failure is None or failure.fault == "history"


def test_a_kill_stops_a_worker_for_ever_and_its_call_is_pending() -> None:
    stepper = _explorer.Stepper(fresh(2), most_kills=1)
    stepper.start(0, Kind.TRY_WRITE.value, 1, 8)
    for _ in range(6):
        stepper.step(0)
    assert stepper.is_killable(0)
    stepper.kill(0)
    assert stepper.is_killed(0)
    assert stepper.kills == [(0, 7)]  # a read-modify-write is one step and two accesses
    assert stepper.enabled() == []
    assert stepper.calls[0][3] == PENDING
    with pytest.raises(ValueError, match="was killed"):
        stepper.start(0, Kind.TRY_READ.value)
    stepper.start(1, Kind.TRY_WRITE.value, 2, 8)
    assert not stepper.is_killable(1)  # one kill, and no more
    while 1 in stepper.enabled():  # a survivor that lets time pass finds out, and goes on
        stepper.step(1, int(stepper.next(1) == "choice"))
    assert [status for _, _, _, status, _ in stepper.calls] == [PENDING, OK]
    assert stepper.finish() is None


@pytest.mark.parametrize("seed", range(30))
def test_any_execution_replays_as_a_program_with_its_schedule(seed: int) -> None:
    """Steps, kills and choices at random: the program that was written meanwhile does the same along the schedule."""
    chance = random.Random(seed)
    stepper = _explorer.Stepper(fresh(3, mutant="no-recovery" if seed % 2 else ""), most_kills=1)
    scripts: list[list[tuple[int, int, int, int, int]]] = [[], [], []]
    for _ in range(200):
        if stepper.over:
            break
        idle = [w for w in range(3) if not stepper.in_call(w) and not stepper.is_killed(w) and len(scripts[w]) < 3]
        enabled = stepper.enabled()
        if idle and (not enabled or chance.random() < 0.1):
            worker = chance.choice(idle)
            kind = chance.choice([Kind.TRY_WRITE, Kind.TRY_READ, Kind.PEEK, Kind.SKIP_FORCE])
            value = worker << 40 | len(scripts[worker]) + 1 if kind.writes else 0
            scripts[worker].append((kind.value, value, 8 if kind.writes else 0, -1, 1))
            stepper.start(worker, kind.value, value, 8 if kind.writes else 0)
        elif enabled:
            worker = chance.choice(enabled)
            if chance.random() < 0.05 and stepper.is_killable(worker):
                stepper.kill(worker)
            else:
                stepper.step(worker, chance.randrange(stepper.choices(worker)) if chance.random() < 0.3 else 0)
    while not stepper.over and stepper.enabled():
        stepper.step(stepper.enabled()[-1])
    failure = stepper.finish()
    whole = _explorer.channel(48, scripts, "no-recovery" if seed % 2 else "", 2, stepper.kills)
    _explorer.expect_kills(whole, 1)
    steps, again = _explorer.trace(whole, stepper.schedule(whole))
    assert sum(step.kind != "write" or not step.exclusive for step in steps) == stepper.steps
    assert (again and (again.fault, again.what)) == (failure and (failure.fault, failure.what))


def test_the_stepper_reaches_exactly_the_executions_of_the_exhaustive_driver() -> None:
    """All schedules, step by step, of a program whose number of executions is in the literature."""
    seen = set()
    open_: list[list[tuple[int, int]]] = [[]]
    while open_:
        steps = open_.pop()
        subject = LITMUS["SB"].program.subject()
        stepper = _explorer.Stepper(subject)
        if any(stepper.step(worker, choice) != choice for worker, choice in steps):
            continue
        enabled = stepper.enabled()
        open_ += [[*steps, (worker, choice)] for worker in enabled for choice in range(stepper.choices(worker))]
        if not enabled:
            seen.add(_explorer.replay(subject, stepper.schedule(subject))[0])
    assert len(seen) == LITMUS["SB"].executions


def test_interleaved_every_access_takes_the_newest() -> None:
    for model, ways in (("rc11", 2), ("sc", 1)):
        stepper = _explorer.Stepper(LITMUS["SB"].program.subject(), model)
        stepper.step(0)
        stepper.step(1)
        assert stepper.choices(0) == ways


def test_what_makes_no_sense_is_refused() -> None:
    stepper = _explorer.Stepper(fresh(1))
    with pytest.raises(ValueError, match="worker A cannot go on"):
        stepper.step(0)
    with pytest.raises(ValueError, match="workers 0 to 0"):
        stepper.step(1)
    stepper.start(0, Kind.TRY_READ.value)
    with pytest.raises(ValueError, match="in a call already"):
        stepper.start(0, Kind.TRY_READ.value)
    with pytest.raises(ValueError, match="choices from 0 to 0"):
        stepper.step(0, 3)
    with pytest.raises(ValueError, match="no more kills than 0"):
        stepper.kill(0)
    with pytest.raises(ValueError, match="when nobody can make a step"):
        stepper.judge()
    finish_call(stepper, 0)
    stepper.finish()
    with pytest.raises(ValueError, match="is over"):
        stepper.start(0, Kind.TRY_READ.value)
    with pytest.raises(ValueError, match="only the workers of a channel"):
        _explorer.Stepper(LITMUS["SB"].program.subject(), most_kills=1)
    with pytest.raises(ValueError, match="unknown memory model"):
        _explorer.Stepper(fresh(1), model="tso")


def test_an_execution_that_does_not_end_is_cut() -> None:
    stepper = _explorer.Stepper(fresh(1), most_steps=5)
    stepper.start(0, Kind.TRY_WRITE.value, 1, 8)
    finish_call(stepper, 0)
    assert stepper.failure is not None
    assert (stepper.failure.fault, stepper.over) == ("unbounded", True)


def test_zero_bytes_are_one_worker_after_another_with_the_newest_stores() -> None:
    subject = subject_of(CONVICTING["skips"])
    schedule, failure = _explorer.walk(subject, b"")
    assert failure is None
    assert schedule == _explorer.walk(subject, bytes(500))[0]
    assert "~" not in schedule
    assert schedule.split(":")[3].translate(str.maketrans("", "", "0123456789")) == "ABC"


def test_bytes_find_a_bug_and_their_schedule_replays() -> None:
    chance = random.Random(1)
    subject = subject_of(program("two", 32, ["W", "R"]), mutant="publish-relaxed")
    found = [
        (schedule, failure)
        for schedule, failure in (_explorer.walk(subject, chance.randbytes(40)) for _ in range(2_000))
        if failure
    ]
    assert found
    assert all(_explorer.replay(subject, schedule)[1] is not None for schedule, _ in found[:20])
    assert len({schedule for schedule, _ in found}) > 1


def test_kills_that_are_expected_belong_to_the_program() -> None:
    one, two = (subject_of(WITH_DEAD["dead writer"]) for _ in range(2))
    _explorer.expect_kills(two, 1)
    assert one.fingerprint != two.fingerprint
    with pytest.raises(ValueError, match="only the workers of a channel"):
        _explorer.expect_kills(LITMUS["SB"].program.subject(), 1)


@pytest.mark.parametrize("count", [0, 65])
def test_a_batch_has_a_bounded_number_of_messages(count: int) -> None:
    stepper = _explorer.Stepper(fresh(1))
    with pytest.raises(ValueError, match=rf"count is from 1 to 64; got {count}"):
        stepper.start(0, Kind.READ_MANY, count=count)


def test_a_batch_is_one_call_with_a_row_for_each_message() -> None:
    stepper = _explorer.Stepper(fresh(1))
    stepper.start(0, Kind.WRITE_MANY, message_value(0, 0), 8, count=2)
    finish_call(stepper, 0)
    assert [(kind, value, status) for _, kind, value, status, _ in stepper.calls] == [
        (Kind.WRITE_MANY, message_value(0, number), OK) for number in range(2)
    ]
