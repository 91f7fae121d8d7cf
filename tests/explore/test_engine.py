"""One exploration shared by several processes and machines: every execution once, whoever dies on the way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from harness import _explorer
from harness.engine import Engine, deal, open_engine
from harness.explore import ExploreError, examine
from harness.explore.parts import Part, Piece, Task, explore_part
from harness.explore.programs import SMALL, WITH_DEAD
from harness.verdict import Outcome

GOLDEN = {(3, 3): 81_124, (4, 2): 486_136}


def explore_queue(size: tuple[int, int], parts: list[str]) -> tuple[int, list[str]]:
    """Complete executions, and what is left after some hundredths of a second."""
    result = _explorer.explore(_explorer.vyukov_queue(*size), waiting=False, seconds=0.03, parts=parts)
    return result.complete, result.left


def share_queue(engine: Engine, size: tuple[int, int]) -> int:
    """Complete executions of a queue that is shared out over an engine."""
    complete, left = explore_queue(size, [])

    def next_part(free: int) -> list[str] | None:
        taken = left[:: free + 1]
        del left[:: free + 1]
        return taken or None

    for _, (seen, more) in deal(engine, partial(explore_queue, size), next_part):
        complete += seen
        left += more
    return complete


# --- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [True, False])
@pytest.mark.parametrize("executions", [1, 7, 100])
def test_parts_are_disjoint_and_together_everything(executions: int, waiting: bool) -> None:
    whole = _explorer.explore(_explorer.vyukov_queue(3, 2), waiting=waiting, graphs=True)
    parts: list[str] = []
    graphs: set[str] = set()
    complete = cut = 0
    while True:
        # another subject each time, as in another process
        seen = _explorer.explore(
            _explorer.vyukov_queue(3, 2), waiting=waiting, executions=executions, graphs=True, parts=parts
        )
        assert not seen.graphs & graphs
        assert seen.repeated == 0
        graphs |= seen.graphs
        complete, cut, parts = complete + seen.complete, cut + seen.cut, seen.left
        assert seen.exhausted == (not parts)
        if not parts:
            break
    assert graphs == whole.graphs
    assert (complete, cut) == (whole.complete, whole.cut)


@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_the_channel_goes_on_from_its_parts_in_both_models(model: str) -> None:
    program, kills = WITH_DEAD["dead writer"], ((0, 9),)
    task = Task(program, "crash", model, "", 2)  # type: ignore[arg-type]
    pieces: tuple[Piece, ...] = (Piece(kills),)
    (whole,) = explore_part(task, Part(pieces, 2**63, 60.0, 60.0))
    assert not whole.left
    executions = cut = rounds = 0
    while pieces:
        (seen,) = explore_part(task, Part(pieces, 1, 60.0, 60.0))
        executions, cut, rounds, pieces = executions + seen.executions, cut + seen.cut, rounds + 1, seen.left
    assert (executions, cut) == (whole.executions, whole.cut)
    assert rounds == executions + cut


def a_part() -> str:
    return _explorer.explore(_explorer.vyukov_queue(2, 2), executions=1).left[0]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda part: part.replace("part1", "part9"), "does not begin with 'part1:'"),
        (lambda part: part[:6] + "00000000" + part[14:], "is not of the program"),
        (lambda part: part[: part.index(";")], "lacks its events or its alternative"),
        (lambda part: part[: part.index(";")] + ";q1", "has an alternative that is none of"),
        (lambda part: part + "A", "goes on after its end"),
        (lambda part: part.replace(";", "A99;"), "the program does not do what the part says"),
        (lambda part: part.replace(";", "H;"), "the workers stop before its last event"),
    ],
)
def test_a_part_that_is_malformed_or_of_another_program_is_refused(spoil: Callable[[str], str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _explorer.explore(_explorer.vyukov_queue(2, 2), parts=[spoil(a_part())])


def test_a_part_of_another_build_is_refused() -> None:
    task = Task(SMALL["swsr"], "exhaustive", "rc11", "", 2, build="0123456789abcdef")
    with pytest.raises(ExploreError, match="install the same package everywhere"):
        explore_part(task, Part((Piece(),), 1, 1.0, 1.0))


# --- processes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("size", GOLDEN)
def test_several_processes_see_exactly_the_executions_of_one(size: tuple[int, int], jobs: int) -> None:
    with open_engine("processes", jobs) as engine:
        assert share_queue(engine, size) == GOLDEN[size]
        assert engine.parts >= 1
        assert engine.resubmitted == 0


@pytest.mark.parametrize("name", ["swsr", "mwsr"])
def test_a_scenario_has_the_same_executions_and_histories_whoever_explores_it(name: str) -> None:
    alone = examine(SMALL[name])
    assert (alone.engine, alone.jobs, alone.parts) == ("here", 1, 1)
    for jobs in (2, 3):
        shared = examine(SMALL[name], jobs=jobs)
        assert (shared.executions, shared.cut, shared.histories) == (alone.executions, alone.cut, alone.histories)
        assert (shared.verdict.outcome, shared.verdict.reason) == (Outcome.PASS, alone.verdict.reason)
        assert (shared.engine, shared.jobs) == ("processes", jobs)


def test_the_bound_on_executions_holds_over_all_parts() -> None:
    seen = examine(SMALL["mwmr"], jobs=2, executions=50_000)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert 50_000 - 8 <= seen.executions + seen.cut <= 50_000


def test_the_bound_on_seconds_holds_over_all_parts() -> None:
    seen = examine(SMALL["mwmr"], jobs=2, seconds=0.2)
    assert seen.verdict.outcome is Outcome.INCONCLUSIVE
    assert "not exhausted, and nothing found" in seen.verdict.reason
    assert seen.executions < examine(SMALL["mwmr"]).executions


@pytest.mark.parametrize("driver", ["pct", "pos", "uniform"])
def test_random_walks_are_the_same_ones_whoever_makes_them(driver: str) -> None:
    alone = examine(SMALL["mwsr"], driver=driver, executions=7_000, seed=5)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as executor:
        shared = examine(SMALL["mwsr"], driver=driver, executions=7_000, seed=5, jobs=2, executor=executor)  # type: ignore[arg-type]
    assert (shared.executions, shared.cut, shared.histories) == (alone.executions, alone.cut, alone.histories)
    assert alone.executions + alone.cut == 7_000
    other = examine(SMALL["mwsr"], driver=driver, executions=7_000, seed=6)  # type: ignore[arg-type]
    assert other.executions + other.cut == 7_000
