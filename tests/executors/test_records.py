"""Records are exact: what was asked, what was answered, in which order, on both executors and in both modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.history import INTACT
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status, message_value
from harness.program import ProgramError
from harness.systems.channel import ChannelSystem
from tests.executors.programs import EXECUTORS, MODES, mixed, program, removed, script, writer, written

WAIT_NS = 3_000_000

pytestmark = [
    pytest.mark.parametrize("executor", EXECUTORS),
    pytest.mark.parametrize("mode", MODES),
]


def entry(size: int) -> int:
    return (8 + size + 15) // 16 * 16


# One worker alone, so every answer is known. Capacity 128: 112 accounted bytes.
ALONE = (
    # kind, fields, expected: status, value, id, size
    (Kind.TRY_READ, {}, (Status.EMPTY, 0, NO_ID, 0)),
    (Kind.PEEK, {}, (Status.EMPTY, 0, NO_ID, 0)),
    (Kind.SKIP, {}, (Status.EMPTY, 0, NO_ID, 0)),
    (Kind.SKIP_FORCE, {}, (Status.EMPTY, 0, NO_ID, 0)),
    (Kind.READ, {"timeout": WAIT_NS}, (Status.TIMEOUT, 0, NO_ID, 0)),
    (Kind.WRITE, {"value": 1, "size": 40}, (Status.OK, 1, 0, 40)),
    (Kind.SKIP, {}, (Status.MISMATCH, 1, 0, 40)),  # nothing was peeked yet: the target is no entry's
    (Kind.TRY_WRITE, {"value": 2, "size": 40}, (Status.OK, 2, 48, 40)),
    (Kind.TRY_WRITE, {"value": 3, "size": 9}, (Status.FULL, 3, NO_ID, 9)),
    (Kind.WRITE, {"value": 4, "size": 9, "timeout": WAIT_NS}, (Status.TIMEOUT, 4, NO_ID, 9)),
    (Kind.WRITE, {"value": 5, "size": 105}, (Status.TOO_LARGE, 5, NO_ID, 105)),
    (Kind.PEEK, {}, (Status.OK, 1, 0, 40)),
    (Kind.SKIP, {}, (Status.OK, 1, 0, 40)),
    (Kind.SKIP, {}, (Status.MISMATCH, 2, 48, 40)),  # the target is gone
    (Kind.SKIP, {}, (Status.OK, 2, 48, 40)),  # a mismatch told which head was there
    (Kind.WRITE, {"value": 6, "size": 50}, (Status.OK, 6, 96, 50)),  # wraps around
    (Kind.SKIP_FORCE, {}, (Status.OK, 6, 96, 50)),
    (Kind.WRITE, {"value": 7, "size": 33}, (Status.OK, 7, 160, 33)),
    (Kind.READ, {}, (Status.OK, 7, 160, 33)),
    (Kind.WRITE, {"value": 8, "size": 8}, (Status.OK, 8, 208, 8)),
    (Kind.TRY_READ, {}, (Status.OK, 8, 208, 8)),
)


def run(executor: str, mode: str, *args: Any, **options: Any) -> Any:
    return EXECUTORS[executor](*args, mode=mode, deadline_s=30, **options)


def test_every_answer_of_one_worker_alone(executor: str, mode: str) -> None:
    rows = [{"kind": kind, **fields} for kind, fields, _ in ALONE]
    execution = run(executor, mode, program(script(*rows), capacity=128), drain=False)
    assert execution.finished
    history = execution.history
    got = [
        (Kind(row["kind"]), Status(row["status"]), int(row["value"]), int(row["id"]), int(row["size"]))
        for row in history.operations
    ]
    assert got == [(kind, *expected) for kind, _, expected in ALONE]
    assert history.capacity == 112
    assert np.all(history.operations["returned"] >= history.operations["invoked"])
    assert np.all(history.operations["invoked"][1:] >= history.operations["returned"][:-1])
    assert np.all(history.operations["worker"] == 0)
    asked = [fields.get("timeout", NO_TIMEOUT) for _, fields, _ in ALONE]
    assert history.operations["timeout"].tolist() == asked


def test_time_outs_are_never_early_and_waiting_is_recorded(executor: str, mode: str) -> None:
    reader = script(*({"kind": Kind.READ, "timeout": WAIT_NS} for _ in range(3)))
    late_writer = script({"kind": Kind.TRY_WRITE, "value": 1, "size": 8, "think": 300_000_000})
    execution = run(executor, mode, program(reader, late_writer))
    rows = execution.history.operations
    waited = rows[rows["status"] == Status.TIMEOUT.value]
    assert len(waited) >= 3
    assert np.all(waited["returned"] - waited["invoked"] >= WAIT_NS)
    assert np.all(waited["slept"] > 0)


def test_skips_know_their_target(executor: str, mode: str) -> None:
    rows = (
        {"kind": Kind.WRITE, "value": 9, "size": 8},
        {"kind": Kind.SKIP},
        {"kind": Kind.SKIP},
    )
    history = run(executor, mode, program(script(*rows))).history
    assert history.operations["target"][:3].tolist() == [NO_ID, NO_ID, 0]


def test_payloads_are_verified(executor: str, mode: str) -> None:
    execution = run(executor, mode, mixed())
    rows = execution.history.operations
    payloads = np.isin(rows["kind"], [Kind.READ, Kind.TRY_READ, Kind.READ_MANY]) & (rows["status"] == Status.OK.value)
    assert payloads.sum() == 2 * 520
    assert np.all(rows["flags"][payloads] == INTACT)


def test_torn_payloads_are_seen(executor: str, mode: str) -> None:
    reader = script({"kind": Kind.READ})
    execution = run(executor, mode, program(writer(0, 200, size=40), reader), system=ChannelSystem("torn-payload:10"))
    rows = execution.history.operations
    reads = rows[(rows["kind"] == Kind.READ.value) & (rows["status"] == Status.OK.value)]
    assert len(reads) == 200
    assert (reads["flags"] != INTACT).sum() == 20


def test_batches_are_a_row_per_message(executor: str, mode: str) -> None:
    rows = (
        {"kind": Kind.WRITE_MANY, "value": 100, "size": 8, "count": 6},
        {"kind": Kind.READ_MANY, "count": 4},
        {"kind": Kind.READ_MANY, "count": 4},
        {"kind": Kind.READ_MANY, "count": 4, "timeout": 1_000_000},
    )
    history = run(executor, mode, program(script(*rows)), drain=False).history
    got = [(int(row["batch"]), Kind(row["kind"]), Status(row["status"]), int(row["value"]), int(row["id"]))
           for row in history.operations]  # fmt: skip
    assert got == [
        *((1, Kind.WRITE_MANY, Status.OK, 100 + i, 16 * i) for i in range(6)),
        *((2, Kind.READ_MANY, Status.OK, 100 + i, 16 * i) for i in range(4)),
        *((3, Kind.READ_MANY, Status.OK, 104 + i, 16 * (4 + i)) for i in range(2)),
        (4, Kind.READ_MANY, Status.TIMEOUT, 0, NO_ID),
    ]
    batch = history.operations[:6]
    assert len(np.unique(batch["invoked"])) == len(np.unique(batch["returned"])) == 1


def test_a_batch_that_does_not_fit_tells_which_messages_were_written(executor: str, mode: str) -> None:
    rows = ({"kind": Kind.WRITE_MANY, "value": 1, "size": 8, "count": 9, "timeout": 1_000_000},)
    history = run(executor, mode, program(script(*rows), capacity=112), drain=False).history
    got = [(Status(row["status"]), int(row["value"])) for row in history.operations]
    assert got == [*((Status.OK, 1 + i) for i in range(6)), (Status.TIMEOUT, 7)]


def test_what_the_retry_policy_gives_up_is_offered_again(executor: str, mode: str) -> None:
    slow_reader = script({"kind": Kind.READ, "think": 5_000_000})
    few = program(writer(0, 40, size=40), slow_reader, capacity=112, max_round_trips=1)
    execution = run(executor, mode, few)
    rows = execution.history.operations
    offers = rows[rows["kind"] == Kind.WRITE.value]
    assert (offers["status"] == Status.FULL.value).sum() > 0
    assert written(execution) == removed(execution) == [message_value(0, i) for i in range(40)]


def test_nothing_is_lost_or_doubled(executor: str, mode: str) -> None:
    execution = run(executor, mode, mixed())
    assert execution.finished
    assert execution.drained
    assert execution.dead == ()
    assert written(execution) == removed(execution)
    assert len(written(execution)) == 2 * 520


def test_readers_end_without_a_shutdown_too(executor: str, mode: str) -> None:
    execution = run(executor, mode, mixed(messages=50), shutdown=False)
    assert execution.finished
    assert execution.history.shutdown is None
    assert written(execution) == removed(execution)
    assert (execution.history.operations["status"] == Status.PENDING.value).sum() == 0


def test_the_shutdown_is_in_the_history(executor: str, mode: str) -> None:
    history = run(executor, mode, mixed(messages=50)).history
    assert history.shutdown is not None
    rows = history.operations
    writes = rows[rows["kind"] == Kind.WRITE.value]
    assert np.all(writes["returned"] <= history.shutdown[0])
    assert (rows["status"] == Status.CLOSED.value).sum() >= 2


def test_what_nobody_reads_is_drained(executor: str, mode: str) -> None:
    execution = run(executor, mode, program(writer(0, 10)))
    rows = execution.history.operations
    drain = rows[rows["worker"] == 1]
    assert drain["kind"].tolist() == [Kind.TRY_READ.value] * 11
    assert execution.drained
    assert removed(execution) == written(execution) == [message_value(0, i) for i in range(10)]


def test_programs_that_cannot_be_run_are_refused(executor: str, mode: str) -> None:
    with pytest.raises(ProgramError, match="at least 8"):
        run(executor, mode, program(script({"kind": Kind.WRITE, "value": 1, "size": 7})))
    with pytest.raises(ProgramError, match="at least one"):
        run(executor, mode, program(script({"kind": Kind.READ_MANY, "count": 0})))
    with pytest.raises(ValueError, match="'native' or 'api'"):
        EXECUTORS[executor](program(writer(0, 1)), mode="fast")
    with pytest.raises(ValueError, match="deadline_s"):
        EXECUTORS[executor](program(writer(0, 1)), mode=mode, deadline_s=0)
