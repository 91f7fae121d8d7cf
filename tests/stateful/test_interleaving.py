"""The simulated core with Hypothesis as its scheduler: clean as it is, and planted bugs found and shrunk."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import InMemoryExampleDatabase

from harness.explore import replay
from harness.operation import Kind
from harness.stateful import execution
from harness.stateful.execution import (
    MORE_CALLS,
    Execution,
    Move,
    NotAsGuaranteed,
    Setting,
    describe_interleaving,
    perform,
)
from harness.stateful.interleaving import (
    STEP_COUNT,
    find_interleaving,
    interleaving_machine,
    run_interleavings,
)

SETTINGS = {
    "plain": Setting(),
    "a kill": Setting(most_kills=1),
    "two kills": Setting(workers=4, most_kills=2),
    "interleaved": Setting(model="sc"),
    "two workers": Setting(workers=2, most_calls=8),
}


def chosen(examples: int | None = None) -> settings:
    """Of the profile, in number of examples or as given."""
    return settings(
        max_examples=settings().max_examples if examples is None else examples,
        stateful_step_count=STEP_COUNT,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_the_core_is_right_in_every_interleaving_that_is_drawn(name: str) -> None:
    examples = settings().max_examples
    assert run_interleavings(interleaving_machine(SETTINGS[name]), chosen()) >= examples


@pytest.mark.stress
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("name", SETTINGS)
def test_the_core_is_right_for_longer(name: str) -> None:
    setting = replace(SETTINGS[name], most_calls=12)
    assert run_interleavings(interleaving_machine(setting), chosen(5_000)) >= 5_000


# mutant: kills allowed; and of what is usually found: workers, calls, stale accesses, kills
NEEDED = {
    "overfull": (0, 1, 3, 0, 0),
    "dropped-message": (0, 1, 2, 0, 0),
    "torn-payload": (0, 1, 2, 0, 0),
    "no-terminator": (0, 1, 3, 0, 0),
    "skip-any": (0, 1, 2, 0, 0),
    "silent-writer": (0, 2, 2, 0, 0),
    "doubled-message": (0, 2, 4, 0, 0),
    "blind-removal": (0, 2, 3, 0, 0),
    "early-publish": (0, 2, 2, 0, 0),
    "take-owner-relaxed": (0, 2, 2, 1, 0),
    "give-owner-relaxed": (0, 3, 3, 1, 0),
    "load-header-relaxed": (0, 3, 4, 1, 0),
    "no-recovery": (1, 2, 2, 0, 1),
    "trusting-recovery": (1, 2, 2, 0, 1),
}
NEEDED_RARELY = {
    "lost-wakeup": (0, 2, 2, 0, 0),
    "sleeper-fence-acq-rel": (0, 2, 2, 1, 0),
    "publish-relaxed": (0, 2, 2, 1, 0),
    "give-owner-fence-relaxed": (0, 2, 2, 1, 0),
    "give-owner-fence-release": (0, 2, 2, 1, 0),
}
EXAMPLES = 2_500


@pytest.mark.parametrize(
    "mutant", [*NEEDED, *(pytest.param(mutant, marks=pytest.mark.stress) for mutant in NEEDED_RARELY)]
)
def test_a_planted_bug_is_found_and_shrunk_to_what_it_needs(mutant: str) -> None:
    kills, workers, calls, stale, killed = {**NEEDED, **NEEDED_RARELY}[mutant]
    found = find_interleaving(Setting(mutant=mutant, most_kills=kills), max_examples=EXAMPLES)
    assert found is not None
    # moves are shrunk, so what is left depends on the first find, and that one on the numbers that Hypothesis sees in
    # all modules that are loaded: one call and one worker more than usual
    assert sum(len(script) > 0 for script in found.program.workers) <= workers + 1
    assert found.calls <= calls + 1
    assert found.cost is not None
    assert found.cost.exact
    assert (found.cost.stale, found.cost.kills) <= (stale, killed)
    again = replay(found.program, found.schedule, mutant=mutant, kills=found.kills, reckoned=found.setting.most_kills)
    assert again.splitlines()[-1].startswith(found.fault)


def test_no_move_of_what_is_found_can_be_left_out() -> None:
    machine = interleaving_machine(Setting(mutant="early-publish"))
    with pytest.raises(NotAsGuaranteed):
        run_interleavings(machine, chosen(EXAMPLES))
    assert machine.failed is not None
    moves = machine.failed.moves
    assert perform(machine.setting, machine.failed) is not None
    assert perform(machine.setting, replace(machine.failed, moves=())) is None
    shuffled = replace(machine.failed, moves=(Move("kill", 7), Move("go", 2, 3), *moves))
    assert perform(machine.setting, shuffled) is not None  # what does not apply is left out


def test_a_failure_is_found_again_in_the_example_database() -> None:
    machine = interleaving_machine(Setting(mutant="no-terminator"))
    remembering = settings(chosen(500), database=InMemoryExampleDatabase(), derandomize=False)
    with pytest.raises(NotAsGuaranteed) as first:
        run_interleavings(machine, remembering)
    drawn = machine.executed
    with pytest.raises(NotAsGuaranteed) as second:
        run_interleavings(machine, settings(remembering, phases=[Phase.reuse]))
    assert str(second.value) == str(first.value)
    assert machine.executed - drawn < drawn


def test_an_interleaving_that_does_not_end_is_cut_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MOST_STEPS", 20)
    found = find_interleaving(Setting(kinds=(Kind.TRY_READ,)), max_examples=200)
    assert found is not None
    assert found.fault == "unbounded"
    assert "more than 20 steps" in found.what


def test_with_kills_nobody_waits_for_messages() -> None:
    assert Kind.READ not in interleaving_machine(Setting(most_kills=1)).setting.kinds
    assert Kind.READ in interleaving_machine().setting.kinds


def test_a_writer_that_waits_for_room_is_given_some_and_a_batch_all_that_it_needs() -> None:
    run = Execution(Setting(workers=2), 32)
    for worker, kind in ((0, Kind.TRY_WRITE), (0, Kind.WRITE_MANY)):
        run.start(worker, kind)
        run.go(worker)
    assert not run.may_start(Kind.WRITE), "two writers that wait would go round for ever"
    assert not run.applies(Move("start", 1, Kind.WRITE))
    assert run.applies(Move("start", 1, Kind.READ))
    assert run.end() is None
    assert run.calls > 2


def test_once_the_stream_has_ended_nobody_is_helped() -> None:
    """A reader that sleeps is woken by the end; one that is not is stuck, and gets no message."""
    run = Execution(Setting(workers=2), 48)
    run.start(0, Kind.READ)
    run.go(0)
    run.start(1, Kind.SHUTDOWN)
    run.go(1)
    assert run.end() is None
    assert run.calls == 2


@pytest.mark.parametrize("kind", MORE_CALLS)
def test_every_call_is_made(kind: Kind) -> None:
    """The machine, with that kind alone: the core is right."""
    setting = Setting(kinds=(Kind.TRY_READ,), more=(kind,))
    assert run_interleavings(interleaving_machine(setting), chosen(30)) >= 30


@pytest.mark.parametrize("mutant", ["store-tail-relaxed", "load-tail-relaxed"])
def test_what_shows_only_to_state_is_found(mutant: str) -> None:
    found = find_interleaving(Setting(mutant=mutant, kinds=(Kind.STATE,), more=()), max_examples=EXAMPLES)
    assert found is not None
    assert "state" in describe_interleaving(found)
    assert found.calls <= 4


def test_a_reader_that_waits_for_what_nobody_wrote_is_given_a_message() -> None:
    """It may wait: that is no failure. And it does wake up, which is what is tested."""
    run = Execution(Setting(workers=1), 48)
    run.start(0, Kind.READ)
    run.go(0)
    assert run.enabled() == []
    assert run.end() is None
    silent = Execution(Setting(workers=1, mutant="silent-writer"), 48)
    silent.start(0, Kind.READ)
    silent.go(0)
    failure = silent.end()
    assert failure is not None
    assert failure.fault == "stuck"
    found = silent.found(failure)
    assert [len(script) for script in found.program.workers] == [1, 1]
    assert "try_write" in describe_interleaving(found)


def test_what_is_printed_has_the_order_of_all_failures() -> None:
    """The fact, the program, the interleaving, the replay line; then what Hypothesis says of its own."""
    machine = interleaving_machine(Setting(mutant="dropped-message"))
    with pytest.raises(NotAsGuaranteed) as raised:
        run_interleavings(machine, settings(chosen(200), database=None))
    text = str(raised.value)
    places = [
        text.index(part) for part in ("history: no order", "program: capacity", "interleaving:", "replay: replay(")
    ]
    assert places == sorted(places)
    assert places[0] == 0
    assert re.fullmatch(r"hypothesis: @reproduce_failure\(.*\)", text.splitlines()[-1])
