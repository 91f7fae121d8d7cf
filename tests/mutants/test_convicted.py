"""Every planted bug that a real machine can show is convicted on real threads and processes, and the faithful channel,
under the same programs and the same noise, is not.

The bugs in memory orders are the explorer's and ThreadSanitizer's: x86 reorders little of what they would allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.checks import check_history
from harness.executors import Execution, Kill, processes, threads
from harness.mutants import Nature, all_mutants
from harness.operation import Kind, message_value
from harness.program import Program, operations
from harness.systems.channel import ChannelSystem
from harness.verdict import Outcome

EXECUTORS = {"threads": threads.run, "processes": processes.run}
DEADLINE_S = 1.5
ATTEMPTS = 10
NOISE = 20


def writes(worker: int, messages: int, size: int | None = None, **fields: int) -> npt.NDArray[np.void]:
    return operations(
        {"kind": Kind.WRITE, "value": message_value(worker, i), "size": size or 8 + i * 7 % 60, **fields}
        for i in range(messages)
    )


def batches(worker: int, calls: int, count: int) -> npt.NDArray[np.void]:
    return operations(
        {"kind": Kind.WRITE_MANY, "value": message_value(worker, i * count), "size": 8, "count": count}
        for i in range(calls)
    )


def script(*rows: Mapping[str, int]) -> npt.NDArray[np.void]:
    return operations(rows)


def channel(*workers: npt.NDArray[np.void], capacity: int = 1024, **config: Any) -> Program:
    return Program("mutant", workers, capacity, config)


READS = script({"kind": Kind.READ}, {"kind": Kind.TRY_READ})
TRIES = script({"kind": Kind.TRY_READ})
BATCHES = script({"kind": Kind.READ_MANY, "count": 1, "timeout": 0})
PEEKS = script({"kind": Kind.PEEK})
TRAFFIC = channel(writes(0, 300), writes(1, 300), READS, READS)


@dataclass(frozen=True)
class Trap:
    """A program in which a planted bug shows, and the property that convicts it."""

    program: Program
    convicted_by: str
    rules: tuple[str, ...]
    kill: tuple[Kill, ...] = ()
    noise: int = 0


# Convicted by the first run.
CERTAIN = {
    "early-timeout": Trap(
        channel(script({"kind": Kind.READ, "timeout": 20_000_000}, {"kind": Kind.TRY_WRITE, "value": 1, "size": 8})),
        "timeliness",
        ("early time-out",),
    ),
    # ten times its time is longer than the run
    "late-timeout": Trap(
        channel(script({"kind": Kind.READ, "timeout": 300_000_000}, {"kind": Kind.TRY_WRITE, "value": 1, "size": 8})),
        "progress",
        ("did not finish",),
    ),
    "doubled-message": Trap(TRAFFIC, "integrity", ("duplicated",)),
    "dropped-message": Trap(TRAFFIC, "integrity", ("lost",)),
    "torn-payload": Trap(TRAFFIC, "integrity", ("torn",)),
    "other-id": Trap(
        channel(
            script(
                {"kind": Kind.WRITE, "value": 1, "size": 16},
                {"kind": Kind.WRITE, "value": 2, "size": 16},
                {"kind": Kind.PEEK},
                {"kind": Kind.TRY_READ},
                {"kind": Kind.TRY_READ},
            )
        ),
        "integrity",
        ("other id",),
    ),
    "skip-any": Trap(
        channel(
            script(
                {"kind": Kind.WRITE, "value": 1, "size": 16},
                {"kind": Kind.WRITE, "value": 2, "size": 16},
                {"kind": Kind.PEEK},
                {"kind": Kind.TRY_READ},
                {"kind": Kind.SKIP},
            )
        ),
        "integrity",
        ("other entry",),
    ),
    "silent-writer": Trap(
        channel(
            script(*({"kind": Kind.WRITE, "value": i, "size": 8, "think": 20_000_000} for i in range(3))),
            script({"kind": Kind.READ}),
            slice_ns=400_000_000,
        ),
        "timeliness",
        ("slept beside a message",),
    ),
    # two messages fill the ring to the last byte, and the terminator of the second clears the header of the first
    "overfull": Trap(
        channel(
            script(
                {"kind": Kind.TRY_WRITE, "value": 0, "size": 40},
                {"kind": Kind.TRY_WRITE, "value": 1, "size": 40},
                {"kind": Kind.TRY_READ},
                {"kind": Kind.TRY_READ},
            ),
            capacity=96,
        ),
        "fifo",
        ("EMPTY", "OVERFLOW"),
    ),
    # on the second time round the ring, what stands behind the last message is one of the first time
    "no-terminator": Trap(
        channel(
            script(
                *(
                    row
                    for i in range(12)
                    for row in (
                        {"kind": Kind.WRITE, "value": i, "size": 24, "timeout": 10_000_000},
                        {"kind": Kind.TRY_READ},
                        {"kind": Kind.TRY_READ},
                    )
                )
            ),
            capacity=128,
        ),
        "integrity",
        ("duplicated",),
    ),
    "wrong-wrap": Trap(TRAFFIC, "integrity", ("torn",)),
    # the skip of the first leaves head inside its payload
    "short-skip": Trap(
        channel(
            script(
                {"kind": Kind.WRITE, "value": 1, "size": 40},
                {"kind": Kind.WRITE, "value": 2, "size": 16},
                {"kind": Kind.PEEK},
                {"kind": Kind.SKIP},
                {"kind": Kind.TRY_READ},
            )
        ),
        "integrity",
        ("invented", "corrupted"),
    ),
    "greedy-batch": Trap(
        channel(
            script(
                {"kind": Kind.TRY_WRITE, "value": 1, "size": 16},
                {"kind": Kind.TRY_WRITE, "value": 2, "size": 16},
                {"kind": Kind.READ_MANY, "count": 1, "timeout": 0},
            )
        ),
        "integrity",
        ("corrupted", "lost"),
    ),
    # there is room for three at a time, so that the batch has to wait for some
    "repeated-batch": Trap(
        channel(
            script({"kind": Kind.WRITE_MANY, "value": 0, "size": 8, "count": 30}),
            script(*({"kind": Kind.READ, "think": 1_000_000} for _ in range(30))),
            capacity=64,
        ),
        "integrity",
        ("duplicated", "invented"),
    ),
    # three messages fit, and the reader sleeps beside them although their writer has given up on the others
    "silent-partial": Trap(
        channel(
            script(
                {
                    "kind": Kind.WRITE_MANY,
                    "value": 0,
                    "size": 8,
                    "count": 6,
                    "think": 20_000_000,
                    "timeout": 10_000_000,
                },
                {"kind": Kind.PEEK, "think": 300_000_000},
            ),
            script({"kind": Kind.READ}),
            capacity=64,
            slice_ns=400_000_000,
        ),
        "timeliness",
        ("slept beside a message",),
    ),
}

# Need an interleaving: convicted within a few runs with noise.
RACY = {
    "blind-removal": Trap(
        channel(writes(0, 2000), writes(1, 2000), READS, READS), "integrity", ("duplicated", "torn", "lost", "invented")
    ),
    "unchecked-empty": Trap(
        channel(writes(0, 3000, size=8), writes(1, 3000, size=8), TRIES, TRIES, TRIES, capacity=64), "fifo", ("EMPTY",)
    ),
    "unchecked-batch": Trap(
        channel(writes(0, 3000, size=8), writes(1, 3000, size=8), BATCHES, BATCHES, BATCHES, capacity=64),
        "fifo",
        ("EMPTY",),
    ),
    "unchecked-peek": Trap(
        channel(writes(0, 3000, size=300), writes(1, 3000, size=300), PEEKS, PEEKS, TRIES, TRIES),
        "integrity",
        ("torn", "invented"),
    ),
    "early-publish": Trap(
        channel(writes(0, 500, size=400), writes(1, 500, size=400), TRIES, TRIES),
        "integrity",
        ("torn", "invented", "duplicated"),
    ),
    "early-group": Trap(
        channel(batches(0, 100, 20), batches(1, 100, 20), TRIES, TRIES),
        "integrity",
        ("torn", "invented", "duplicated", "corrupted"),
    ),
    # what a wait for a message or for room ended on came in the last moments before the deadline
    "blind-read-timeout": Trap(
        channel(
            writes(0, 1000, size=8, think=100_000),
            script(*({"kind": Kind.READ, "timeout": 100_000} for _ in range(1000))),
            spins=0,
        ),
        "fifo",
        ("EMPTY",),
    ),
    "blind-write-timeout": Trap(
        channel(
            writes(0, 1000, size=8, timeout=100_000),
            script(*({"kind": Kind.TRY_READ, "think": 100_000} for _ in range(1000))),
            capacity=64,
        ),
        "fifo",
        ("FULL",),
    ),
    "lost-wakeup": Trap(
        channel(
            writes(0, 3000, size=8, think=3000),
            script({"kind": Kind.READ}),
            script({"kind": Kind.READ}),
            slice_ns=100_000_000,
            spins=0,
        ),
        "timeliness",
        ("slept beside a message",),
    ),
}

# The victim is killed inside its sixth write, the other writer comes later. Step 6 is the copy of the payload; step 10
# lies between the publication of the header and the store of tail.
VICTIM = channel(
    writes(0, 10, size=16),
    writes(1, 20, size=24, think=5_000_000),
    script({"kind": Kind.READ, "think": 100_000_000}, *({"kind": Kind.READ} for _ in range(60))),
)
# The victim has written about fifty messages of one ownership, in a ring for fifteen that is read at the same time: by
# three, and with so much noise that the ring is seldom full, which would end the ownership before a lap.
BATCH_VICTIM = channel(
    script({"kind": Kind.WRITE_MANY, "value": message_value(0, 0), "size": 8, "count": 64}),
    writes(1, 20, size=24, think=5_000_000),
    TRIES,
    TRIES,
    TRIES,
    capacity=256,
)
# The victim's only message fills the ring, and nobody but whoever replaces its writer can wake the reader: the next
# message does not fit beside it, and a slice is longer than the run. At step 10 the header is published.
WAKER = channel(
    script({"kind": Kind.WRITE, "value": message_value(0, 0), "size": 24, "think": 20_000_000}),
    script({"kind": Kind.WRITE, "value": message_value(1, 0), "size": 24, "think": 60_000_000}),
    script({"kind": Kind.READ}, {"kind": Kind.READ}),
    capacity=64,
    slice_ns=100_000_000_000,
    spins=0,
)
CRASH = {
    "no-recovery": Trap(VICTIM, "progress", ("did not finish",), kill=(Kill(0, after=5, step=6),)),
    "trusting-recovery": Trap(VICTIM, "progress", ("did not finish",), kill=(Kill(0, after=5, step=10),)),
    "late-tail": Trap(BATCH_VICTIM, "progress", ("did not finish",), kill=(Kill(0, after=0, step=240),), noise=90),
    "kept-owner": Trap(VICTIM, "progress", ("did not finish",), kill=(Kill(0, after=5, step=6),)),
    "silent-recovery": Trap(WAKER, "progress", ("did not finish",), kill=(Kill(0, after=0, step=10),)),
}

TRAPS = {**CERTAIN, **RACY, **CRASH}


def rules(program: Program, execution: Execution) -> set[tuple[str, str]]:
    """(property, rule) of everything that failed."""
    verdicts = check_history(
        execution.history, drained=execution.drained, config=program.config, unfinished=execution.unfinished
    )
    return {(verdict.property, verdict.rule) for verdict in verdicts if verdict.outcome is Outcome.FAIL}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("mode", ["native", "api"])
@pytest.mark.parametrize("name", CERTAIN)
def test_a_deterministic_bug_is_convicted_at_once(name: str, mode: str, executor: str) -> None:
    trap = CERTAIN[name]
    execution = EXECUTORS[executor](trap.program, system=ChannelSystem(name), mode=mode, deadline_s=DEADLINE_S)
    found = rules(trap.program, execution)
    assert {(trap.convicted_by, rule) for rule in trap.rules} & found, found


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", RACY)
def test_a_racy_bug_is_convicted_within_a_few_noisy_runs(name: str, executor: str) -> None:
    trap = RACY[name]
    wanted = {(trap.convicted_by, rule) for rule in trap.rules}
    for _ in range(ATTEMPTS):
        execution = EXECUTORS[executor](trap.program, system=ChannelSystem(name), noise=NOISE, deadline_s=DEADLINE_S)
        if wanted & rules(trap.program, execution):
            return
    pytest.fail(f"{name} got away {ATTEMPTS} times")


@pytest.mark.parametrize("name", CRASH)
def test_a_bug_of_recovery_is_convicted_by_a_kill(name: str) -> None:
    trap = CRASH[name]
    wanted = {(trap.convicted_by, rule) for rule in trap.rules}
    for _ in range(ATTEMPTS if trap.noise else 1):
        execution = processes.run(
            trap.program, system=ChannelSystem(name), kill=trap.kill, noise=trap.noise, deadline_s=DEADLINE_S
        )
        if wanted & rules(trap.program, execution):
            return
    pytest.fail(f"{name} got away")


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("noise", [0, NOISE])
@pytest.mark.parametrize("name", {**CERTAIN, **RACY})
def test_the_faithful_channel_is_acquitted(name: str, noise: int, executor: str) -> None:
    trap = TRAPS[name]
    execution = EXECUTORS[executor](trap.program, noise=noise, deadline_s=60)
    assert rules(trap.program, execution) == set()
    assert execution.finished
    assert execution.drained


@pytest.mark.parametrize("step", range(13))
def test_the_faithful_channel_recovers_from_a_kill_at_any_step(step: int) -> None:
    execution = processes.run(VICTIM, kill=(Kill(0, after=5, step=step),), deadline_s=60)
    assert rules(VICTIM, execution) == set()
    assert execution.finished
    assert execution.drained


@pytest.mark.parametrize("step", range(12))
def test_who_replaces_a_dead_writer_wakes_the_reader_beside_its_message(step: int) -> None:
    """Up to its last access before the owner word is given back; from then on nobody but the slice wakes the reader."""
    execution = processes.run(WAKER, kill=(Kill(0, after=0, step=step),), deadline_s=20)
    assert rules(WAKER, execution) == set()
    assert execution.finished
    assert execution.drained
    assert [death.worker for death in execution.dead] == [0]


@pytest.mark.parametrize("step", [20, 120, 240])
def test_the_faithful_channel_recovers_from_a_kill_inside_a_batch(step: int) -> None:
    execution = processes.run(BATCH_VICTIM, kill=(Kill(0, after=0, step=step),), noise=NOISE, deadline_s=60)
    assert rules(BATCH_VICTIM, execution) == set()
    assert execution.finished
    assert execution.drained


@pytest.mark.parametrize("step", [270, 400, 530, 600])
def test_the_faithful_channel_recovers_from_a_kill_in_a_later_ownership_of_a_batch(step: int) -> None:
    """A step is an access, of which a message of a batch takes about four, and an ownership has 64 messages."""
    batch = script({"kind": Kind.WRITE_MANY, "value": message_value(0, 0), "size": 8, "count": 150})
    program = channel(batch, writes(1, 20, size=24, think=5_000_000), TRIES, capacity=8192)
    execution = processes.run(program, kill=(Kill(0, after=0, step=step),), deadline_s=60)
    assert rules(program, execution) == set()
    assert execution.finished
    assert execution.drained
    assert [death.worker for death in execution.dead] == [0]


def test_every_bug_that_stress_can_find_has_a_trap() -> None:
    weak = {mutant.name for mutant in all_mutants() if mutant.nature is Nature.WEAK}
    state = {"unchecked-state"}  # test_state.py
    assert set(TRAPS) == {mutant.name for mutant in all_mutants()} - weak - state


def test_a_trap_is_convicted_by_the_property_that_the_list_names() -> None:
    found_by = {mutant.name: mutant.found_by for mutant in all_mutants()}
    assert {name: trap.convicted_by for name, trap in TRAPS.items()} == {name: found_by[name] for name in TRAPS}
