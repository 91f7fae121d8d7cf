"""A failing schedule becomes the simplest that fails in the same way, whatever it was found with."""

from __future__ import annotations

import heapq
import random
import re
from collections.abc import Callable

import pytest

from harness import _explorer
from harness.explore import Cost, examine, replay, subject_of
from harness.explore import subject as subject_module
from harness.explore.litmus import Instruction, LitmusProgram
from harness.explore.programs import CONVICTING, WITH_DEAD, program
from harness.explore.record import explored_record, self_test

# mutant: program, fewest stale accesses, context switches, other choices, and steps
MINIMA = {
    "doubled-message": ("alone 32", 0, 1, 0, 52),
    "dropped-message": ("alone 48", 0, 1, 0, 48),
    "torn-payload": ("alone 48", 0, 1, 0, 56),
    "skip-any": ("skips", 0, 3, 0, 46),
    "silent-writer": ("sleep", 0, 2, 0, 41),
    "overfull": ("full", 0, 2, 0, 33),
    "no-terminator": ("alone 48", 0, 1, 0, 51),
    "blind-removal": ("alone 48", 0, 2, 0, 56),
    "unchecked-empty": ("alone 48", 0, 3, 0, 53),
    "unchecked-peek": ("alone 32", 0, 2, 0, 60),
    "early-publish": ("alone 32", 0, 2, 0, 63),
    "lost-wakeup": ("sleep", 0, 3, 0, 43),
    "take-owner-relaxed": ("full", 1, 2, 0, 26),
    "give-owner-relaxed": ("full", 1, 2, 0, 26),
    "give-owner-fence-release": ("sleep", 1, 2, 0, 43),
    "give-owner-fence-relaxed": ("full", 1, 2, 0, 25),
    "writer-fence-relaxed": ("alone 48", 1, 3, 0, 52),
    "publish-relaxed": ("alone 32", 1, 1, 0, 61),
    "load-head-reader-relaxed": ("alone 32", 1, 2, 0, 62),
    "load-header-relaxed": ("alone 32", 1, 1, 0, 61),
    "reader-fence-relaxed": ("alone 32", 1, 3, 0, 58),
    "take-head-relaxed": ("reuse", 1, 4, 0, 43),
    "load-seq-relaxed": ("two sleepers", 1, 5, 0, 57),
    "sleeper-fence-acq-rel": ("sleep", 1, 2, 0, 45),
    "bump-seq-relaxed": ("two sleepers", 1, 5, 0, 57),
}


def counted(minimal: _explorer.Minimal) -> tuple[int, int, int, int]:
    return minimal.stale, minimal.switches, minimal.chosen, minimal.steps


def switches_in(schedule: str) -> int:
    return len(re.findall("[A-H]", schedule.split(":")[3])) - 1


@pytest.mark.parametrize("mutant", MINIMA)
def test_a_planted_bug_has_its_exact_minimum_and_it_replays(mutant: str) -> None:
    name, *numbers = MINIMA[mutant]
    subject = subject_of(CONVICTING[name], mutant=mutant)
    found = _explorer.explore(subject).failures[0]
    minimal = _explorer.minimise(subject, found.schedule, seconds=60.0)
    assert counted(minimal) == tuple(numbers)
    assert minimal.exact
    assert switches_in(minimal.failure.schedule) == minimal.switches
    steps, again = _explorer.trace(subject, minimal.failure.schedule)
    assert again is not None
    assert (again.fault, again.what) == (found.fault, minimal.failure.what)
    # a step is a fence, a choice, or an access; the two halves of a read-modify-write are one
    assert minimal.steps == sum(step.kind != "write" or not step.exclusive for step in steps)
    assert minimal.stale == sum(step.stale > 0 for step in steps if step.kind == "read" or not step.exclusive)


@pytest.mark.parametrize("driver", ["uniform", "pct"])
@pytest.mark.parametrize("mutant", ["publish-relaxed", "lost-wakeup", "sleeper-fence-acq-rel", "skip-any"])
def test_the_minimum_does_not_depend_on_what_was_found(mutant: str, driver: str) -> None:
    name, *numbers = MINIMA[mutant]
    subject = subject_of(CONVICTING[name], mutant=mutant)
    found = _explorer.sample(subject, driver, seed=3, executions=100_000).failures[0]
    assert switches_in(found.schedule) >= numbers[1]
    assert counted(_explorer.minimise(subject, found.schedule)) == tuple(numbers)


@pytest.mark.parametrize("mutant", ["publish-relaxed", "lost-wakeup", "sleeper-fence-acq-rel", "bump-seq-relaxed"])
def test_without_the_budget_to_see_everything_it_is_still_made_simpler(mutant: str) -> None:
    name, stale, switches, *_ = MINIMA[mutant]
    subject = subject_of(CONVICTING[name], mutant=mutant)
    found = _explorer.sample(subject, "uniform", seed=3, executions=100_000).failures[0]
    minimal = _explorer.minimise(subject, found.schedule, executions=1)
    assert not minimal.exact
    assert minimal.executions < 3_000
    assert switches_in(found.schedule) > switches + 2
    assert switches <= minimal.switches <= switches + 2
    assert stale <= minimal.stale <= stale + 1
    assert _explorer.replay(subject, minimal.failure.schedule)[1] is not None


def test_a_kill_that_was_planned_stays() -> None:
    program, kills = WITH_DEAD["dead writer"], ((0, 10),)
    subject = subject_of(program, mutant="trusting-recovery", kills=kills)
    found = _explorer.explore(subject).failures[0]
    minimal = _explorer.minimise(subject, found.schedule)
    assert (minimal.stale, minimal.exact) == (0, True)
    # the victim, then the survivor: and it chose to ask whether the owner lives
    assert (minimal.switches, minimal.chosen) == (1, 1)


def test_a_race_needs_only_what_comes_before_it() -> None:
    """The queue's first push and pop race; whatever else the other workers did is left out."""
    subject = _explorer.vyukov_queue(3, 2, "push_store")
    found = _explorer.explore(subject).failures[0]
    minimal = _explorer.minimise(subject, found.schedule)
    assert found.fault == minimal.failure.fault == "race"
    assert (minimal.stale, minimal.switches) == (0, 1)
    assert minimal.steps < 12


def test_an_exploration_returns_the_minimum_and_says_what_there_is_to_it() -> None:
    program = CONVICTING["two sleepers"]
    seen = examine(program, mutant="bump-seq-relaxed")
    assert seen.cost == Cost(1, 5, 0, 0, 57, exact=True)
    assert "; 1 stale access, 5 context switches, 0 kills (the fewest there can be); schedule" in seen.verdict.reason
    assert "stuck" in replay(program, seen.schedule, mutant="bump-seq-relaxed").splitlines()[-1]
    raw = examine(program, mutant="bump-seq-relaxed", minimise=False)
    assert raw.cost is None
    assert raw.schedule.count("~") > seen.schedule.count("~")


def test_a_walk_found_at_random_is_minimised_too() -> None:
    seen = examine(CONVICTING["sleep"], driver="uniform", mutant="sleeper-fence-acq-rel", executions=200_000)
    assert seen.cost == Cost(1, 2, 0, 0, 45, exact=True)


def test_of_two_kills_only_those_stay_that_it_takes() -> None:
    program = WITH_DEAD["recoverer"]
    seen = examine(program, driver="crash", crashes=2, mutant="no-recovery")
    assert seen.cost is not None
    assert (len(seen.kills), seen.cost.kills, seen.crashes) == (1, 1, 2)
    assert "1 kill " in seen.verdict.reason
    assert "stuck" in replay(program, seen.schedule, mutant="no-recovery", kills=seen.kills).splitlines()[-1]


def test_what_does_not_fail_is_refused() -> None:
    subject = subject_of(CONVICTING["sleep"])
    right, _ = _explorer.walk(subject, b"")
    with pytest.raises(ValueError, match="does not fail"):
        _explorer.minimise(subject, right)
    with pytest.raises(ValueError, match="belongs to program"):
        _explorer.minimise(subject, "explore2:00000000:00000000:A")


def drawn_program(chance: random.Random) -> LitmusProgram:
    """Two or three workers with a few accesses of two locations, some plain, some checked."""

    def instruction() -> list[Instruction]:
        location, value = chance.randrange(2), chance.randrange(1, 3)
        load = Instruction("load", location, order=chance.choice(["relaxed", "acquire"]))
        return chance.choice(
            [
                [load],
                [load, Instruction("check", value=chance.randrange(2))],
                [Instruction("store", location, value, order=chance.choice(["relaxed", "release"]))],
                [Instruction("store", 2, value, order="plain")],
                [Instruction("load", 2, order="plain")],
                [Instruction("add", location, 1, order=chance.choice(["relaxed", "acq_rel"]))],
                [Instruction("compare", location, value, 0, "acq_rel", "acquire")],
                [Instruction("choose", value=2), Instruction("check", value=0)],
                [Instruction("fence", order=chance.choice(["acquire", "release", "seq_cst"]))],
            ]
        )

    workers = chance.choice([2, 2, 3])
    return LitmusProgram(3, [[step for _ in range(4 - workers // 2) for step in instruction()] for _ in range(workers)])


def brute_minimum(make: Callable[[], _explorer.Subject], like: _explorer.Failure) -> tuple[int, int, int, int]:
    """By trying schedules, the cheap ones first; only those that differ in nothing that matters later are dropped.

    The measure is computed from the steps alone.
    """
    open_: list[tuple[tuple[int, int, int, int], list[tuple[int, int]]]] = [((0, 0, 0, 0), [])]
    closed = set()
    while open_:
        cost, steps = heapq.heappop(open_)
        stepper = _explorer.Stepper(make())
        if [stepper.step(worker, choice) for worker, choice in steps] != [choice for _, choice in steps]:
            continue  # the model forbids it
        enabled = [] if stepper.over else stepper.enabled()
        failure = stepper.failure if stepper.over or enabled else stepper.finish()
        if failure is not None and (failure.fault, failure.blocked) == (like.fault, like.blocked):
            return cost
        state = (stepper.graph, steps[-1][0] if steps else -1)
        if state in closed:
            continue
        closed.add(state)
        for worker in enabled:
            environment = stepper.next(worker) == "choice"
            for choice in range(stepper.choices(worker)):
                step = (
                    not environment and choice > 0,
                    bool(steps) and steps[-1][0] != worker,
                    environment and choice > 0,
                    1,
                )
                more = tuple(old + new for old, new in zip(cost, step, strict=True))
                heapq.heappush(open_, (more, [*steps, (worker, choice)]))  # type: ignore[arg-type]
    raise AssertionError("no schedule fails so")


@pytest.mark.parametrize("seed", range(60))
def test_no_schedule_of_a_litmus_program_is_cheaper(seed: int) -> None:
    """Where a worker can fail by itself others may do so sooner: only then is the minimum not known to be exact."""
    chance = random.Random(seed)
    for _ in range(100):
        program = drawn_program(chance)
        failures = _explorer.explore(program.subject()).failures
        if failures:
            break
    minimal = _explorer.minimise(program.subject(), failures[0].schedule)
    assert minimal.failure.fault == failures[0].fault
    least = brute_minimum(program.subject, failures[0])
    assert counted(minimal) == least if minimal.exact else counted(minimal) >= least
    assert minimal.stale == least[0]


@pytest.mark.parametrize(
    ("mutant", "calls", "capacity"),
    [
        ("publish-relaxed", ["W", "R"], 32),
        ("load-header-relaxed", ["W", "R"], 32),
        ("early-publish", ["W", "R"], 32),
        ("blind-removal", ["WR", "R"], 48),
        ("silent-writer", ["w", "r"], 48),
        ("sleeper-fence-acq-rel", ["w", "r"], 48),
        ("lost-wakeup", ["w", "r"], 48),
        ("take-owner-relaxed", ["W", "W"], 48),
        ("skip-any", ["WRW", "ps"], 48),
    ],
)
def test_no_schedule_of_a_channel_program_is_cheaper(mutant: str, calls: list[str], capacity: int) -> None:
    def make() -> _explorer.Subject:
        return subject_of(program("tiny", capacity, calls), mutant=mutant)

    found = _explorer.explore(make()).failures[0]
    minimal = _explorer.minimise(make(), found.schedule)
    assert minimal.exact
    assert counted(minimal) == brute_minimum(make, found)


@pytest.mark.parametrize(
    ("name", "worker", "switches", "steps"),
    [
        # the other holds the lock; has stored one of two versions; has done nothing
        ("reader locks", 1, 1, 2),
        ("sequence lock", 1, 1, 4),
        ("awaited", 1, 0, 1),
        ("ordered locks", 0, 1, 2),
    ],
)
@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_the_schedule_of_a_worker_that_goes_on_alone_is_the_simplest(
    name: str, worker: int, switches: int, steps: int, model: str
) -> None:
    subject = _explorer.planted(name)
    _, failures = _explorer.alone(subject, worker, model=model)
    minimal = _explorer.minimise(subject, failures[0].schedule, model=model, alone=worker)
    assert (minimal.exact, minimal.stale, minimal.switches, minimal.steps) == (True, 0, switches, steps)
    assert (minimal.failure.fault, minimal.failure.blocked) == (failures[0].fault, failures[0].blocked)
    _, again = _explorer.replay(subject, minimal.failure.schedule, model=model, alone=worker)
    assert again is not None
    assert again.what == minimal.failure.what
    with pytest.raises(ValueError, match="belongs to program"):
        _explorer.minimise(subject, failures[0].schedule, model=model)


def test_the_progress_driver_tells_the_simplest_schedule_of_who_is_hindered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject_module, "survivable", lambda program: program)  # so that a reader waits for a writer
    meeting = program("meeting", 48, ["w", "r"])
    hindered = examine(meeting, driver="progress")
    assert (hindered.verdict.rule, hindered.alone) == ("hindered", 1)
    assert hindered.cost is not None
    assert (hindered.cost.exact, hindered.cost.stale, hindered.cost.switches) == (True, 0, 0)
    assert "while all others have stopped for ever, deadlock: worker B in its call 1, read" in hindered.verdict.reason
    lanes = replay(meeting, hindered.schedule, alone=hindered.alone)
    assert lanes.splitlines()[-1].startswith("stuck (worker B): deadlock")
    record = explored_record(meeting, hindered, self_test(), target=["meeting"])
    assert record.failures[0].reproduced == "5/5"
