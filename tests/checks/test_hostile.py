"""Histories as the world writes them: every one is read right, or refused by one line that names file and line."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import cli
from harness.exchange import load_history, load_recording
from harness.history import PENDING_RETURN, History, operation_record
from harness.operation import Kind, Status

INVOKE = '{"time": 0, "process": 0, "type": "invoke", "f": "write", "value": 1}'
OK = '{"time": 1, "process": 0, "type": "ok", "f": "write", "value": 1}'
READ = '{"time": 2, "process": "r", "type": "invoke", "f": "read"}'
READ_OK = '{"time": 3, "process": "r", "type": "ok", "f": "read", "value": 1}'
PLAIN = "\n".join([INVOKE, OK, READ, READ_OK]) + "\n"


def told(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """The single line that a refused file gets."""
    assert cli.main(["check", *arguments]) == code
    captured = capsys.readouterr()
    assert not captured.out
    (line,) = captured.err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\n\n  \n"),
        "\ufeff" + PLAIN,
        '\ufeff{"history": 1}\n' + PLAIN,
        PLAIN.replace(": ", ":\t").replace(", ", " ,"),
        PLAIN.replace('"process": 0', '"process": -9999999999999999999999'),
        PLAIN.replace('"process": 0', '"process": ":{\\"history\\"}"'),
        PLAIN.replace('"value": 1', '"value": 123456789012345678901234567890'),
        PLAIN.replace('"value": 1', '"value": -9223372036854775808'),
        PLAIN.replace('"value": 1', '"value": "\\ud83d\\ude00 NaN \\":"'),
        PLAIN.replace('"f": "read"}', '"f": "read", "value": null}'),
        PLAIN.replace('"time": 0', '"time": 1'),
    ],
)
def test_what_means_the_same_is_read_the_same(text: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(text.encode())
    write, read = load_recording(path).calls
    assert (write.f, write.type, write.returned) == ("write", "ok", 1)
    assert (read.f, read.type, read.invoked, read.returned) == ("read", "ok", 2, 3)
    assert read.argument is None
    assert write.argument == write.result == read.result is not None
    rows = load_history(path).operations
    assert rows["value"][0] == rows["value"][1]
    assert rows["worker"][0] != rows["worker"][1]
    assert cli.main(["check", str(path)]) == 0


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (PLAIN.replace('"time": 3', '"time": 3.0'), 4, "time 3.0; expected an integer of nanoseconds"),
        (PLAIN.replace('"time": 0', '"time": -1'), 1, "time -1"),
        (PLAIN.replace('"time": 3', '"time": 9223372036854775807'), 4, "expected an integer of nanoseconds"),
        (PLAIN.replace('"time": 3', '"time": 1e400'), 4, "time inf"),
        (PLAIN.replace('"time": 3', '"time": true'), 4, "time True"),
        (PLAIN.replace('"process": 0', '"process": 1.5', 1), 1, "process 1.5; expected an integer or a string"),
        (PLAIN.replace('"process": 0', '"process": null', 1), 1, "'process' is missing"),
        (PLAIN.replace('"type": "ok"', '"type": "OK"', 1), 2, "type 'OK'; expected one of invoke, ok, fail, info"),
        (PLAIN.replace('"type": "ok", ', "", 1), 2, "'type' is missing"),
        (PLAIN.replace('"f": "read"', '"f": ["read"]', 1), 3, "f ['read']; expected a string"),
        (PLAIN.replace('"time": 1', '"time": 1, "time": 7'), 2, "'time' occurs twice"),
        (PLAIN.replace('"value": 1', '"value": {"a": 1, "a": 2}', 1), 1, "'a' occurs twice"),
        (PLAIN.replace('"value": 1', '"value": NaN', 1), 1, "NaN is no number of JSON"),
        (PLAIN.replace('"value": 1', '"value": ' + "[" * 100_000, 1), 1, "nested deeper"),
        (PLAIN.replace('"value": 1', '"value": 1, "size": -3', 1), 1, "size -3; expected an integer from 0"),
        (PLAIN.replace('"value": 1', '"value": 1, "size": 9223372036854775808', 1), 1, "below 2^63"),
        (PLAIN.replace('"value": 1', '"value": 1, "intact": 1', 1), 1, "expected true or false"),
        (PLAIN[:-20], 4, "the last line is cut short"),
        (PLAIN.replace("\n", "", 1), 1, "not JSON"),
        (PLAIN.replace("\n", ",\n"), 1, "not JSON"),
        ("[" + PLAIN, 1, "not JSON"),
        (PLAIN + "3\n", 5, "expected an object"),
        (PLAIN + '{"history": 1}\n', 5, "first line"),
        ('{"history": 1, "capacity": true}\n', 1, "capacity True"),
        ('{"history": 1, "capacity": 9223372036854775808}\n', 1, "capacity 9"),
        ('{"history": 1, "shutdown": [5, 3]}\n', 1, "shutdown [5, 3]"),
        ('{"history": 1, "info": [1]}\n', 1, "info [1]; expected an object"),
        ('{"history": 1, "spec": 7}\n', 1, "spec 7; expected a string"),
        (PLAIN + OK, 5, "no open call that ok could complete"),
        (PLAIN.replace('"ok", "f": "write"', '"ok", "batch": 3, "f": "write"'), 2, "batch 3 completes"),
        (PLAIN + INVOKE.replace("0", "5", 1) + "\n" + INVOKE.replace("0", "6", 1), 6, "a call open since line 5"),
        (PLAIN + READ.replace("2", "1", 1), 5, "time runs backwards in process 'r': 1 after 3"),
        (
            PLAIN.replace('"ok", "f": "read"', '"info", "f": "read"') + READ.replace("2", "9", 1),
            5,
            "goes on after info",
        ),
        (
            PLAIN.replace('"type": "ok", "f": "write", "value": 1', '"type": "ok", "f": "write", "value": 2'),
            1,
            "ends with",
        ),
        (
            PLAIN.replace('"f": "read"}', '"f": "skip"}').replace('"f": "read", "value": 1', '"f": "skip"'),
            3,
            "no value",
        ),
    ],
)
def test_what_is_not_understood_is_named(
    text: str, line: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(text)
    message = told(capsys, 2, str(path))
    assert f"{path}:{line}: " in message
    assert words in message


def test_bytes_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(PLAIN.encode() + b'{"time": "\xff"}\n')
    assert f"{path}:5: not UTF-8" in told(capsys, 2, str(path))
    path.write_bytes(PLAIN.encode("utf-16"))
    assert f"{path}:1: not UTF-8" in told(capsys, 2, str(path))
    path.write_bytes(bytes(70 << 20))
    assert "a line of more than 64 MiB" in told(capsys, 2, str(path))


@pytest.mark.parametrize("name", ["empty.jsonl", "empty.edn", "empty.log", "empty.jsonl.gz"])
def test_an_empty_file_is_no_history(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    assert f"{name}: holds no event; a history of none has the first line" in told(capsys, 2, str(tmp_path / name))
    if ".jsonl" in name:
        assert "holds no event" in told(capsys, 2, str(tmp_path / name), "--stream")


@pytest.mark.parametrize("arguments", [[], ["--stream"], ["--spec", "register"]])
def test_a_header_alone_is_a_history_that_decides_nothing(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"history": 1}\n')
    assert cli.main(["check", str(tmp_path / "a.jsonl"), *arguments]) == 4


def saved(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def meta(**changes: Any) -> Any:
    return np.array(json.dumps({"history": 1, "capacity": None, "shutdown": None, "info": {}} | changes))


def rows(**changes: int) -> Any:
    written = [operation_record(Kind.WRITE, Status.OK, 0, 5, value) for value in (1, 2)]
    for field, content in changes.items():
        written[1][field] = content
    return History.of(written).operations


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl.gz", PLAIN.encode(), "is no gzip file"),
        ("a.jsonl.gz", gzip.compress(PLAIN.encode(), mtime=0)[:-9], "cannot be read"),
        ("a.jsonl.gz", gzip.compress(PLAIN.encode(), mtime=0)[:12] + b"x" * 40, "cannot be read"),
        ("a.npz", PLAIN.encode(), "holds no saved history"),
        ("a.npz", b"", "holds no saved history"),
        ("a.npz", saved(x=np.arange(3)), "holds no saved history"),
        ("a.npz", saved(operations=np.arange(3), meta=meta()), "holds no saved history"),
        ("a.npz", saved(operations=rows(), meta=np.array("[]")), "holds no saved history"),
        ("a.npz", saved(operations=rows(), meta=meta(history=2)), "holds no saved history"),
        ("a.npz", saved(operations=np.array([{}], object), meta=meta()), "holds no saved history"),
        ("a.npz", saved(operations=rows().reshape(1, -1), meta=meta()), "operations have 2 dimensions; expected one"),
        ("a.npz", saved(operations=rows()[["kind", "status"]], meta=meta()), "expected OPERATION_RECORD"),
        ("a.npz", saved(operations=rows(), meta=meta(capacity="9")), "capacity '9'; expected an integer from 0"),
        ("a.npz", saved(operations=rows(), meta=meta(shutdown=[3])), "shutdown [3]; expected [invoked, returned]"),
        ("a.npz", saved(operations=rows(), meta=meta(info=3)), "info 3; expected an object"),
        ("a.npz", saved(operations=rows(invoked=-1), meta=meta()), "invoked -1; expected a time from 0"),
        ("a.npz", saved(operations=rows(kind=77), meta=meta()), "operation 1: kind 77"),
        ("a.npz", saved(operations=rows(status=10), meta=meta()), "operation 1: status 10"),
        ("a.npz", saved(operations=rows(returned=-1), meta=meta()), "before it was invoked"),
        ("a.npz", saved(operations=rows(returned=PENDING_RETURN), meta=meta()), "never returned"),
        ("a.npz", saved(operations=rows(status=Status.EMPTY), meta=meta()), "operation 1: a write fails with empty"),
        ("a.npz", saved(operations=rows(kind=Kind.READ, status=Status.FULL), meta=meta()), "a read fails with full"),
        ("a.npz", saved(operations=rows(kind=Kind.PEEK, status=Status.MISMATCH), meta=meta()), "fails with mismatch"),
        ("a.npz", saved(operations=rows(kind=Kind.SKIP, status=Status.TIMEOUT), meta=meta()), "fails with timeout"),
        ("a.npz", saved(operations=rows(status=Status.TIMEOUT), meta=meta()), "timed out, but tells no timeout"),
        ("a.npz", saved(operations=rows(value=1), meta=meta()), "already written at"),
        ("a.npz.gz", b"PK", "cannot be read"),
        ("a.xyz", b"", "unknown kind of file"),
        ("a", b"", "unknown kind of file"),
    ],
)
def test_files_that_hold_something_else(
    name: str, content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    message = told(capsys, 2, str(tmp_path / name))
    assert str(tmp_path / name) in message
    assert words in message


def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "a.jsonl"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", "/dev/stdin", str(pipe)], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(PLAIN.encode())
        writer.stdin.close()
        assert cli.main(["check", str(pipe)]) == 0


@pytest.mark.parametrize("arguments", [[], ["--stream"]])
def test_a_name_that_is_too_long(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be read: File name too long" in told(capsys, 2, "x" * 5_000 + ".jsonl", *arguments)


def test_an_integer_beyond_all_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits = "9" * 5_000
    (tmp_path / "a.jsonl").write_text(PLAIN.replace('"time": 3', f'"time": {digits}'))
    assert "a.jsonl:4: a number has more digits than" in told(capsys, 2, str(tmp_path / "a.jsonl"))
    (tmp_path / "a.edn").write_text(f"{{:type :invoke, :f :read, :process 0, :time {digits}}}\n")
    assert "a.edn:1: not EDN: a number of 5,000 digits" in told(capsys, 2, str(tmp_path / "a.edn"))


def test_a_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder" in told(capsys, 2, str(tmp_path))
    (tmp_path / "f.npz").mkdir()
    assert "f.npz" in told(capsys, 2, str(tmp_path / "f.npz"))


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(PLAIN.encode()))
    assert len(load_history(tmp_path / "a.jsonl")) == 2


@pytest.mark.parametrize("content", [PLAIN.encode(), gzip.compress(PLAIN.encode(), mtime=0)])
def test_standard_input(content: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "check", "-"], input=content, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"PASS")


def test_a_history_beyond_the_memory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [PLAIN.replace('"value": 1', f'"value": {n}').replace('"time": ', f'"time": {n + 1}') for n in range(50)]
    (tmp_path / "many.jsonl").write_text("".join(lines))
    message = told(capsys, 2, str(tmp_path / "many.jsonl"), "--memory", "0.00001")
    assert "many.jsonl:" in message
    assert "(--memory)" in message
    assert cli.main(["check", str(tmp_path / "many.jsonl"), "--memory", "0.1"]) == 0


# ---- Jepsen

ETCD = """\
INFO  jepsen.core - Running test
2014-09-01 INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:invoke\t:cas\t[3 0]
INFO  jepsen.util - 2\t:invoke\t:write\t3
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
INFO  jepsen.util - 0\t:ok\t:read\tnil
INFO  jepsen.util - 1\t:fail\t:cas\t[3 0]
INFO  jepsen.util - 2\t:ok\t:write\t3
INFO  jepsen.util - 0\t:invoke\t:cas\t[3 4]
INFO  jepsen.util - 0\t:info\t:cas\t:timed-out
INFO  jepsen.util - 5\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 5\t:ok\t:read\t4
INFO  jepsen.util - 1\t:fail\t:read\t:timed-out
INFO  jepsen.util - :nemesis\t:info\t:stop\t"partition healed, \\"all\\""
"""


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("", ""), 0),
        ((":ok\t:read\t4", ":ok\t:read\t3"), 0),
        ((":ok\t:read\t4", ":ok\t:read\t0"), 1),
        (("jepsen.util - ", "[jepsen worker 0] jepsen.util: "), 0),
        (("\n", "\r\n"), 0),
    ],
)
def test_a_register_log(change: tuple[str, str], code: int, tmp_path: Path) -> None:
    (tmp_path / "etcd.log").write_bytes(ETCD.replace(*change).encode())
    assert cli.main(["check", "--spec", "register", str(tmp_path / "etcd.log")]) == code


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (ETCD[:-40] + "INFO  jepsen.util - 1\t:invoke\t:read\tn", 15, "cut short"),
        (ETCD + "INFO  jepsen.util - 5\t:invoke\t:read\n", 16, "cut short"),
        (ETCD + "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n", 16, "goes on after info"),
        (ETCD + "INFO  jepsen.util - 7\t:ok\t:read\tnil\n", 16, "no open call"),
        (ETCD + "INFO  jepsen.util - 7\t:invoke\t:cas\t[3 \n", 16, "["),
    ],
)
def test_a_log_that_is_not_understood(
    text: str, line: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "etcd.log").write_text(text)
    message = told(capsys, 2, "--spec", "register", str(tmp_path / "etcd.log"))
    assert f"etcd.log:{line}: " in message
    assert words in message


QUEUE = """\
; a queue of Jepsen's
{:process 0, :type :invoke, :f :enqueue, :value 1, :time 10, :index 0}
{:process :nemesis, :type :info, :f :start, :value #{"n1"}, :time 11}
{:process 0, :type :ok, :f :enqueue, :value 1, :time 20, :index 1, :node "n1"}
{:process 1, :type :invoke, :f :dequeue, :value nil, :time 30, :index 2}
{:process 1, :type :ok, :f :dequeue, :value 1, :time 40, :index 3}
{:process 1, :type :invoke, :f :dequeue, :value nil, :time 50, :index 4}
{:process 1, :type :fail, :f :dequeue, :value nil, :time 60, :error :empty, :index 5}
{:process 0, :type :invoke, :f :enqueue, :value 2, :time 70, :index 6}
{:process 0, :type :info, :f :enqueue, :value 2, :time 80, :error [:timeout "x"], :index 7}
{:process 1, :type :invoke, :f :dequeue, :value nil, :time 90, :index 8}
{:process 1, :type :fail, :f :dequeue, :value nil, :time 95, :error :timeout, :index 9}
"""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (QUEUE, 0),
        ("[" + QUEUE.partition("\n")[2].rstrip() + "]", 0),
        ("[" + QUEUE.partition("\n")[2] + "\n]\n", 0),
        (QUEUE.replace("{:process", "#jepsen.history.Op{:process"), 0),
        (QUEUE.replace(", :time", "\n :time"), 0),
        (QUEUE.replace("{:process", "#_ {:broken [1]} {:process"), 0),
        (QUEUE.replace(":value 1, :time 40", ":value 2, :time 40"), 1),
        (
            QUEUE.replace(":value 1, :time 10", ":value 9, :time 10").replace(
                ":value 1, :time 20", ":value 9, :time 20"
            ),
            1,
        ),
    ],
)
def test_a_queue_in_edn(text: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "queue.edn").write_text(text)
    assert cli.main(["check", str(tmp_path / "queue.edn")]) == code


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (QUEUE[:-10], 12, "never closed"),
        ("[" + QUEUE, 12, "[ is not closed"),
        (QUEUE + "}", 13, "} closes nothing"),
        (QUEUE + "[1 2]", 13, "expected a map"),
        (QUEUE + '{:process 1 :type "', 13, "a string is never closed"),
        (QUEUE + "{:process 1 :process 2}", 13, "occurs twice"),
        (QUEUE + "{:process}", 13, "a key and no value"),
        (QUEUE + "[" * 2000, 13, "nested deeper"),
        (QUEUE + "{:process 7, :type :invoke, :f :drain, :time 99}", 13, "a drain that never returned"),
        (QUEUE + "{:process 0, :type :invoke, :f :dequeue, :time 99}", 13, "goes on after info"),
    ],
)
def test_edn_that_is_not_understood(
    text: str, line: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "queue.edn").write_text(text)
    message = told(capsys, 2, str(tmp_path / "queue.edn"))
    assert f"queue.edn:{line}: " in message, message
    assert words in message


def test_messages_keep_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PLAIN.replace('"value": 1', '"value": "left"')
    (tmp_path / "named.jsonl").write_text(text.replace("left", "right", 2))
    assert cli.main(["check", str(tmp_path / "named.jsonl")]) == 1
    assert "line 3: process r read -> ok 'left'" in capsys.readouterr().out
