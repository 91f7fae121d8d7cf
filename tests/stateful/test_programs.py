"""Drawn programs: well formed, judged clean on the faithful channel, and strong enough to convict planted bugs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from harness.executors.execution import Kill
from harness.operation import Kind
from harness.program import Program
from harness.stateful.programs import kills, programs
from harness.stress import Cell, judge, run_program
from harness.verdict import Outcome, Verdict

DEADLINE_S = 3.0


def failures(program: Program, cell: Cell, **options: Any) -> list[Verdict]:
    execution = run_program(program, cell, deadline_s=DEADLINE_S, **options)
    return [verdict for verdict in judge(program, execution) if verdict.outcome is Outcome.FAIL]


@given(program=programs())
def test_a_drawn_program_survives_json(program: Program) -> None:
    assert Program.from_json(program.to_json()).digest == program.digest
    assert 2 <= len(program.workers) <= 4
    assert all(1 <= len(script) <= 9 for script in program.workers)


@given(data=st.data(), program=programs())
def test_a_kill_is_within_the_program(data: st.DataObject, program: Program) -> None:
    for kill in data.draw(kills(program, most=2)):
        assert isinstance(kill, Kill)
        assert kill.after is not None
        assert kill.after < len(program.workers[kill.worker])


@given(program=programs())
def test_threads_run_drawn_programs_clean(program: Program) -> None:
    assert not failures(program, Cell("threads"))


@given(program=programs(most_operations=5))
def test_drawn_programs_run_clean_through_the_public_api(program: Program) -> None:
    assert not failures(program, Cell("threads", "api"))


@settings(max_examples=5)
@given(data=st.data(), program=programs(most_workers=3))
def test_processes_run_drawn_programs_clean_though_some_are_killed(data: st.DataObject, program: Program) -> None:
    assert not failures(program, Cell("processes"), kill=data.draw(kills(program)))


@pytest.mark.parametrize("spec", ["doubled-message:2", "dropped-message:2", "torn-payload:2"])
def test_drawn_programs_convict_planted_bugs(spec: str) -> None:
    """And the smallest such program is small: two workers, as every program has, and three operations at most."""
    chosen = settings(max_examples=300, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
    simple = programs(kinds=(Kind.WRITE, Kind.READ, Kind.TRY_READ))
    smallest = find(simple, lambda program: bool(failures(program, Cell("threads", mutant=spec))), settings=chosen)
    assert sum(len(script) for script in smallest.workers) <= 3
