"""The channel's own source under the explorer: right in every execution, with and without kills."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from harness import _explorer
from harness.engine import open_engine
from harness.explore import EVERY, ExploreError, examine, explore, replay, sharing
from harness.explore.parts import Part, Seen, Task, explore_part, kill_plans
from harness.explore.programs import CONVICTING, SMALL, WITH_DEAD, small_scenario
from harness.explore.sharing import collect
from harness.explore.subject import beside_dead
from harness.operation import NO_TIMEOUT, Kind, message_value
from harness.program import Program, ProgramError, operations
from harness.verdict import Outcome


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_a_scenario_is_right_in_every_execution(name: str, model: str) -> None:
    seen = examine(SMALL[name], model=model)  # type: ignore[arg-type]
    assert seen.verdict.outcome is Outcome.PASS, seen.verdict
    assert seen.exhausted
    assert seen.executions > 0
    assert seen.histories > 0


@pytest.mark.parametrize("name", [*CONVICTING, *WITH_DEAD])
@pytest.mark.parametrize("driver", ["exhaustive", "pct"])
def test_a_program_can_end_in_every_execution(name: str, driver: str) -> None:
    """A call that waits for what nobody will do is the program's fault, and is reported as the channel's."""
    seen = examine({**CONVICTING, **WITH_DEAD}[name], driver=driver, executions=2_000)  # type: ignore[arg-type]
    assert not seen.schedule, seen.verdict


@pytest.mark.parametrize("model", ["rc11", "sc"])
@pytest.mark.parametrize("name", [*SMALL, *WITH_DEAD])
def test_no_kill_anywhere_harms_the_survivors(name: str, model: str) -> None:
    seen = examine({**SMALL, **WITH_DEAD}[name], driver="crash", model=model)  # type: ignore[arg-type]
    assert seen.verdict.outcome is Outcome.PASS, seen.verdict
    assert seen.executions > 50


def test_two_kills_harm_nobody_and_a_dead_recoverer_is_recovered_from() -> None:
    seen = examine(WITH_DEAD["dead skipper"], driver="crash", crashes=2)
    assert seen.verdict.outcome is Outcome.PASS, seen.verdict
    # the recoverer's program has millions of executions with two kills: a part of them
    seen = examine(WITH_DEAD["recoverer"], driver="crash", crashes=2, executions=200_000)
    assert not seen.schedule, seen.verdict
    blind = examine(WITH_DEAD["recoverer"], driver="crash", crashes=2, mutant="trusting-recovery", minimise=False)
    assert blind.verdict.outcome is Outcome.FAIL
    assert len(blind.kills) == 1  # those with one kill come first, and one is enough


@pytest.mark.parametrize("driver", ["pct", "pos", "uniform"])
def test_a_random_driver_finds_a_bug_and_its_schedule_replays(driver: str) -> None:
    program = CONVICTING["alone 32"]
    seen = examine(program, driver=driver, executions=50_000, mutant="publish-relaxed")  # type: ignore[arg-type]
    assert seen.verdict.outcome is Outcome.FAIL
    assert replay(program, seen.schedule, mutant="publish-relaxed").splitlines()[-1].startswith("history")


def test_a_random_driver_that_found_nothing_has_proved_nothing() -> None:
    verdict = explore(SMALL["swsr"], driver="pct", executions=1_000)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "not exhausted, and nothing found" in verdict.reason


def test_an_exploration_cut_short_is_inconclusive() -> None:
    verdict = explore(SMALL["mwmr"], executions=100)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "not exhausted, and nothing found" in verdict.reason


@pytest.mark.parametrize("driver", ["exhaustive", "crash", "progress"])
def test_several_jobs_see_together_exactly_what_one_sees(driver: str) -> None:
    program = SMALL["mwsr"] if driver == "exhaustive" else WITH_DEAD["dead writer"]
    one = examine(program, driver=driver)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as executor:
        several = examine(program, driver=driver, jobs=2, executor=executor)  # type: ignore[arg-type]
    assert (several.executions, several.cut, several.exhausted) == (one.executions, one.cut, True)
    assert several.verdict.outcome is Outcome.PASS


def test_jobs_of_other_processes_find_a_bug_too() -> None:
    seen = examine(CONVICTING["two sleepers"], mutant="bump-seq-relaxed", jobs=2)
    assert seen.verdict.rule == "stuck"
    assert "stuck" in replay(CONVICTING["two sleepers"], seen.schedule, mutant="bump-seq-relaxed").splitlines()[-1]


def test_a_schedule_of_another_program_is_refused() -> None:
    seen = examine(CONVICTING["sleep"], mutant="silent-writer")
    with pytest.raises(ExploreError, match="belongs to program"):
        replay(CONVICTING["sleep"], seen.schedule, mutant="lost-wakeup")


@pytest.mark.parametrize("schedule", ["", "explore9:x:A", "explore2:", "A3B"])
def test_a_malformed_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ExploreError, match="schedule"):
        replay(SMALL["swsr"], schedule)


def test_what_cannot_be_explored_is_refused_with_a_reason() -> None:
    with pytest.raises(ExploreError, match="unknown driver 'quantum'"):
        explore(SMALL["swsr"], driver="quantum")  # type: ignore[arg-type]
    with pytest.raises(ExploreError, match="unknown memory model 'tso'"):
        explore(SMALL["swsr"], model="tso")  # type: ignore[arg-type]
    with pytest.raises(ExploreError, match="unknown mutant 'nonesuch'"):
        explore(SMALL["swsr"], mutant="nonesuch")
    with pytest.raises(ProgramError, match="unknown scenario 'swarm'"):
        small_scenario("swarm")
    with pytest.raises(ExploreError, match="too large to explore"):
        explore(small_scenario("mwmr", messages=20))


@pytest.mark.parametrize("bounded", [0, 1])
def test_an_execution_that_ended_at_a_bound_leaves_the_exploration_unfinished(
    bounded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = "64 rounds of the loop at channel.hpp:559"

    def explored(task: Task, part: Part) -> list[Seen]:
        return [replace(seen, bounded=bounded, loops=(bound,) * bounded) for seen in explore_part(task, part)]

    monkeypatch.setattr(sharing, "explore_part", explored)
    seen = examine(SMALL["swsr"])
    assert seen.exhausted == (bounded == 0)
    assert seen.verdict.outcome is (Outcome.INCONCLUSIVE if bounded else Outcome.PASS)
    told = f"in 1 more a worker met a bound ({bound}), and how it goes on is not explored"
    assert (told in seen.verdict.reason) == (bounded == 1)


@pytest.mark.parametrize(
    ("kind", "mutant", "outcome"),
    [
        (Kind.WRITE, "overfull", Outcome.FAIL),
        (Kind.TRY_WRITE, "overfull", Outcome.FAIL),
        (Kind.TRY_WRITE, "", Outcome.PASS),
    ],
)
def test_what_fails_while_everybody_lives_is_reported_of_the_survivors_program(
    kind: Kind, mutant: str, outcome: Outcome
) -> None:
    calls = [{"kind": kind, "value": message_value(worker, 1), "size": 8, "timeout": 1000} for worker in range(2)]
    program = Program("timed", tuple(operations([call]) for call in calls), 32)
    seen = examine(program, driver="crash", mutant=mutant)
    assert (seen.verdict.outcome, seen.kills) == (outcome, ())
    if outcome is Outcome.FAIL:
        shown = replay(program, seen.schedule, mutant=mutant)
        assert shown.splitlines()[-1].startswith("history: ")
        assert "try_write" in shown.splitlines()[-1]


def test_two_kills_are_planned_at_every_access_of_a_recovery() -> None:
    """Worker 1 makes 27 accesses while everybody lives, and more when it replaces worker 0."""
    program = WITH_DEAD["dead writer"]
    task = Task(program, "crash", "rc11", "", EVERY)
    with open_engine("", 1, None) as engine:
        one = collect(engine, task, kill_plans((15, 27), 1), executions=None, deadline=time.monotonic() + 60)
    assert ((0, 3), (1, 43)) in {piece.kills for piece in kill_plans(one.longest, 2)}
    seen = examine(program, driver="crash", crashes=2)
    assert seen.exhausted
    assert seen.executions > 20_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"crashes": 2}, "crashes are for the driver 'crash'"), ({"seconds": float("nan")}, "seconds is a number")],
)
def test_bounds_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ExploreError, match=message):
        examine(WITH_DEAD["recoverer"], **arguments)


def test_an_altered_schedule_is_refused() -> None:
    program = CONVICTING["alone 32"]
    schedule = examine(program, mutant="publish-relaxed").schedule
    assert "history" in replay(program, schedule, mutant="publish-relaxed").splitlines()[-1]
    altered = [schedule[:end] for end in range(len(schedule))] + [schedule + "B", schedule + "~9"]
    for at, character in itertools.product(range(len(schedule)), "AB19~.:"):
        altered.append(schedule[:at] + character + schedule[at + 1 :])
    for text in altered:
        if text != schedule:
            with pytest.raises(ExploreError, match="schedule"):
                replay(program, text, mutant="publish-relaxed")


def test_a_schedule_is_of_one_memory_model() -> None:
    schedule = examine(CONVICTING["alone 32"], mutant="early-publish").schedule
    with pytest.raises(ExploreError, match="found under the memory model rc11"):
        replay(CONVICTING["alone 32"], schedule, mutant="early-publish", model="sc")


def test_beside_the_dead_a_read_sleeps_rightly_where_there_is_nothing_to_read_and_is_judged_where_there_is() -> None:
    """The writer dies before its first access; the survivor sleeps for ever, and that is as good as an end."""
    write, read = (Kind.TRY_WRITE.value, message_value(0, 1), 8, NO_TIMEOUT, 1), (Kind.READ.value, 0, 0, NO_TIMEOUT, 1)
    early = _explorer.explore(_explorer.channel(32, [[write], [read]], kills=[(0, 0)], survivors=True))
    assert (early.failures, early.exhausted) == ([], True)
    assert early.excused > 0
    alive = _explorer.explore(_explorer.channel(32, [[write], [read]], kills=[(0, 0)]))
    assert [failure.blocked for failure in alive.failures] == ["deadlock"]
    # with a message in the channel, published by one who lives, nobody may sleep
    silent = _explorer.explore(_explorer.channel(32, [[write], [read]], "silent-writer", 0, survivors=True))
    assert [failure.blocked for failure in silent.failures] == ["lost wake-up"]
    whole = _explorer.explore(_explorer.channel(32, [[write], [read]], survivors=True))
    assert (whole.failures, whole.excused, whole.exhausted) == ([], 0, True)


def test_beside_the_dead_one_read_and_those_with_a_time_out_sleep() -> None:
    rows: list[dict[str, int]] = [
        {"kind": Kind.READ},
        {"kind": Kind.READ, "timeout": 5},
        {"kind": Kind.READ_MANY, "count": 2},
    ]
    writes = [{"kind": Kind.WRITE, "value": message_value(1, 1), "size": 8}]
    looks: list[dict[str, int]] = [{"kind": Kind.READ}, {"kind": Kind.PEEK}]
    given = Program("given", (operations(rows), operations([*writes, *looks])), 64)
    first, second = beside_dead(given).workers
    assert list(first["kind"]) == [Kind.TRY_READ, Kind.READ, Kind.READ_MANY]
    assert list(first["timeout"]) == [NO_TIMEOUT, 5, 0]
    assert list(second["kind"]) == [Kind.TRY_WRITE, Kind.READ, Kind.PEEK]
    assert beside_dead(beside_dead(given)).workers[0].tobytes() == first.tobytes()
