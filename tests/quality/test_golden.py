"""Golden counterexamples: right on the channel as it is, wrong on the one with the planted bug."""

from __future__ import annotations

from pathlib import Path

import pytest

import channel
from harness.mutants import all_mutants
from harness.stateful.explored import Drawn
from harness.stateful.golden import Golden, GoldenError, goldens

FOLDER = Path(__file__).parents[2] / "scenarios" / "golden"
GOLDENS = list(goldens(FOLDER))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_a_golden_passes_on_the_channel_and_fails_with_its_bug(golden: Golden) -> None:
    assert not golden.fails(channel)
    if golden.mutant:
        assert golden.fails(channel, golden.mutant)


def test_every_bug_that_can_be_found_has_its_golden() -> None:
    sequences = {golden.mutant for golden in GOLDENS if not isinstance(golden.input, Drawn)} - {""}
    programs = {golden.mutant for golden in GOLDENS if isinstance(golden.input, Drawn)}
    assert sequences == {mutant.name for mutant in all_mutants() if mutant.needs.calls}
    assert programs == {mutant.name for mutant in all_mutants() if mutant.needs.workers}


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_a_golden_survives_json(golden: Golden) -> None:
    assert Golden.from_json(golden.name, golden.to_json()).to_json() == golden.to_json()


@pytest.mark.parametrize(
    ("data", "message"),
    [({}, "x: golden version None"), ({"golden": 1, "program": {}}, "x: KeyError"), ({"golden": 1}, "x: SequenceE")],
)
def test_what_is_no_golden_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(GoldenError) as raised:
        Golden.from_json("x", data)
    assert message in str(raised.value)
