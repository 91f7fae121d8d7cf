"""Program, History, Verdict and RunRecord: saved, loaded, printed, and refused when they are not what they claim."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from harness.environment import environment
from harness.history import PENDING_RETURN, History, HistoryError, operation_record
from harness.operation import Kind, Status, message_number, message_value, message_writer
from harness.program import Program, ProgramError, operations
from harness.record import Failure, LatencySummary, Metrics, RecordError, RunRecord
from harness.verdict import Outcome, Verdict, Witness


def program() -> Program:
    writer = operations(
        [
            {"kind": Kind.WRITE, "value": message_value(0, 0), "size": 8},
            {"kind": Kind.WRITE_MANY, "value": message_value(0, 1), "size": 16, "count": 3, "timeout": 5_000},
        ]
    )
    reader = operations([{"kind": Kind.READ, "timeout": 1_000_000}, {"kind": Kind.SKIP}])
    return Program("tiny", (writer, reader), 1024, {"max_round_trips": 10}, 7, {"writers": 1})


def history() -> History:
    return History.of(
        [
            operation_record(Kind.WRITE, Status.OK, 100, 200, message_value(0, 5), id=0, size=8, worker=0),
            operation_record(Kind.READ, Status.PENDING, 150, PENDING_RETURN, worker=1, timeout=1000),
        ],
        capacity=1008,
        shutdown=(300, 400),
        info={"scenario": "tiny"},
    )


def test_message_identity_round_trip() -> None:
    value = message_value(3, 77)
    assert (message_writer(value), message_number(value)) == (3, 77)
    with pytest.raises(ValueError, match="outside"):
        message_value(0, 1 << 40)


def test_program_round_trip(tmp_path: Path) -> None:
    original = program()
    original.save(tmp_path / "program.json")
    loaded = Program.load(tmp_path / "program.json")
    assert loaded.to_json() == original.to_json()
    assert loaded.digest == original.digest
    assert all((a == b).all() for a, b in zip(loaded.workers, original.workers, strict=True))


def test_program_counts_batches_message_by_message() -> None:
    assert program().size == 1 + 3 + 2
    assert sorted(program().written_values().tolist()) == [message_value(0, n) for n in range(4)]


def test_program_digest_tells_programs_apart() -> None:
    other = operations([{"kind": Kind.TRY_READ}])
    assert Program("tiny", (other,), 1024).digest != Program("tiny", (other,), 2048).digest
    assert Program("tiny", (other,), 1024).digest != Program("tiny", (other, other), 1024).digest


def test_program_prints_its_scripts() -> None:
    assert "worker 0: write(size=8), write_many(value=1 size=16 timeout=5000 count=3)" in str(program())


def test_program_refuses_two_messages_of_one_identity() -> None:
    twice = operations([{"kind": Kind.WRITE, "value": 1, "size": 8}, {"kind": Kind.WRITE, "value": 1, "size": 8}])
    with pytest.raises(ProgramError, match="same value"):
        Program("tiny", (twice,), 1024)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"program": 2}, "version 2"),
        ({"workers": [[{"kind": "fly"}]]}, "unknown kind 'fly'; allowed: write, try_write"),
        ({"workers": [[{"kind": "write", "colour": 1}]]}, r"unknown fields \['colour'\]"),
        ({"workers": []}, "at least one worker"),
    ],
)
def test_program_refuses_what_it_does_not_understand(change: dict[str, object], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        Program.from_json({**program().to_json(), **change})


def test_program_refuses_a_file_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ProgramError, match="not JSON"):
        Program.load(path)


def test_history_round_trip(tmp_path: Path) -> None:
    original = history()
    original.save(tmp_path / "history.npz")
    loaded = History.load(tmp_path / "history.npz")
    assert (loaded.operations == original.operations).all()
    assert (loaded.capacity, loaded.shutdown, loaded.info) == (1008, (300, 400), {"scenario": "tiny"})


def test_history_merges_in_order_of_invocation() -> None:
    rows = history().operations
    merged = History.merged([rows[1:], rows[:1]])
    assert merged.operations["invoked"].tolist() == [100, 150]


def test_history_prints_operations() -> None:
    text = str(history())
    assert "#0 worker 0 write message 0:5 -> OK id 0  [0 .. 100] ns" in text
    assert "#1 worker 1 read timeout 1,000 ns -> PENDING  [50 .. never] ns" in text


def test_history_refuses_another_file(tmp_path: Path) -> None:
    path = tmp_path / "history.npz"
    np.savez(path, something=np.zeros(3))
    with pytest.raises(HistoryError, match="not a saved history"):
        History.load(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(HistoryError, match="not a saved history"):
        History.load(path)
    with pytest.raises(HistoryError, match="expected OPERATION_RECORD"):
        History(np.zeros(3))


def test_a_verdict_that_checked_nothing_is_no_pass() -> None:
    assert Verdict.passed("fifo", "decided", {}).outcome is Outcome.INCONCLUSIVE
    assert Verdict.passed("fifo", "decided", {"order of read": 0}).outcome is Outcome.INCONCLUSIVE
    assert Verdict.passed("fifo", "decided", {"order of read": 1}).outcome is Outcome.PASS
    assert Verdict.overall([])[0] is Outcome.INCONCLUSIVE


def test_a_failure_outweighs_everything() -> None:
    good = Verdict.passed("integrity", "whole", {"intact payload": 10})
    unknown = Verdict.inconclusive("fifo", "cut short")
    bad = Verdict.failed("fifo", "ORDER", Witness("b before a", (1, 2)))
    assert Verdict.overall([good, unknown, bad]) == (Outcome.FAIL, "fifo: ORDER: b before a")
    assert Verdict.overall([good, unknown]) == (Outcome.INCONCLUSIVE, "fifo: cut short")
    assert Verdict.overall([good, good]) == (Outcome.PASS, "20 assertions hold")
    assert [outcome.exit_code for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE)] == [0, 1, 4]


def test_verdict_round_trip() -> None:
    for verdict in (
        Verdict.passed("fifo", "decided", {"order of read": 3}),
        Verdict.failed("fifo", "ORDER", Witness("b before a", (1, 2)), {"order of read": 3}),
        Verdict.inconclusive("fifo", "cut short"),
    ):
        assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_run_record_round_trip(tmp_path: Path) -> None:
    record = RunRecord(
        kind="stress",
        scenario="swsr",
        executor="threads",
        mode="native",
        parameters={"writers": 1},
        seed=3,
        program_digest="0" * 16,
        outcome=Outcome.FAIL,
        reason="integrity: lost",
        verdicts=(Verdict.failed("integrity", "lost", Witness("message 0:5 is lost", (4,)), {"delivered": 9}),),
        metrics=Metrics(
            1.5,
            100,
            50,
            ((0.0, 10.0),),
            {"read": LatencySummary(50, ((50.0, 120.0), (100.0, 900.0)))},
            {"read": ((0, 49), (1, 1))},
            {"read": 17},
            {"read": {"ok": 50}},
            ((50.0, 1.0),),
            ({"worker": 0, "role": "writer", "operations": 50, "first_ns": 0, "last_ns": 9},),
        ),
        failures=(Failure("integrity", "lost", "message 0:5 is lost", ("#4 ...",), "channel-harness run", "5/5"),),
        self_test={"doubled-message": "duplicated"},
        details={"rounds": 1},
    )
    record.save(tmp_path / "record.json")
    assert RunRecord.load(tmp_path / "record.json") == record
    assert record.assertions == {"delivered": 9}
    assert "swsr on threads (native): FAIL: integrity: lost" in str(record)


def test_run_record_refuses_another_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text('{"run_record": 99}', encoding="utf-8")
    with pytest.raises(RecordError, match="version 99"):
        RunRecord.load(path)
    path.write_text('{"run_record": 1}', encoding="utf-8")
    with pytest.raises(RecordError, match="malformed"):
        RunRecord.load(path)
    path.write_text("no", encoding="utf-8")
    with pytest.raises(RecordError, match="not a run record"):
        RunRecord.load(path)
    with pytest.raises(RecordError, match="not a run record"):
        RunRecord.load(tmp_path / "absent.json")


def test_the_environment_knows_every_peer_by_its_package() -> None:
    """A ratio to a peer says little without the peer's version."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    peers = project["optional-dependencies"]["peers"]
    assert peers
    installed = {name for name in peers if _is_installed(name)}
    assert installed <= environment()["packages"].keys()


def _is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False
