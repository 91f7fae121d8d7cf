"""The progress driver: who is stuck, who depends on whom, and planted structures that it must convict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import _explorer
from harness.explore import examine, replay, subject_of, survivable
from harness.explore.programs import CONVICTING, SMALL, WITH_DEAD
from harness.verdict import Outcome

PLANTED = Path(__file__).parents[2] / "harness" / "native" / "explorer" / "planted.hpp"


def line_of(text: str) -> int:
    """The line of planted.hpp that has this text."""
    lines = [number for number, line in enumerate(PLANTED.read_text().splitlines(), 1) if text in line]
    assert len(lines) == 1, (text, lines)
    return lines[0]


TAKE = "while (!try_take()) sim::pause();"
SLEEP = "while (wakes.load(memory_order_acquire) == seen) sim::pause();"


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_a_scenario_gets_on_whoever_stops_or_dies(name: str, model: str) -> None:
    seen = examine(SMALL[name], driver="progress", model=model, seconds=240.0)  # type: ignore[arg-type]
    assert seen.verdict.outcome is Outcome.PASS, seen.verdict
    reason = seen.verdict.reason
    lock_free = re.search(
        r"reads lock-free: (\d+) stop points of the others, ([\d,]+) executions, at most (\d+)", reason
    )
    assert lock_free is not None, reason
    assert int(lock_free[1]) > 10
    assert int(lock_free[2].replace(",", "")) > int(lock_free[1])
    assert 5 <= int(lock_free[3]) <= 20
    assert "all executions explored" in reason
    assert "nobody waited for a dead worker" in reason
    assert f"model {model}" in reason


def test_writers_wait_for_a_writer_inside_its_copy_and_that_is_said() -> None:
    assert (
        "writes waited only for a writer stopped inside its copy"
        in examine(SMALL["mwsr"], driver="progress").verdict.reason
    )


@pytest.mark.parametrize(
    ("name", "mutant", "rule"),
    [
        ("sleep", "lost-wakeup", "lost wake-up"),
        ("sleep", "silent-writer", "lost wake-up"),
        ("sleep", "sleeper-fence-acq-rel", "lost wake-up"),
        ("two sleepers", "bump-seq-relaxed", "lost wake-up"),
        ("dead writer", "no-recovery", "deadlock"),
    ],
)
def test_a_stuck_worker_is_named_with_its_call_and_line_and_the_schedule_replays(
    name: str, mutant: str, rule: str
) -> None:
    program = {**CONVICTING, **WITH_DEAD}[name]
    seen = examine(program, driver="progress", mutant=mutant)
    assert (seen.verdict.outcome, seen.verdict.rule) == (Outcome.FAIL, rule)
    assert re.search(
        r"worker [A-C] in its call \d, (try_)?(read|write), (sleeps|waits) at channel.hpp:\d+", seen.verdict.reason
    )
    last = replay(program, seen.schedule, mutant=mutant, kills=seen.kills, alone=seen.alone).splitlines()[-1]
    assert rule in last
    assert examine(program, driver="progress").verdict.outcome is Outcome.PASS


def test_a_reader_that_waits_for_messages_is_hindered_and_its_call_named() -> None:
    """What the driver itself replaces by a call that does not wait: the check can fail on the channel, too."""
    waiting = subject_of(SMALL["swsr"])
    progress, failures = _explorer.alone(waiting, 1)
    assert not progress.exhausted
    assert re.match(r"deadlock: worker B in its call \d, read, sleeps at channel.hpp:\d+", failures[0].what)
    _, again = _explorer.replay(waiting, failures[0].schedule, alone=1)
    assert again is not None
    assert again.what == failures[0].what
    free, failures = _explorer.alone(subject_of(survivable(SMALL["swsr"])), 1)
    assert (free.exhausted, failures) == (True, [])


@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [
        ("crossed locks", "deadlock", TAKE),
        ("polite locks", "livelock", "sim::pause();  // both may go round for ever"),
        ("forgotten wake", "lost wake-up", SLEEP),
        ("late sample", "lost wake-up", SLEEP),
    ],
)
def test_a_planted_structure_is_stuck_and_its_loop_named(name: str, kind: str, place: str) -> None:
    subject = _explorer.planted(name)
    failure = _explorer.explore(subject).failures[0]
    assert failure.blocked == kind
    assert failure.line == line_of(place)
    assert f"planted.hpp:{failure.line}" in failure.what
    _, again = _explorer.replay(subject, failure.schedule)
    assert again is not None
    assert (again.what, again.blocked) == (failure.what, kind)


def test_a_loop_that_spins_without_pause_is_named_with_its_bound() -> None:
    subject = _explorer.planted("spinning")
    failure = _explorer.explore(subject).failures[0]
    assert (failure.fault, failure.worker) == ("unbounded", 1)
    assert failure.line == line_of("void await_flag_spinning() {") + 1
    assert failure.what == (
        f"worker B made more than 4000 accesses in one execution: the loop at planted.hpp:{failure.line}"
        " spins without pause() at the end of a failed round"
    )
    _, again = _explorer.replay(subject, failure.schedule)
    assert again is not None
    assert (again.fault, again.what) == ("unbounded", failure.what)


@pytest.mark.parametrize("name", ["ordered locks", "reader locks", "sequence lock", "counter", "awaited", "woken"])
def test_its_right_twin_is_not(name: str) -> None:
    result = _explorer.explore(_explorer.planted(name))
    assert (result.failed, result.exhausted) == (0, True)
    assert result.complete > 0


@pytest.mark.parametrize(
    ("name", "worker"),
    [
        ("reader locks", 1),
        ("sequence lock", 1),
        ("awaited", 1),
        ("ordered locks", 0),
        ("polite locks", 1),
        ("woken", 1),
    ],
)
def test_a_worker_that_needs_another_is_hindered_and_the_schedule_replays(name: str, worker: int) -> None:
    subject = _explorer.planted(name)
    progress, failures = _explorer.alone(subject, worker)
    assert not progress.exhausted
    failure = failures[0]
    assert (failure.fault, failure.worker) == ("stuck", worker)
    assert "planted.hpp:" in failure.what
    _, again = _explorer.replay(subject, failure.schedule, alone=worker)
    assert again is not None
    assert again.what == failure.what
    with pytest.raises(ValueError, match="belongs to program"):
        _explorer.replay(subject, failure.schedule)


@pytest.mark.parametrize(
    ("name", "worker", "stop_points", "longest"),
    # a round of the counter is a load and a compare-and-swap, which is a second load if it fails; the other worker's
    # stores are two, so that worker 1 may lose two rounds
    [("counter", 1, 4, 5), ("sequence lock", 0, 2, 4), ("awaited", 0, 2, 1), ("woken", 0, 2, 3)],
)
def test_a_worker_that_needs_nobody_ends_in_so_many_accesses(
    name: str, worker: int, stop_points: int, longest: int
) -> None:
    progress, failures = _explorer.alone(_explorer.planted(name), worker)
    assert not failures
    assert (progress.exhausted, progress.cut, progress.excused) == (True, 0, 0)
    assert progress.executions >= progress.stop_points
    assert progress.longest == longest


def test_a_proof_cut_short_is_none() -> None:
    progress, failures = _explorer.alone(_explorer.planted("counter"), 1, executions=5)
    assert not failures
    assert not progress.exhausted
    seen = examine(SMALL["mwmr"], driver="progress", executions=100)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert "not exhausted, and nothing found" in seen.verdict.reason


def test_a_worker_or_a_structure_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="the program has no worker 2"):
        _explorer.alone(_explorer.planted("counter"), 2)
    with pytest.raises(ValueError, match="unknown planted structure 'nonesuch'; there are ordered locks, "):
        _explorer.planted("nonesuch")
