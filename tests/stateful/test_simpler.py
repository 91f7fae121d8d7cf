"""The steps in which a drawn program is shrunk: each can be run, all of them end, and two lead where one does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from harness.explore.programs import WITH_DEAD
from harness.operation import Kind
from harness.program import Program, operations
from harness.stateful.explored import ExploredFailure, convict, explored, explored_programs
from harness.stateful.programs import SMALLEST_CAPACITY, SMALLEST_PAYLOAD, Drawn, ends_by_itself
from harness.stateful.reduce import reduced
from harness.stateful.simpler import simpler
from harness.verdict import Outcome


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(drawn=explored_programs())
def test_every_step_can_be_run_and_all_of_them_end(drawn: Drawn) -> None:
    """If everything fails, one call of the plainest is left."""
    for candidate in simpler(drawn):
        assert candidate.somebody_dies or ends_by_itself(candidate.program)
        assert candidate.dies is None or 0 <= candidate.dies < len(candidate.program.workers)
        assert len(candidate.program.workers) <= len(drawn.program.workers)
    least = reduced(drawn, simpler, lambda candidate: True)
    (script,) = least.program.workers
    assert not least.somebody_dies
    assert least.program.capacity == SMALLEST_CAPACITY
    assert script["kind"].tolist() in ([Kind.TRY_WRITE], [Kind.TRY_READ])
    assert script["size"][0] in (0, SMALLEST_PAYLOAD)


def drawn_of(capacity: int, *scripts: list[dict[str, Any]], kills: tuple[tuple[int, int], ...] = ()) -> Drawn:
    calls = [[{**call, "kind": call["kind"].value} for call in script] for script in scripts]
    return Drawn(Program("given", tuple(map(operations, calls)), capacity), kills)


WAIT_FOR_ROOM = drawn_of(
    64, [{"kind": Kind.TRY_WRITE, "size": 8}, {"kind": Kind.WRITE, "value": 1, "size": 25, "timeout": 4_914}]
)
LAPPED = drawn_of(
    64,
    [
        {"kind": Kind.TRY_WRITE, "value": 1, "size": 8},
        {"kind": Kind.TRY_READ},
        {"kind": Kind.TRY_WRITE, "value": 2, "size": 8},
    ],
    [
        {"kind": Kind.TRY_WRITE, "value": 1 << 40, "size": 8},
        {"kind": Kind.TRY_WRITE, "value": (1 << 40) + 1, "size": 8},
        {"kind": Kind.TRY_READ},
    ],
)
DEAD_IN_A_BATCH = drawn_of(
    64,
    [{"kind": Kind.WRITE_MANY, "size": 17, "count": 2, "timeout": 0}],
    [{"kind": Kind.TRY_READ}, {"kind": Kind.TRY_WRITE, "value": 1 << 40, "size": 8}],
    kills=((0, 23),),
)


@pytest.mark.parametrize(
    ("mutant", "drawn", "operations_left", "kills_left"),
    [
        pytest.param("early-timeout", WAIT_FOR_ROOM, 1, 0, id="a write that waits becomes a read, without its message"),
        pytest.param("unchecked-empty", LAPPED, 5, 0, id="two messages become one that takes the room of both"),
        pytest.param("trusting-recovery", DEAD_IN_A_BATCH, 2, 1, id="the moment of death moves with the program"),
    ],
)
def test_where_no_single_step_leads(mutant: str, drawn: Drawn, operations_left: int, kills_left: int) -> None:
    found = convict(drawn, mutant=mutant)
    assert isinstance(found, ExploredFailure)
    assert found.operations <= operations_left
    assert len(found.kills) == kills_left
    assert explored(found.drawn).verdict.outcome is Outcome.PASS


def test_a_death_is_looked_for_before_every_access() -> None:
    """And as many executions as asked for are made of all of them together, or the program is exhausted."""
    program = WITH_DEAD["dead writer"]
    found = explored(Drawn(program, dies=0), "trusting-recovery")
    assert found.verdict.outcome is Outcome.FAIL
    assert explored(Drawn(program, found.kills), "trusting-recovery").verdict.outcome is Outcome.FAIL
    each = [explored(Drawn(program, ((0, access),))) for access in range(found.kills[0][1] + 1)]
    clean = explored(Drawn(program, dies=0))
    assert clean.verdict.outcome is Outcome.PASS
    assert clean.exhausted
    assert clean.visited >= sum(one.visited for one in each)
    few = explored(Drawn(program, dies=0), executions=100)
    assert few.verdict.outcome is Outcome.INCONCLUSIVE
    assert not few.exhausted
    assert few.visited >= 100
