"""Drawn programs on real workers: what fails is handed to the explorer, and the verdict says what that one saw."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings

from harness.executors.execution import Kill
from harness.explore import replay
from harness.mutants import parse
from harness.operation import NO_TIMEOUT, Kind, message_value
from harness.program import Program, operations
from harness.stateful.executed import (
    BudgetSpent,
    Executed,
    ExecutedFailure,
    ViolationError,
    check_executed,
    describe_executed,
    find_executed,
    hand_over,
)
from harness.stateful.explored import ExploredFailure
from harness.stress import Cell
from harness.verdict import Outcome, Verdict, Witness

LOST = (Verdict.failed("integrity", "lost", Witness("1:0 was written and never removed")),)


def one_write(size: int = 8) -> Program:
    write = {"kind": Kind.TRY_WRITE.value, "value": message_value(0, 0), "size": size}
    read = {"kind": Kind.TRY_READ.value, "timeout": NO_TIMEOUT}
    return Program("by hand", (operations([write]), operations([read])), 64)


def test_as_many_programs_are_run_as_were_asked_for() -> None:
    assert check_executed(Cell("threads"), settings(max_examples=20, deadline=None, database=None)) == 20


@pytest.mark.stress
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize(("executor", "kills"), [("threads", 0), ("processes", 0), ("processes", 1)])
def test_drawn_programs_run_clean_for_longer(executor: str, kills: int) -> None:
    """As many as the profile has; on processes, which have to be started, a tenth."""
    examples = settings().max_examples // (1 if executor == "threads" else 10)
    chosen = settings(max_examples=examples, deadline=None)
    assert check_executed(Cell(executor), chosen, most_kills=kills) == examples


def assert_reproduced(found: ExecutedFailure | None) -> None:
    """Its schedule replays, and the words are those that are promised."""
    assert found is not None
    assert found.examples > 0
    assert isinstance(found.explored, ExploredFailure), found.word
    explored = found.explored
    schedule = explored.exploration.schedule
    assert f"reproduced by the explorer, the same rule: {explored.exploration.verdict.rule}, " in found.verdict.reason
    assert found.verdict.reason.endswith(f"schedule {schedule}")
    assert found.verdict.outcome is Outcome.FAIL
    shown = replay(explored.program, schedule, mutant=explored.mutant, every=explored.every, kills=explored.kills)
    assert shown.rstrip() in describe_executed(found)


@pytest.mark.parametrize("mutant", ["dropped-message:1", "doubled-message:2", "torn-payload:2", "skip-any"])
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_what_fails_on_real_workers_is_reproduced_by_the_explorer(executor: str, mutant: str) -> None:
    found = find_executed(Cell(executor, mutant=mutant))
    assert_reproduced(found)
    assert found is not None
    assert isinstance(found.explored, ExploredFailure)
    assert found.explored.operations <= parse(mutant).needs.operations


def test_what_fails_after_a_kill_is_reproduced_with_a_kill() -> None:
    """Worker 0 dies with the lock in its hand, and the other writer does not take it from the dead."""
    writes = [
        operations([{"kind": Kind.TRY_WRITE.value, "value": message_value(worker, 0), "size": 8}]) for worker in (0, 1)
    ]
    killed = Executed(Program("by hand", tuple(writes), 96), (Kill(0, after=0, step=6),))
    found = hand_over(killed, Cell("processes", mutant="no-recovery"), LOST)
    assert isinstance(found.explored, ExploredFailure), found.word
    assert [worker for worker, _ in found.explored.kills] == [0]


def test_a_program_with_a_kill_is_handed_over_without_it_at_last_and_with_its_time_outs() -> None:
    """Worker 1 waits for a message until its time is up, whoever dies."""
    write = operations([{"kind": Kind.WRITE.value, "value": message_value(0, 0), "size": 8, "timeout": 100_000}])
    read = operations([{"kind": Kind.READ.value, "timeout": 100_000}])
    killed = Executed(Program("by hand", (write, read), 96), (Kill(0, after=0, step=9),))
    found = hand_over(killed, Cell("processes", mutant="early-timeout"), LOST)
    assert isinstance(found.explored, ExploredFailure), found.word
    assert not found.explored.kills
    assert [int(row["timeout"]) > 0 for script in found.explored.program.workers for row in script] == [True]


def test_what_breaks_another_rule_is_told_as_that() -> None:
    """The run is said to have starved; the explorer sees a lost message."""
    starved = (Verdict.failed("progress", "starved", Witness("worker 1 starved")),)
    found = hand_over(Executed(one_write()), Cell("threads", mutant="dropped-message:1"), starved)
    assert found.is_reproduced
    assert not found.is_same_rule
    assert found.word.startswith("reproduced by the explorer, another rule: history, ")
    assert hand_over(Executed(one_write()), Cell("threads", mutant="dropped-message:1"), LOST).is_same_rule


def test_what_the_explorer_does_not_see_it_says_so() -> None:
    """A failure that is no bug of the channel: the verdict of the run stands, and the explorer found nothing."""
    found = hand_over(Executed(one_write()), Cell("threads"), LOST)
    assert not found.is_reproduced
    assert found.verdict.rule == "lost"
    assert re.search(
        r"never removed; not reproduced by the explorer within [\d,]+ executions: all executions explored: ",
        found.verdict.reason,
    )
    assert found.word in describe_executed(found)


def test_a_budget_too_small_for_the_bug_is_spent_and_named() -> None:
    found = hand_over(Executed(one_write()), Cell("threads", mutant="early-publish"), LOST, executions=1)
    assert isinstance(found.explored, BudgetSpent)
    assert found.word.startswith("not reproduced by the explorer within 2 executions: not exhausted, ")
    assert hand_over(Executed(one_write()), Cell("threads", mutant="early-publish"), LOST).is_reproduced


def test_a_program_that_the_explorer_does_not_take_is_not_reproduced() -> None:
    many = operations([{"kind": Kind.TRY_READ.value}] * 2)
    crowd = Program("crowd", (many,) * 40, 64)
    found = hand_over(Executed(crowd), Cell("threads"), LOST)
    assert found.word.startswith("not reproduced by the explorer within 0 executions: it does not take the program: ")


def test_a_reader_of_real_workers_goes_on_until_the_stream_ends_and_so_it_does_explored() -> None:
    """One try_read in the script, three messages: the bug needs the second read."""
    writes = [{"kind": Kind.TRY_WRITE.value, "value": message_value(0, n), "size": 8} for n in range(3)]
    program = Program("by hand", (operations(writes), operations([{"kind": Kind.TRY_READ.value}])), 96)
    assert hand_over(Executed(program), Cell("threads", mutant="doubled-message:2"), LOST).is_reproduced


def test_what_only_the_drain_of_a_real_run_sees_is_explored_with_a_drain() -> None:
    """Nobody reads; the second read of one handle gives the first message again."""
    writes = [{"kind": Kind.TRY_WRITE.value, "value": message_value(0, n), "size": 8} for n in range(2)]
    program = Program("by hand", (operations(writes),), 96)
    assert hand_over(Executed(program), Cell("threads", mutant="doubled-message:2"), LOST).is_reproduced
    assert not hand_over(Executed(program), Cell("threads"), LOST).is_reproduced


def test_a_test_that_fails_tells_the_program_the_word_and_how_to_see_it_again() -> None:
    chosen = settings(max_examples=300, deadline=None, database=None, derandomize=True)
    with pytest.raises(ViolationError) as raised:
        check_executed(Cell("threads", mutant="dropped-message:2"), chosen)
    text = str(raised.value)
    parts = ["integrity: lost", "program, on threads (native): ", "worker A", "reproduced by the explorer, "]
    parts += ["interleaving, ", "replay: replay(", "hypothesis: @example(", "hypothesis, the program that ran: "]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert text.splitlines()[-1].startswith("hypothesis, the program that ran: @reproduce_failure(")


def test_only_what_failed_is_handed_over() -> None:
    with pytest.raises(ValueError, match="got no failed verdict"):
        hand_over(Executed(one_write()), Cell("threads"), ())
