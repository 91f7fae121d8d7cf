"""The channel against the sequential specification; and each sequential planted bug against it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis.errors import FlakyFailure

import channel
from harness.mutants import parse
from harness.stateful.machine import NAME_PREFIX, machine_of, run_machine
from harness.systems.channel import planted_class

SEQUENTIAL_MUTANTS = (
    "doubled-message:4",
    "dropped-message:4",
    "torn-payload:4",
    "skip-any",
    "overfull",
    "no-terminator",
)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not list(Path("/dev/shm").glob(f"{NAME_PREFIX}*"))


def test_model() -> None:
    chosen = settings(settings.default, stateful_step_count=40)
    executed = run_machine(machine_of(channel.Channel, channel), chosen)
    assert executed >= chosen.max_examples


@pytest.mark.stress
def test_model_for_longer() -> None:
    chosen = settings(settings.default, stateful_step_count=100, max_examples=max(1_000, settings.default.max_examples))
    executed = run_machine(machine_of(channel.Channel, channel), chosen)
    assert executed >= chosen.max_examples


def test_read_many_takes_an_empty_message() -> None:
    """Found by the machine: a batch that began with an empty message was refused as too large."""
    handle = channel.Channel.create_in(bytearray(channel.suggest_size(64)))
    handle.write(b"")
    assert [entry.data for entry in handle.read_many(2, 0)] == [b""]
    handle.write(b"")
    assert [entry.data for entry in handle.try_read_many(1)] == [b""]


@pytest.mark.parametrize("spec", SEQUENTIAL_MUTANTS)
def test_the_model_convicts_planted_bugs(spec: str) -> None:
    """Found, not shrunk: tests/quality looks at what comes out of shrinking."""
    machine = machine_of(planted_class(parse(spec)), channel)
    chosen = settings(
        max_examples=3_000, stateful_step_count=40, database=None, derandomize=True, phases=[Phase.generate]
    )
    with pytest.raises((AssertionError, channel.ChannelError, ExceptionGroup)):
        run_machine(machine, chosen)


class HastyChannel(channel.Channel):
    """Reports a read's time-out at once."""

    def read(self, timeout: float | None = None) -> channel.Entry:
        return super().read(None if timeout is None else 0)


def test_the_model_convicts_a_time_out_that_comes_early() -> None:
    chosen = settings(
        max_examples=3_000, database=None, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False
    )
    # on a busy machine the same calls may take long enough when they are made again: Hypothesis then calls it flaky
    with pytest.raises((AssertionError, FlakyFailure)) as raised:
        run_machine(machine_of(HastyChannel, channel), chosen)
    assert "ms was reported after" in "".join(traceback.format_exception(raised.value))


def test_a_planted_class_without_its_bug_passes() -> None:
    """The conviction is of the bug, not of the class: one that strikes too rarely to matter is not convicted."""
    machine = machine_of(planted_class(parse("torn-payload:999999999")), channel)
    chosen = settings(max_examples=20, stateful_step_count=40, database=None, derandomize=True)
    assert run_machine(machine, chosen) >= 20
