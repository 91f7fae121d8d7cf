"""A program that need not end is refused, and told which call waits for what; one that ends in every order is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import _explorer
from harness.cli import cli
from harness.explore import ExploreError, examine, subject_of
from harness.explore.ending import why_unending
from harness.explore.programs import CONVICTING, SMALL, WITH_DEAD, program
from harness.program import Program
from harness.verdict import Outcome

MESSAGE, ROOM = "for a message that nobody will write", "for room that nobody will make"


@pytest.mark.parametrize(
    ("calls", "capacity", "told"),
    [
        (["r"], 48, f"the program cannot end: worker A waits in read, its call 1, {MESSAGE}"),
        (["rw"], 48, f"the program cannot end: worker A waits in read, its call 1, {MESSAGE}"),
        (["w", "rr"], 48, f"order: A write, B read; then worker B waits in read, its call 2, {MESSAGE}"),
        (["W", "nn"], 48, f"then worker B waits in read_many, its call 2, {MESSAGE}"),
        (["www", "r"], 32, f"then worker A waits in write, its call 3, {ROOM}"),
        (["m3", "r"], 32, f"order: A write_many, B read; then worker A waits in write_many, its call 1, {ROOM}"),
        (["w", "r", "r"], 48, MESSAGE),
        # it ends unless the one that tries comes first
        (["WR", "r"], 48, f"order: A try_write, A try_read; then worker B waits in read, its call 1, {MESSAGE}"),
        (["wS", "r"], 48, f"order: A write, A skip_force; then worker B waits in read, its call 1, {MESSAGE}"),
        (["wps", "r"], 48, f"order: A write, A peek, A skip; then worker B waits in read, its call 1, {MESSAGE}"),
        # a write with a time-out gives up where another writer is inside all the while
        (["o", "o", "rr"], 64, f"waits in read, its call 2, {MESSAGE}"),
        (["Mr", "NM"], 32, f"then worker A waits in read, its call 2, {MESSAGE}"),
        (["xw", "wr"], 48, ""),
        (["wx", "rr"], 48, ""),
        (["www", "r"], 48, ""),
        (["w", "ri"], 48, ""),
        (["o", "r"], 32, ""),
        (["oo", "r"], 32, ""),
        (["w40"], 48, ""),  # too large for ever, so it is refused at once
        (["s", "w", "r"], 48, ""),  # a skip of nothing skips nothing
        (["M3", "nR"], 32, ""),
    ],
)
def test_a_program_ends_in_every_order_of_its_calls_or_is_told_which_call_waits(
    calls: list[str], capacity: int, told: str
) -> None:
    given = program("given", capacity, calls)
    assert told in why_unending(given)
    assert bool(told) == bool(why_unending(given))
    if told:
        with pytest.raises(ExploreError, match="no fault of the channel"):
            examine(given)
    else:
        assert examine(given, seconds=10).verdict.outcome is Outcome.PASS


def test_with_a_limit_of_rounds_nobody_waits_for_ever() -> None:
    assert why_unending(program("limited", 32, ["wwr", "rr"], max_round_trips=2)) == ""


def test_a_program_that_ends_in_no_order_is_found_out_however_large_it_is() -> None:
    told = why_unending(program("large", 48, ["w" * 50] * 4 + ["r" * 51] * 4))
    assert "its calls come in this order: 392 calls, then " in told
    assert MESSAGE in told
    assert why_unending(program("large", 48, ["w" * 50] * 4 + ["r" * 50] * 4)) == ""


@pytest.mark.parametrize("given", [*CONVICTING.values(), *SMALL.values(), *WITH_DEAD.values()], ids=lambda p: p.name)
def test_the_built_in_programs_end(given: Program) -> None:
    assert why_unending(given) == ""


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    calls=st.lists(st.text("wWorRinNMmpsSx", min_size=1, max_size=3), min_size=1, max_size=3),
    capacity=st.sampled_from([32, 48]),
)
def test_the_orders_of_the_specification_are_those_of_the_channel(calls: list[str], capacity: int) -> None:
    """Whoever waits for ever in some interleaving of the accesses does so in some order of whole calls."""
    drawn = program("drawn", capacity, calls)
    seen = _explorer.explore(subject_of(drawn), model="sc", executions=3_000)
    stuck = any(failure.fault == "stuck" for failure in seen.failures)
    assert {failure.fault for failure in seen.failures} <= {"stuck"}
    if stuck:
        assert why_unending(drawn)
    elif seen.exhausted:
        assert why_unending(drawn) == ""


@pytest.mark.parametrize("driver", ["exhaustive", "progress", "pct"])
def test_the_command_refuses_it_with_exit_code_2(
    driver: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "endless.json"
    path.write_text(json.dumps(program("endless", 48, ["w", "rr"]).to_json()))
    assert cli(["explore", str(path), "--driver", driver]) == 2
    assert f"worker B waits in read, its call 2, {MESSAGE}" in " ".join(capsys.readouterr().err.split())


def test_beside_the_dead_it_is_explored() -> None:
    """There whoever could wait for ever tries once, and a sleeper may sleep where nothing is left to read."""
    assert examine(program("given", 48, ["w", "rr"]), driver="crash").verdict.outcome is Outcome.PASS


def test_a_lost_wake_up_is_still_one() -> None:
    seen = examine(program("given", 48, ["w", "r"]), mutant="silent-writer")
    assert (seen.verdict.outcome, seen.verdict.rule) == (Outcome.FAIL, "stuck")
    assert "lost wake-up" in seen.verdict.reason
