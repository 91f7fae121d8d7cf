"""Every planted bug of the core is convicted by the program that stands beside it, with a schedule that fails again."""

from __future__ import annotations

import pytest

from harness.explore import examine, explore, replay
from harness.explore.exploration import Model
from harness.explore.programs import CONVICTING, WITH_DEAD
from harness.mutants import Mutant, Nature, all_mutants
from harness.program import Program
from harness.verdict import Outcome

PROGRAMS = {**CONVICTING, **WITH_DEAD}
CRASHES = [mutant for mutant in all_mutants() if mutant.nature is Nature.CRASH]


def driver_of(mutant: Mutant) -> str:
    return "crash" if mutant.nature is Nature.CRASH else "exhaustive"


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_is_convicted_and_its_schedule_fails_again(mutant: Mutant) -> None:
    program = PROGRAMS[mutant.program]
    seen = examine(program, driver=driver_of(mutant), mutant=mutant.name)  # type: ignore[arg-type]
    assert seen.verdict.outcome is Outcome.FAIL, seen.verdict
    assert bool(seen.kills) == (mutant.nature is Nature.CRASH)
    lanes = replay(program, seen.schedule, mutant=mutant.name, kills=seen.kills).splitlines()
    fault, _, what = lanes[-1].partition(": ")
    assert fault.split()[0] == seen.verdict.rule
    assert seen.verdict.reason.startswith(what)
    assert any("channel.hpp:" in line for line in lanes)


@pytest.mark.parametrize(
    ("name", "mutant", "rule"),
    [
        ("straddling", "torn-payload", "history"),
        ("skipped sizes", "skip-any", "history"),
        ("empty batch", "unchecked-batch", "history"),
        ("looking at a lap", "load-tail-relaxed", "history"),
        ("partial batch", "silent-writer", "stuck"),
        ("batch over a lap", "writer-fence-relaxed", "history"),
        ("looking into a batch", "store-tail-relaxed", "history"),
        ("group cut short", "repeated-batch", "history"),
        ("dead batch of three", "no-recovery", "stuck"),
        ("dead writer of sizes", "no-recovery", "stuck"),
        ("closing twice", "take-owner-relaxed", "history"),
        ("closing after a lap", "load-header-relaxed", "history"),
        ("overwritten", "unchecked-peek", "history"),
        ("looking at sizes", "load-tail-relaxed", "history"),
        ("straddling by a word", "wrong-wrap", "history"),
        ("skipping alone", "load-head-reader-relaxed", "history"),
        ("more than asked", "dropped-message", "history"),
        ("closed to all", "silent-writer", "stuck"),
        ("closing a full ring", "overfull", "history"),
        ("limit 2 of readers", "blind-removal", "history"),
        ("limit 1 beside a deadline", "blind-read-timeout", "history"),
        ("beyond the ring", "early-publish", "history"),
        # whoever dies has slot 0, which an owner word of 0 must not pass for
        ("dead closer beside a sleeper", "silent-recovery", "stuck"),
    ],
)
def test_a_program_of_sizes_and_batches_convicts_and_acquits(name: str, mutant: str, rule: str) -> None:
    driver = "crash" if name in WITH_DEAD else "exhaustive"
    assert explore(PROGRAMS[name], driver=driver).outcome is Outcome.PASS  # type: ignore[arg-type]
    verdict = explore(PROGRAMS[name], driver=driver, mutant=mutant)  # type: ignore[arg-type]
    assert (verdict.outcome, verdict.rule) == (Outcome.FAIL, rule)


def test_a_payload_goes_on_at_the_beginning_of_the_ring() -> None:
    """Entries of 32, 16 and 32 bytes in 64: the third begins at 48."""
    assert PROGRAMS["straddling"].workers[0]["size"].tolist() == [24, 8, 0, 0, 24, 0]


@pytest.mark.parametrize("name", sorted({mutant.program for mutant in all_mutants()}))
def test_the_program_of_a_mutant_acquits_the_channel(name: str) -> None:
    assert explore(PROGRAMS[name]).outcome is Outcome.PASS
    if name in WITH_DEAD:
        assert explore(PROGRAMS[name], driver="crash").outcome is Outcome.PASS


@pytest.mark.parametrize("model", ["rc11", "sc"])
def test_no_call_answers_long_after_its_deadline_whoever_dies(model: Model) -> None:
    """The allowance of channel_program.hpp is enough for rounds that are lost to others, and for a recovery."""
    program = CONVICTING["timeouts"]
    assert explore(program, driver="crash", model=model).outcome is Outcome.PASS
    for driver in ("exhaustive", "crash"):
        verdict = explore(program, driver=driver, model=model, mutant="late-timeout")  # type: ignore[arg-type]
        assert (verdict.outcome, verdict.rule) == (Outcome.FAIL, "history")
        assert "an answer 9000000 ns after the deadline of its call" in verdict.reason


@pytest.mark.parametrize("model", ["rc11", "sc"])
@pytest.mark.parametrize("mutant", ["blind-read-timeout", "blind-write-timeout"])
def test_a_time_out_needs_a_look_at_the_channel_after_the_deadline(mutant: str, model: Model) -> None:
    """One that nothing contradicts, too: no worker alone could tell that the channel was empty, or full, by then."""
    verdict = explore(CONVICTING["timeouts"], model=model, mutant=mutant)
    assert (verdict.outcome, verdict.rule) == (Outcome.FAIL, "history")
    assert "without a look at the channel after its deadline" in verdict.reason


@pytest.mark.parametrize("mutant", CRASHES, ids=lambda mutant: mutant.name)
def test_a_mutant_of_the_recovery_does_not_show_while_everybody_lives(mutant: Mutant) -> None:
    assert explore(PROGRAMS[mutant.program], mutant=mutant.name).outcome is Outcome.PASS


# 32 bytes, entries of 16: a writer that sees one head passes a full barrier before it sees the next
SINGLE_WRITES = [CONVICTING["full"], CONVICTING["reuse"]]


@pytest.mark.parametrize("program", SINGLE_WRITES, ids=lambda program: program.name)
def test_the_writers_load_of_head_matters_only_where_one_ownership_reuses_what_it_freed(program: Program) -> None:
    """docs/memory-orders.md says why: the fences, or the barrier of the write before, cover for it elsewhere."""
    assert explore(program, mutant="load-head-writer-relaxed").outcome is Outcome.PASS
