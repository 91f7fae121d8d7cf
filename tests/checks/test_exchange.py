"""Histories in files: what is written is read back, and what is not understood is refused with file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from harness.checks import check_fifo
from harness.checks.judgement import judge
from harness.exchange import load_history, load_recording, save_history
from harness.exchange.edn import parse_edn
from harness.history import PENDING_RETURN, History, HistoryError, operation_record
from harness.operation import Kind, Status
from harness.verdict import Outcome


def every_kind() -> History:
    """One operation of every kind and status, in each worker's order, by time."""
    return History.of(
        [
            operation_record(Kind.WRITE, Status.OK, 0, 5, 7, size=8, id=0, retries=2, slept=90),
            operation_record(Kind.READ, Status.OK, 1, 5, 7, size=8, id=0, worker=1),
            operation_record(Kind.READ, Status.TIMEOUT, 5, 17, timeout=10, worker=1),
            operation_record(Kind.WRITE_MANY, Status.OK, 6, 9, 8, size=8, id=16, batch=1),
            operation_record(Kind.WRITE_MANY, Status.OK, 6, 9, 9, size=9, id=32, batch=1),
            operation_record(Kind.TRY_WRITE, Status.FULL, 10, 11, 10, size=90),
            operation_record(Kind.PEEK, Status.OK, 12, 13, 8, size=8, id=16),
            operation_record(Kind.SKIP, Status.MISMATCH, 18, 19, 8, id=16, target=0, size=8, worker=1),
            operation_record(Kind.TRY_READ, Status.EMPTY, 20, 21, worker=2, flags=1),
            operation_record(Kind.SKIP, Status.PENDING, 22, PENDING_RETURN, target=16, worker=1),
        ],
        capacity=96,
        info={"seed": 3},
    )


@pytest.mark.parametrize("name", ["h.jsonl", "h.npz", "h.jsonl.gz", "h.npz.gz"])
def test_saved_histories_come_back(name: str, tmp_path: Path) -> None:
    history = every_kind()
    save_history(history, tmp_path / name)
    back = load_history(tmp_path / name)
    assert (back.capacity, dict(back.info)) == (96, {"seed": 3})
    told = ["invoked", "returned", "worker", "kind", "status", "id", "target", "timeout", "retries", "slept", "batch"]
    for field in told:
        assert np.array_equal(back.operations[field], history.operations[field]), field
    ok = history.operations["status"] == Status.OK
    for field in ("value", "size", "flags"):
        assert np.array_equal(back.operations[field][ok], history.operations[field][ok]), field


def recorded(tmp_path: Path, *events: dict[str, object] | str, name: str = "h.jsonl") -> Path:
    path = tmp_path / name
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    path.write_text("\n".join(lines) + "\n")
    return path


def event(time: int, process: int | str, kind: str, f: str, **fields: object) -> dict[str, object]:
    return {"time": time, "process": process, "type": kind, "f": f, **fields}


@pytest.mark.parametrize(
    ("events", "line", "words"),
    [
        ([event(0, 0, "invoke", "read", colour="red")], 1, "unknown field 'colour'"),
        ([event(0, 0, "ok", "read", value=1)], 1, "no open call"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "invoke", "read")], 2, "open since line 1"),
        ([event(5, 0, "invoke", "read"), event(4, 0, "ok", "read", value=1)], 2, "time runs backwards"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "ok", "write", value=1)], 2, "completes 'write'"),
        ([event(0, 0, "invoke", "read"), '{"time": 1, "proc'], 2, "not JSON"),
        ([event(0, 0, "invoke", "write", value=1), event(0, 1, "invoke", "write", value=1)], 2, "already written"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "ok", "read")], 1, "says no value"),
        ([event(0, 0, "invoke", "write"), event(1, 0, "ok", "write")], 1, "needs its value"),
        ([event(0, 0, "invoke", "dance")], 1, "'dance' is none of a queue"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "fail", "read", error="timeout")], 1, 'needs "timeout"'),
        (['{"history": 2}'], 1, "history version 2"),
        ([event(0, 0, "invoke", "write", value=1, size=2**40)], 1, "larger than this program holds"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "ok", "read", value=1.5)], 1, "an integer or a string"),
        ([event(0, 0, "invoke", "read"), '{"history": 1}'], 2, "first line"),
        ([event(-1, 0, "invoke", "read")], 1, "time -1"),
        (["[1, 2]"], 1, "expected an object"),
        (["[", "{}", "]"], 1, "of an array, jq -c"),
    ],
)
def test_bad_input_is_refused_with_its_line(
    events: list[dict[str, object] | str], line: int, words: str, tmp_path: Path
) -> None:
    path = recorded(tmp_path, *events)
    with pytest.raises(HistoryError) as refused:
        load_history(path)
    assert words in str(refused.value)
    assert f"{path}:{line}:" in str(refused.value)


@pytest.mark.parametrize("name", ["absent.jsonl", "absent.npz", "absent.jsonl.gz", "history.xyz"])
def test_files_that_cannot_be_read_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=name):
        load_history(tmp_path / name)


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(json.dumps(event(0, 0, "invoke", "read")).encode() * 50)
    (tmp_path / "h.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HistoryError, match=r"h\.jsonl\.gz"):
        load_history(tmp_path / "h.jsonl.gz")


def test_strings_name_messages_and_processes(tmp_path: Path) -> None:
    path = recorded(
        tmp_path,
        event(0, "alice", "invoke", "write", value="x"),
        event(1, "alice", "ok", "write", value="x"),
        event(2, "bob", "invoke", "read"),
        event(3, "bob", "ok", "read", value="x"),
    )
    assert check_fifo(load_history(path)).outcome is Outcome.PASS


@pytest.mark.parametrize(("capacity", "outcome"), [(1, Outcome.PASS), (2, Outcome.FAIL)])
def test_capacity_counts_messages_where_no_cost_is_told(capacity: int, outcome: Outcome, tmp_path: Path) -> None:
    path = recorded(
        tmp_path,
        {"history": 1, "capacity": capacity},
        event(0, 0, "invoke", "write", value=1),
        event(1, 0, "ok", "write", value=1),
        event(2, 0, "invoke", "try_write", value=2),
        event(3, 0, "fail", "try_write", error="full"),
    )
    assert check_fifo(load_history(path)).outcome is outcome


def test_a_skip_may_name_its_message_by_value(tmp_path: Path) -> None:
    path = recorded(
        tmp_path,
        event(0, 0, "invoke", "write", value=1),
        event(1, 0, "ok", "write", value=1),
        event(2, 1, "invoke", "skip", value=1),
        event(4, 0, "invoke", "try_read"),
        event(5, 0, "fail", "try_read", error="empty"),
    )
    assert check_fifo(load_history(path)).outcome is Outcome.PASS  # the pending skip explains it
    lines = path.read_text().replace('"value": 1}\n{"time": 4', '"value": 3}\n{"time": 4')
    path.write_text(lines)
    assert check_fifo(load_history(path)).rule == "EMPTY"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1 -2 2.5]", [1, -2, 2.5]),
        ('{:a "x\\"y", :b nil}', {"a": 'x"y', "b": None}),
        ("#{true false}", [True, False]),
        ("[[:k 3], 4N]", [["k", 3], 4]),
    ],
)
def test_edn(text: str, value: object) -> None:
    assert parse_edn(text) == value


def test_jepsen_histories(tmp_path: Path) -> None:
    edn = recorded(
        tmp_path,
        "[{:type :invoke, :f :cas, :value [3 0], :process 1, :time 120, :index 0}",
        " {:type :info, :f :kill, :process :nemesis, :time 121, :index 1}",
        " {:type :fail, :f :cas, :value [3 0], :process 1, :time 130, :index 2}]",
        name="h.edn",
    )
    (call,) = load_recording(edn).calls
    assert (call.f, call.argument, call.type, call.invoked, call.returned) == ("cas", [3, 0], "fail", 120, 130)
    log = recorded(
        tmp_path,
        "INFO  jepsen.core - starting",
        "INFO  jepsen.util - 0\t:invoke\t:read\tnil",
        "INFO  jepsen.util - 1\t:invoke\t:cas\t[3 0]",
        "INFO  jepsen.util - 0\t:ok\t:read\t4",
        "INFO  jepsen.util - 1\t:info\t:cas\t:timed-out",
        name="h.log",
    )
    read, cas = load_recording(log).calls
    assert (read.f, read.result, read.type, cas.argument, cas.type) == ("read", 4, "ok", [3, 0], "info")
    assert cas.returned == PENDING_RETURN
    with pytest.raises(HistoryError, match="no line of it is an operation"):
        load_recording(recorded(tmp_path, "nothing", name="other.log"))


@pytest.mark.parametrize(("first", "second"), [(5, 6), (6, 5)])
def test_entries_that_nobody_names_may_be_any_pending_write(first: int, second: int, tmp_path: Path) -> None:
    """Ids in any order: whoever recorded the history may number its entries as it likes."""
    events = [
        {"time": 0, "process": 1, "type": "invoke", "f": "write", "value": 1},
        {"time": 10, "process": 3, "type": "invoke", "f": "skip", "id": first},
        {"time": 11, "process": 3, "type": "ok", "f": "skip", "id": first},
        {"time": 15, "process": 2, "type": "invoke", "f": "write", "value": 2},
        {"time": 20, "process": 3, "type": "invoke", "f": "skip", "id": second},
        {"time": 21, "process": 3, "type": "ok", "f": "skip", "id": second},
    ]
    assert judge(str(recorded(tmp_path, *events))).outcome[0] is Outcome.PASS
    events[3]["time"] = 30  # neither can be the second
    assert judge(str(recorded(tmp_path, *events))).outcome[0] is Outcome.FAIL


@pytest.mark.parametrize("name", ["h.jsonl", "h.npz"])
def test_what_a_pending_skip_means_is_saved(name: str, tmp_path: Path) -> None:
    rows = [
        operation_record(Kind.WRITE, Status.OK, 0, 1, 7),
        operation_record(Kind.SKIP, Status.PENDING, 2, PENDING_RETURN, 9, worker=1),
        operation_record(Kind.TRY_READ, Status.EMPTY, 3, 4),
    ]
    assert check_fifo(History.of(rows)).rule == "EMPTY"
    save_history(History.of(rows), tmp_path / name)
    assert check_fifo(load_history(tmp_path / name)).rule == "EMPTY"
