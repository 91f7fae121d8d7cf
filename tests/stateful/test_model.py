"""The channel against the sequential specification; and each sequential planted bug against it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import seed, settings

import channel
from harness.mutants import Mutant, all_mutants, parse
from harness.stateful.confined import Confinement, run_sequence
from harness.stateful.machine import machine_of
from harness.stateful.sequence import CallSequence, SequenceError, Start, Step
from harness.stateful.sequential import (
    check_machine,
    describe_sequential,
    failure_of,
    find_sequential,
    reduce_sequence,
)
from harness.stateful.session import CALLS, NAME_PREFIX, NotAsSpecified
from harness.systems.channel import planted_class

SEQUENTIAL = [mutant for mutant in all_mutants() if mutant.needs.calls]

CONVICTING = settings(max_examples=300, stateful_step_count=40, database=None, derandomize=True)
"""Hundreds of times what is needed: see docs/stateful.md for seconds."""

BUDGET_S = 10.0
"""Of CPU, to find and to shrink a bug: the clock's seconds are the machine's load."""

# What may come of each call. Not there: what no thread can meet alone (a busy writer, a corrupted channel).
WAITING_READ = {"ok", "ChannelTimeout", "ChannelRetryLimit", "ChannelClosed"}
OUTCOMES = {
    "connect": {"ok", "ChannelNotFound"},
    "send_by_pickle": {"ok", "TypeError", "ChannelNotFound"},
    "create_again": {"ChannelExists"},
    "unlink": {"ok", "gone already", "ValueError"},
    "close": {"ok"},
    "reopen": {"ok"},
    "try_write": {"ok", "ChannelFull", "MessageTooLarge", "ChannelClosed"},
    "write": {"ok", "ChannelFull", "ChannelTimeout", "MessageTooLarge", "ChannelClosed"},
    "write_many": {
        "ok",
        "nothing to write",
        "ChannelFull",
        "ChannelFull after some",
        "ChannelTimeout",
        "ChannelTimeout after some",
        "MessageTooLarge",
        "ChannelClosed",
    },
    "shutdown": {"ok"},
    "try_read": {"ok", "empty", "ChannelClosed"},
    "peek": {"ok", "empty", "ChannelClosed"},
    "read": WAITING_READ,
    "read_into": {*WAITING_READ, "BufferTooSmall"},
    "try_read_many": {"ok", "empty", "ChannelClosed"},
    "read_many": WAITING_READ,
    "iterate": {"ok", "empty"},
    "skip_the_head": {"ok", "empty", "ChannelClosed"},
    "skip_another": {"ok", "mismatch", "empty", "ChannelClosed"},
    "skip_nonsense": {"mismatch", "empty", "ChannelClosed"},
    "skip_force": {"ok", "empty", "ChannelClosed"},
}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not list(Path("/dev/shm").glob(f"{NAME_PREFIX}*"))


def test_model() -> None:
    chosen = settings(stateful_step_count=40)  # the rest is the profile's
    assert check_machine(machine_of(channel.Channel, channel), chosen) >= chosen.max_examples


@pytest.mark.stress
@pytest.mark.timeout(1_200)
def test_model_for_longer() -> None:
    chosen = settings(stateful_step_count=100, max_examples=max(1_000, settings().max_examples))
    assert check_machine(machine_of(channel.Channel, channel), chosen) >= chosen.max_examples


def test_every_call_and_all_that_may_come_of_it_is_exercised() -> None:
    """Within 2,000 examples; usually within 400."""
    seen: set[tuple[str, str]] = set()
    wanted = {(name, outcome) for name, outcomes in OUTCOMES.items() for outcome in outcomes}
    assert set(OUTCOMES) == set(CALLS)
    for number in range(10):
        machine = seed(number)(machine_of(channel.Channel, channel))
        assert check_machine(machine, settings(CONVICTING, derandomize=False, max_examples=200)) >= 200
        seen |= set(machine.outcomes)
        if seen >= wanted:
            break
    assert seen == wanted


def test_read_many_takes_an_empty_message() -> None:
    """Found by the machine: a batch that began with an empty message was refused as too large."""
    handle = channel.Channel.create_in(bytearray(channel.suggest_size(64)))
    handle.write(b"")
    assert [entry.data for entry in handle.read_many(2, 0)] == [b""]
    handle.write(b"")
    assert [entry.data for entry in handle.try_read_many(1)] == [b""]


@pytest.mark.parametrize("mutant", SEQUENTIAL, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found_and_shrunk_to_the_calls_it_needs(mutant: Mutant) -> None:
    planted = planted_class(_striking_soon(mutant))
    begun = sum(os.times()[:4])  # the calls are made by children
    failure = find_sequential(planted, channel, CONVICTING)
    assert sum(os.times()[:4]) - begun <= BUDGET_S
    assert failure is not None
    assert failure.examples <= CONVICTING.max_examples
    assert len(failure.sequence.steps) <= mutant.needs.calls
    assert failure_of(planted, channel, failure.sequence)
    with Confinement(channel.Channel, channel) as faithful:
        run_sequence(faithful, failure.sequence)


def _striking_soon(mutant: Mutant) -> Mutant:
    return parse(f"{mutant.name}:2" if mutant.counts else mutant.name)


def test_a_time_out_that_comes_early_is_called_so() -> None:
    failure = find_sequential(planted_class(parse("early-timeout")), channel, CONVICTING)
    assert failure is not None
    assert "ms was reported after" in failure.fact


def test_every_sequential_bug_is_among_them() -> None:
    """The deterministic ones, but for those that show only to a reader that sleeps in another thread, or to a clock."""
    deterministic = {mutant.name for mutant in all_mutants() if mutant.nature == "deterministic"}
    assert {mutant.name for mutant in SEQUENTIAL} == deterministic - {
        "silent-writer",
        "silent-partial",
        "late-timeout",
    }


def test_a_planted_class_without_its_bug_passes() -> None:
    """The conviction is of the bug, not of the class: one that strikes too rarely to matter is not convicted."""
    machine = machine_of(planted_class(parse("torn-payload:999999999")), channel)
    assert check_machine(machine, settings(CONVICTING, max_examples=20)) >= 20


def test_shrinking_leaves_no_call_out_that_matters() -> None:
    """Twenty calls beside the two that count, and a larger channel: all go."""
    planted = planted_class(parse("skip-any"))
    idle = [Step("peek", {"handle": 0}), Step("read", {"handle": 1, "timeout": 0})] * 5
    write = Step("write", {"handle": 3, "seed": 9, "size": 11, "timeout": 1})
    skip = Step("skip_nonsense", {"handle": 0, "entry_id": 2**63})
    long = CallSequence(Start(777, True, True, 5), (*idle, write, skip, *idle))
    with Confinement(planted, channel) as confinement:
        shortest, fact = reduce_sequence(confinement, long)
    assert fact.startswith("(removed, head) of skip(")
    assert [step.name for step in shortest.steps] == ["try_write", "skip_nonsense"]
    assert shortest.start == Start()
    assert shortest.steps[0].arguments == {"handle": 0, "seed": 0, "size": 0}


def write(size: int) -> Step:
    return Step("try_write", {"handle": 0, "seed": 1, "size": size})


READ = Step("try_read", {"handle": 0})
BATCH = Step("write_many", {"handle": 0, "seed": 1, "sizes": [8, 24], "timeout": 0})


@pytest.mark.parametrize(
    "steps",
    [
        (write(8), write(24), READ, READ, write(20), READ),
        (write(8), READ, write(24), READ, write(20), READ),
        (BATCH, READ, READ, write(20), READ),
        (BATCH, Step("skip_force", {"handle": 0}), READ, write(-1 - 20), READ),
    ],
    ids=["two messages", "one after another", "a batch", "counted from the largest"],
)
def test_the_laps_of_several_messages_are_made_by_one(steps: tuple[Step, ...]) -> None:
    """Two messages bring the third to the end of the ring, and no call can be left out; but one larger does, too."""
    planted = planted_class(parse("wrong-wrap"))
    with Confinement(planted, channel) as confinement:
        shortest, _ = reduce_sequence(confinement, CallSequence(Start(), steps))
    assert len(shortest.steps) == 4


def test_what_does_not_fail_is_not_shrunk() -> None:
    sequence = CallSequence(Start(), (Step("peek", {"handle": 0}),))
    with Confinement(channel.Channel, channel) as confinement:
        assert reduce_sequence(confinement, sequence) == (sequence, "")


def test_the_text_tells_the_fact_the_calls_and_how_to_see_it_again() -> None:
    planted = planted_class(parse("skip-any"))
    with pytest.raises(NotAsSpecified) as raised:
        check_machine(machine_of(planted, channel), CONVICTING)
    text = str(raised.value)
    parts = ["not as specified: ", "create(capacity=64", "try_write(", "replay: ", "hypothesis: @reproduce_failure("]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    failure = find_sequential(planted, channel, CONVICTING)
    assert failure is not None
    assert describe_sequential(failure) == text


class NeverReturning(channel.Channel):
    """Its second message can only be skipped by who has all the time there is: a native call, with the GIL."""

    def skip_force(self) -> int | None:
        if self.state().head:
            ctypes.PyDLL(None).pause()
        return super().skip_force()


class Crashing(channel.Channel):
    """Follows a null pointer where a batch is larger than two."""

    def try_read_many(self, limit: int) -> list[channel.Entry]:
        if limit > 2:
            ctypes.string_at(0)
        return super().try_read_many(limit)


def test_a_call_that_never_returns_is_cut_shrunk_and_named() -> None:
    machine = machine_of(NeverReturning, channel)
    machine.confinement.patience_s = 1.0
    with pytest.raises(NotAsSpecified) as raised:
        check_machine(machine, CONVICTING)
    fact, _, _, *calls, _, replay, blob = str(raised.value).splitlines()
    assert fact == "not as specified: skip_force(handle=0) did not return within 1 s"
    assert len(calls) == 3, "a message that is removed, or one behind it that is skipped too"
    assert calls[-1] == "skip_force(handle=0)"
    assert replay.startswith("replay: run_sequence(Confinement(Channel, channel), CallSequence")
    assert blob.startswith("hypothesis: @reproduce_failure(")
    assert not multiprocessing.active_children()


def test_a_call_that_kills_its_process_is_shrunk_and_named() -> None:
    failure = find_sequential(Crashing, channel, CONVICTING)
    assert failure is not None
    assert failure.fact == "try_read_many(handle=0, limit=3) ended its process: SIGSEGV"
    assert [str(step) for step in failure.sequence.steps] == ["try_read_many(handle=0, limit=3)"]
    assert not multiprocessing.active_children()


def test_a_hang_that_is_not_seen_again_is_told_with_all_its_calls(tmp_path: Path) -> None:
    been = tmp_path / "been"

    class HangingOnce(channel.Channel):
        def skip_force(self) -> int | None:
            if not been.exists():
                been.touch()
                ctypes.PyDLL(None).pause()
            return super().skip_force()

    steps = [Step("peek", {"handle": 0}), Step("skip_force", {"handle": 0}), Step("peek", {"handle": 0})]
    once = CallSequence(Start(), tuple(steps))
    with Confinement(HangingOnce, channel, patience_s=0.5) as confinement:
        assert reduce_sequence(confinement, once) == (once, "skip_force(handle=0) did not return within 0.5 s")


def test_a_sequence_survives_json() -> None:
    sequence = CallSequence(Start(80, True, False, 3), (Step("read", {"handle": 0, "timeout": 1}),))
    assert CallSequence.from_json(sequence.to_json()) == sequence


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sequence": 2}, "sequence version 2; this program reads version 1"),
        ({"sequence": 1, "start": {}}, "malformed sequence of calls: KeyError('steps')"),
        ({"sequence": 1, "start": {"size": 1}, "steps": []}, "malformed sequence"),
    ],
)
def test_a_wrong_sequence_is_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(SequenceError) as raised:
        CallSequence.from_json(data)
    assert message in str(raised.value)


def test_an_unknown_call_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SequenceError, match=r"unknown call 'check_state'; there are connect, "):
        run_sequence(Confinement(channel.Channel, channel), CallSequence(Start(), (Step("check_state", {}),)))
