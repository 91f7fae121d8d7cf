"""The explorer against an unreduced enumeration of the axioms, graph by graph, and against random walks."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness import _explorer
from harness.explore import subject_of
from harness.explore.litmus import LITMUS, Instruction, LitmusProgram
from harness.explore.programs import program as channel_program

_spec = importlib.util.spec_from_file_location("enumerator", Path(__file__).with_name("enumerator.py"))
assert _spec is not None
assert _spec.loader is not None
enumerator = importlib.util.module_from_spec(_spec)
sys.modules["enumerator"] = enumerator
_spec.loader.exec_module(enumerator)

LARGE = {"5 adds", "6 adds", "4 adds"}

LOADS = ["relaxed", "acquire", "seq_cst"]
STORES = ["relaxed", "release", "seq_cst"]
UPDATES = ["relaxed", "acquire", "release", "acq_rel", "seq_cst"]
FENCES = ["acquire", "release", "acq_rel", "seq_cst"]


def instructions(locations: int, plain: bool, waits: bool) -> st.SearchStrategy[Instruction]:
    location = st.integers(0, locations - 1)
    value = st.integers(0, 2)
    also = ["plain"] if plain else []

    def step(
        codes: list[str],
        orders: list[str],
        value: st.SearchStrategy[int] = value,
        failures: tuple[str, ...] = ("relaxed",),
    ) -> st.SearchStrategy[Instruction]:
        order, failure = st.sampled_from(orders), st.sampled_from(failures)
        return st.builds(Instruction, st.sampled_from(codes), location, value, st.integers(0, 1), order, failure)

    choices = [
        step(["load"], LOADS + also),
        step(["store"], STORES + also),
        step(["store"], STORES),
        step(["add", "exchange"], UPDATES),
        step(["compare", "compare_weak"], UPDATES, failures=("relaxed", "acquire", "seq_cst")),
        step(["fence"], FENCES),
        step(["guard"], ["relaxed"]),
        step(["choose"], ["relaxed"], st.just(2)),
    ]
    return st.one_of(*choices, *([step(["await"], LOADS)] if waits else []))


@st.composite
def programs(draw: st.DrawFn, plain: bool = False, waits: bool = True) -> LitmusProgram:
    locations = draw(st.integers(1, 2))
    shapes = draw(st.sampled_from([(2, 2), (3, 2), (3, 1), (2, 2, 1), (1, 2, 2), (2, 1, 1), (1, 1, 1), (1, 1, 1, 1)]))
    step = instructions(locations, plain, waits)
    return LitmusProgram(locations, [draw(st.lists(step, min_size=1, max_size=size)) for size in shapes])


@pytest.mark.parametrize("name", sorted(set(LITMUS) - LARGE))
@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_litmus_programs_agree_graph_by_graph(name: str, model: str) -> None:
    program = LITMUS[name].program
    expected, race = enumerator.enumerate_graphs(program, model)
    result = _explorer.explore(program.subject(), model=model, graphs=True)
    assert not race
    assert result.repeated == 0
    assert result.graphs == expected


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(), st.sampled_from(["rc11", "rc11", "sc"]))
def test_random_programs_agree_graph_by_graph(program: LitmusProgram, model: str) -> None:
    expected, _ = enumerator.enumerate_graphs(program, model)
    result = _explorer.explore(program.subject(), model=model, graphs=True, stop_at_failure=False)
    event(f"{min(len(expected), 50) // 10 * 10}+ graphs")
    assert result.repeated == 0
    assert result.graphs == expected


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(plain=True, waits=False))
def test_a_race_is_reported_exactly_when_some_execution_has_one(program: LitmusProgram) -> None:
    expected, race = enumerator.enumerate_graphs(program)
    result = _explorer.explore(program.subject(), graphs=True, stop_at_failure=False)
    event("race" if race else "no race")
    assert any(failure.fault == "race" for failure in result.failures) == race
    if not race:
        assert result.graphs == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    programs(waits=False),
    st.sampled_from(["uniform", "pct", "pos"]),
    st.sampled_from(["rc11", "sc"]),
    st.integers(0, 2**32),
)
def test_a_random_walk_reaches_no_graph_that_exploration_lacks(
    program: LitmusProgram, strategy: str, model: str, seed: int
) -> None:
    subject = program.subject()
    every = _explorer.explore(subject, model=model, graphs=True, stop_at_failure=False)
    some = _explorer.sample(subject, strategy, seed, 300, model=model, graphs=True, stop_at_failure=False)
    assert some.graphs <= every.graphs


def test_random_walks_reach_every_graph_of_a_small_queue() -> None:
    subject = _explorer.vyukov_queue(3, 1)
    every = _explorer.explore(subject, waiting=False, graphs=True)
    some = _explorer.sample(subject, "uniform", 1, 20_000, graphs=True)
    # a walk waits in pause(), so that it has the executions without failed rounds and some with them
    assert every.graphs >= some.graphs >= _explorer.explore(subject, graphs=True).graphs


@pytest.mark.parametrize("calls", [("WW", "R", "R"), ("WW", "ps", "S")])
@pytest.mark.parametrize("model", ["rc11", "sc"])
@pytest.mark.parametrize("strategy", ["uniform", "pct", "pos"])
def test_a_random_walk_of_the_channel_reaches_no_graph_that_exploration_lacks(
    calls: tuple[str, ...], model: str, strategy: str
) -> None:
    subject = subject_of(channel_program("walks", 48, calls))
    every = _explorer.explore(subject, model=model, waiting=False, graphs=True)
    some = _explorer.sample(subject, strategy, 1, 2_000, model=model, graphs=True)
    assert (every.failed, every.repeated, every.bounded, some.failed) == (0, 0, 0, 0)
    assert some.graphs <= every.graphs
    assert len(some.graphs) > 1


def test_random_walks_reach_every_graph_of_a_small_channel() -> None:
    subject = subject_of(channel_program("walks", 48, ("WW", "R", "R")))
    every = _explorer.explore(subject, waiting=False, graphs=True)
    some = _explorer.sample(subject, "pct", 1, 2_000, graphs=True)
    assert some.graphs == every.graphs
