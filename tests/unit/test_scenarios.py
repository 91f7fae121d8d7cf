"""Scenarios make the programs that they claim, from a seed."""

from __future__ import annotations

import numpy as np
import pytest

from harness.operation import Kind, message_writer
from harness.scenario import ScenarioError
from scenarios import SCENARIOS


def test_there_are_four() -> None:
    assert list(SCENARIOS) == ["swsr", "mwsr", "mwmr", "skip-vs-read"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_seed_makes_the_program(name: str) -> None:
    scenario = SCENARIOS[name]
    first = scenario.program(scenario.parameters(messages=500, seed=5))
    again = scenario.program(scenario.parameters(messages=500, seed=5))
    other = scenario.program(scenario.parameters(messages=500, seed=6))
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_message_once_from_its_writer(name: str) -> None:
    scenario = SCENARIOS[name]
    parameters = scenario.parameters(messages=1000, seed=2)
    program = scenario.program(parameters)
    assert len(program.workers) == parameters.writers + parameters.readers
    values = program.written_values()
    assert len(values) == len(np.unique(values)) == 1000
    assert set(map(message_writer, values.tolist())) == set(range(parameters.writers))
    writes = [kind for kind in Kind if kind.writes]
    for script in program.workers[parameters.writers :]:
        assert not np.isin(script["kind"], writes).any()
    for script in program.workers[: parameters.writers]:
        assert np.isin(script["kind"], writes).all()
        assert script["size"].min() >= parameters.payload_min
        assert script["size"].max() <= parameters.payload_max


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_program_wraps_around_and_mixes_sizes(name: str) -> None:
    scenario = SCENARIOS[name]
    program = scenario.program(scenario.parameters())
    sizes = np.concatenate([np.repeat(s["size"], s["count"]) for s in program.workers[: scenario.defaults.writers]])
    assert sizes.sum() > 100 * program.capacity
    assert {8, 256} <= set(sizes.tolist())
    assert len(np.unique(sizes)) > 100


def test_skip_vs_read_races_all_removals_on_one_head() -> None:
    scenario = SCENARIOS["skip-vs-read"]
    program = scenario.program(scenario.parameters())
    kinds = {Kind(int(kind)) for script in program.workers[1:] for kind in np.unique(script["kind"])}
    assert {Kind.SKIP, Kind.SKIP_FORCE, Kind.PEEK, Kind.READ, Kind.TRY_READ} <= kinds


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("swsr", {"writers": 2}, "swsr has 1 writer; got 2"),
        ("mwsr", {"readers": 3}, "mwsr has 1 reader; got 3"),
        ("mwmr", {"writers": 0}, "writers is from 1 to 64; got 0"),
        ("mwmr", {"readers": 65}, "readers is from 1 to 64; got 65"),
        ("mwmr", {"payload_min": 4}, r"payload is a size or MIN-MAX from 8 to 16360 bytes"),
        ("mwmr", {"payload_max": 20_000}, r"from 8 to 16360 bytes \(capacity - 24\); got 8-20000"),
        ("mwmr", {"capacity": 16}, "capacity is from 64"),
        ("mwmr", {"messages": 1}, "messages is from the number of writers"),
        ("mwmr", {"seed": -1}, "seed is a whole number from 0"),
    ],
)
def test_bad_parameters_are_named(name: str, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        SCENARIOS[name].parameters(**changes)


def test_sixteen_by_sixteen_is_allowed() -> None:
    scenario = SCENARIOS["mwmr"]
    assert len(scenario.program(scenario.parameters(writers=16, readers=16, messages=320)).workers) == 32
