"""The channel against its sequential specification: drawn, and what fails shrunk to the calls that it needs.

Hypothesis draws (`harness.stateful.machine`). A failing sequence is plain data, so it is shrunk here: performing it
again costs a hundredth of what a drawn example does, and what comes out is minimal in a stated sense, which the
shrinker of choice sequences does not promise (docs/decisions/0011-sequences-are-shrunk-as-data.md).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.stateful.confined import Confinement, NeverReturned, run_sequence
from harness.stateful.machine import ChannelMachine, machine_of
from harness.stateful.model import ENTRY_ALIGNMENT, entry_bytes
from harness.stateful.reduce import cuts, reduced
from harness.stateful.sequence import NO_TIMEOUT, CallSequence, Start, Step
from harness.stateful.session import NotAsSpecified

__all__ = [
    "SequentialFailure",
    "check_machine",
    "describe_sequential",
    "failure_of",
    "find_sequential",
    "reduce_sequence",
]

_LONG_MS = 40
"""A time-out at which half of it is longer than most interruptions of a process."""

ATTEMPTS = 3
"""A time-out that comes early may be late enough when the machine is busy: a sequence that waits fails if one of these
does."""

HANG_S = 0.5
"""A call that did not return in time is known to hang: its simpler ones are given less."""

_LEAST = {"limit": 1, "entry_id": 1, "capacity": Start.capacity}
"""Of arguments that may not be 0: what is refused for its form is no simpler call."""

_LATER_PHASES = {Phase.shrink, Phase.explain}


@dataclass(frozen=True)
class SequentialFailure:
    """Calls whose answers the specification does not allow.

    Attributes:
        sequence: shrunk. fact: what was wrong, in words. examples: drawn until it was found.
        reproduce: Hypothesis's decorator that draws the unshrunk example again, or "".
    """

    sequence: CallSequence
    fact: str
    examples: int
    reproduce: str = ""


def find_sequential(channel_class: type, library: ModuleType, chosen: settings) -> SequentialFailure | None:
    """Draw calls on a class of channels until an answer is wrong, and shrink that sequence; None: none is.

    Args:
        channel_class, library: as of `harness.stateful.session.Session`. chosen: settings; what they say of shrinking
            does not matter.
    """
    return _find(machine_of(channel_class, library), chosen)


def check_machine(machine: type[ChannelMachine], chosen: settings) -> int:
    """Run a machine as a test; returns how many examples were executed.

    Raises:
        NotAsSpecified: with the shrunk calls.
    """
    before = machine.executed
    failure = _find(machine, chosen)
    if failure is not None:
        raise NotAsSpecified(describe_sequential(failure))
    return machine.executed - before


def _find(machine: type[ChannelMachine], chosen: settings) -> SequentialFailure | None:
    machine.forget()
    before = machine.executed
    phases = [phase for phase in chosen.phases if phase not in _LATER_PHASES]
    try:
        # slowness is no defect: a busy machine is slow, and a hang costs seconds
        once = settings(
            chosen,
            phases=phases,
            print_blob=True,
            report_multiple_bugs=False,
            deadline=None,
            suppress_health_check=[*chosen.suppress_health_check, HealthCheck.too_slow],
        )
        run_state_machine_as_test(machine, settings=once)
    except Exception as error:
        if machine.failed is None:
            raise  # not the channel's doing
        notes = "\n".join(getattr(error, "__notes__", ()))
        blob = re.search(r"@reproduce_failure\(.*\)", notes)
        drawn, wrong = machine.failed
        sequence, fact = reduce_sequence(machine.confinement, drawn)
        return SequentialFailure(sequence, fact or str(wrong), machine.executed - before, blob[0] if blob else "")
    finally:
        machine.confinement.dismiss()
    return None


def reduce_sequence(confinement: Confinement, sequence: CallSequence) -> tuple[CallSequence, str]:
    """A sequence that fails too, and what is wrong with it; "" if it did not fail again.

    It is minimal: with any one call left out, or any one call replaced by a simpler one of `_simpler_steps`, it passes;
    so it does with a message less (`_without_a_message`).
    """
    wrong = _failure(confinement, sequence)
    if wrong is None:
        return sequence, ""
    for timeout in (0, _LONG_MS):  # most bugs need no wait, and each costs its time in every candidate
        candidate = _with_timeouts(sequence, timeout)
        if candidate != sequence and (seen := _failure(confinement, candidate)) is not None:
            sequence, wrong = candidate, seen
            break
    latest, patience_s = wrong, confinement.patience_s

    def fails(candidate: CallSequence) -> bool:
        nonlocal latest
        seen = _failure(confinement, candidate)
        latest = seen or latest
        return seen is not None

    if not isinstance(wrong, NeverReturned):
        return reduced(sequence, _simpler, fails), str(latest)
    confinement.patience_s = min(HANG_S, patience_s)
    try:
        smallest = reduced(sequence, _simpler, fails)
    finally:
        confinement.patience_s = patience_s
    again = _failure(confinement, smallest)  # with the full patience
    return (sequence, str(wrong)) if again is None else (smallest, str(again))


def failure_of(channel_class: Any, library: ModuleType, sequence: CallSequence) -> str:
    """What is wrong with the answers to a sequence of calls, in words; "" if nothing is, in `ATTEMPTS` attempts."""
    with Confinement(channel_class, library) as confinement:
        return str(_failure(confinement, sequence) or "")


def _failure(confinement: Confinement, sequence: CallSequence) -> NotAsSpecified | None:
    for _ in range(ATTEMPTS if any(map(_waits, sequence.steps)) else 1):
        try:
            run_sequence(confinement, sequence)
        except NotAsSpecified as error:
            return error
    return None


def _waits(step: Step) -> bool:
    """Has it a time-out that takes time?"""
    return step.arguments.get("timeout") not in (None, 0, NO_TIMEOUT)


def _with_timeouts(sequence: CallSequence, timeout: int) -> CallSequence:
    """With other time-outs, ms: that a long one comes early is seen in spite of what a busy machine adds to it."""
    steps = [
        replace(step, arguments={**step.arguments, "timeout": timeout}) if _waits(step) else step
        for step in sequence.steps
    ]
    return replace(sequence, steps=tuple(steps))


def _simpler(sequence: CallSequence) -> Iterator[CallSequence]:
    """Fewer calls, then a simpler channel, then plainer calls, then a message less."""
    steps = sequence.steps
    for fewer in cuts(steps):
        yield replace(sequence, steps=fewer)
    for start in _simpler_starts(sequence.start):
        yield replace(sequence, start=start)
    for place, step in enumerate(steps):
        for simpler in _simpler_steps(step):
            yield replace(sequence, steps=(*steps[:place], simpler, *steps[place + 1 :]))
    yield from _without_a_message(sequence)


def _without_a_message(sequence: CallSequence) -> Iterator[CallSequence]:
    """A message less, and another one that takes the room of both, so that the laps stay where they are; and then
    without the call that took it, too."""
    messages = [
        (place, number, size) for place, step in enumerate(sequence.steps) for number, size in enumerate(_sizes(step))
    ]
    largest = -(-sequence.start.capacity // ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT - entry_bytes(0) - 8
    for one, other in itertools.permutations(messages, 2):
        room = entry_bytes(_bytes(one[2], largest)) + _bytes(other[2], largest)
        if room > largest:
            continue
        steps: list[Step | None] = list(sequence.steps)
        for place, number, size in sorted((one, other), reverse=True):
            steps[place] = _with_size(steps[place], number, room if (place, number, size) == other else None)
        yield replace(sequence, steps=tuple(step for step in steps if step))
        for place, step in enumerate(steps):
            if step and not _sizes(step):
                yield replace(sequence, steps=tuple(step for step in (*steps[:place], *steps[place + 1 :]) if step))


def _sizes(step: Step) -> Sequence[int]:
    """Of the messages that it writes."""
    given = step.arguments
    sizes: list[int] = given.get("sizes", [given["size"]] if "size" in given else [])
    return sizes


def _with_size(step: Step | None, number: int, size: int | None) -> Step | None:
    """The step with another size of one message; None: without it, and None if no other is left."""
    assert step is not None
    sizes = list(_sizes(step))
    sizes[number : number + 1] = [] if size is None else [size]
    if not sizes:
        return None
    changed = {"sizes": sizes} if "sizes" in step.arguments else {"size": size}
    return replace(step, arguments={**step.arguments, **changed})


def _bytes(size: int, largest: int) -> int:
    """Of a message; below zero counted down from one more than the largest."""
    return size if size >= 0 else max(0, largest + 2 + size)


def _simpler_starts(start: Start) -> Iterator[Start]:
    simplest = Start()
    for name in ("in_segment", "limited", "spare", "capacity"):
        if getattr(start, name) != getattr(simplest, name):
            yield replace(start, **{name: getattr(simplest, name)})
    if start.capacity > simplest.capacity:
        for smaller in (simplest.capacity + (start.capacity - simplest.capacity) // 2, start.capacity - 1):
            yield replace(start, capacity=smaller)


def _simpler_steps(step: Step) -> Iterator[Step]:
    """A plainer call, or one with a simpler argument."""
    given = step.arguments
    if step.name == "write" or (step.name == "write_many" and len(given["sizes"]) == 1):
        size = given["size"] if step.name == "write" else given["sizes"][0]
        yield Step("try_write", {"handle": given["handle"], "seed": given["seed"], "size": size})
    elif step.name in ("read", "read_into"):
        yield Step("try_read", {"handle": given["handle"]})
    elif step.name == "read_many":
        yield Step("try_read_many", {"handle": given["handle"], "limit": given["limit"]})
    for name, value in given.items():
        # a shorter time-out is no simpler one, and one that comes early is harder to see
        for simpler in (0,) * bool(value) if name == "timeout" else _simpler_values(value, _LEAST.get(name, 0)):
            yield Step(step.name, {**given, name: simpler})


def _simpler_values(value: Any, least: int = 0) -> Iterator[Any]:
    """Towards False, the least number and the empty list."""
    if isinstance(value, bool):
        if value:
            yield False
    elif isinstance(value, int) and value != least:
        towards = 1 if value > least else -1
        half = least + towards * (abs(value - least) // 2)
        yield from dict.fromkeys((least, max(least, -value) if value < 0 else half, half, value - towards))
    elif isinstance(value, list):
        for place, element in enumerate(value):
            yield value[:place] + value[place + 1 :]
            for simpler in _simpler_values(element):
                yield [*value[:place], simpler, *value[place + 1 :]]


def describe_sequential(failure: SequentialFailure) -> str:
    """In this order: the fact; the calls; the replay line; Hypothesis's own."""
    sequence = failure.sequence
    start = ", ".join(f"{name}={value!r}" for name, value in vars(sequence.start).items())
    lines = [f"not as specified: {failure.fact}", "", f"create({start})", *map(str, sequence.steps), ""]
    lines.append(f"replay: run_sequence(Confinement(Channel, channel), CallSequence.from_json({sequence.to_json()}))")
    if failure.reproduce:
        lines.append(f"hypothesis: {failure.reproduce}")
    return "\n".join(lines)
