"""Golden counterexamples: right on the channel as it is, wrong on the one with the planted bug."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import channel
from harness.explore import EVERY
from harness.mutants import parse
from harness.stateful.explored import Drawn, ExploredFailure, describe_explored, explored
from harness.stateful.golden import Golden, GoldenError, expected, goldens, main, regenerate

FOLDER = Path(__file__).parents[2] / "scenarios" / "golden"
PRINTED = Path(__file__).with_name("printed_failures.txt")
GOLDENS = list(goldens(FOLDER))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_a_golden_passes_on_the_channel_and_fails_with_its_bug(golden: Golden) -> None:
    assert not golden.fails(channel)
    if golden.mutant:
        assert golden.fails(channel, golden.mutant)


def test_every_bug_that_can_be_found_has_its_golden() -> None:
    assert {golden.name for golden in GOLDENS if golden.mutant} == set(expected())


def test_what_is_void_or_missing_is_found_anew_and_nothing_else(tmp_path: Path) -> None:
    """Moves that do nothing any more, as after a change of the core; and one file that is not there."""
    for golden in GOLDENS:
        (tmp_path / f"{golden.name}.json").write_text(json.dumps(golden.to_json()), encoding="utf-8")
    moves, missing = tmp_path / "early-publish-moves.json", tmp_path / "skip-any-calls.json"
    data = json.loads(moves.read_text(encoding="utf-8"))
    data["interleaving"]["moves"] = []
    moves.write_text(json.dumps(data), encoding="utf-8")
    missing.unlink()
    assert set(regenerate(tmp_path, channel)) == {moves.stem, missing.stem}
    for golden in goldens(tmp_path):
        if golden.name in (moves.stem, missing.stem):
            assert golden.fails(channel, golden.mutant)
            assert not golden.fails(channel)
    assert main([str(tmp_path / "nowhere")]) == 2


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


def printed(golden: Golden) -> str:
    """What a person reads first: the fact, the program, the cost of the interleaving; its accesses are the core's."""
    assert isinstance(golden.input, Drawn)
    seen = explored(golden.input, golden.mutant, minimise=True)
    failure = ExploredFailure(golden.input, seen, golden.mutant, EVERY)
    needs, cost = parse(golden.mutant).needs, failure.cost
    left = (failure.workers, failure.operations, cost.switches, cost.stale, cost.kills)
    most = (needs.workers, needs.operations, needs.switches, needs.stale, needs.kills)
    assert all(one <= other for one, other in zip(left, most, strict=True)), (golden.name, left, most)
    text = re.sub(r"(\.hpp):\d+", r"\1:#", describe_explored(failure))
    return f"== {golden.name}\n" + text[: text.index(":\n", text.index("\ninterleaving, "))]


def test_the_printed_failures_are_the_expected_ones(tmp_path: Path) -> None:
    """One section for each program; a new golden, or a new wording, is a new section."""
    sections = [printed(golden) for golden in GOLDENS if isinstance(golden.input, Drawn) and golden.mutant]
    seen = tmp_path / PRINTED.name
    seen.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    told = f"if {seen} is right, copy it to {PRINTED}"
    assert seen.read_text(encoding="utf-8") == PRINTED.read_text(encoding="utf-8"), told
