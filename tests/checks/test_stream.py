"""Judging while reading: agreement with the decision on the whole file, memory, and what a stream does not take."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harness.checks.judgement import judge
from harness.checks.stream import StreamJudge, judge_stream
from harness.cli import EXIT_USAGE, cli
from harness.exchange import lines as line_pieces
from harness.exchange.from_history import events_of
from harness.exchange.jsonl import read_piece
from harness.exchange.stream import QueueStream, vocabulary
from harness.history import History, HistoryError
from harness.operation import Status
from harness.verdict import Outcome

Event = dict[str, Any]


def _load(name: str) -> ModuleType:
    """A module beside this file: importlib mode puts no folder of tests on the path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


brute = _load("brute")

counts = pytest.mark.parametrize(
    "histories", [60, pytest.param(5_000, marks=[pytest.mark.stress, pytest.mark.timeout(3_000)])]
)


def text_of(events: Iterator[Event] | list[Event]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def streamed(text: bytes, generator: np.random.Generator, *, drained: bool = False) -> StreamJudge:
    """Judge a few lines at a time, and drop what is settled after each."""
    words, header = vocabulary(), dict[str, Any]()
    stream = QueueStream("h", words)
    judge_it = StreamJudge("h", stream, drained=drained, window=1)
    whole, at, line = text.splitlines(keepends=True), 0, 1
    while at < len(whole) and not judge_it.failed:
        count = int(generator.integers(1, 6))
        piece = whole[at : at + count]
        stream.add(read_piece("h", line, b"".join(piece), words, header))
        judge_it.begin(header)
        judge_it.judge()
        at, line = at + len(piece), line + len(piece)
    if not judge_it.failed:
        judge_it.judge(end=True)
    return judge_it


def spread(rows: list[np.void]) -> list[np.void]:
    """Every operation by a worker of its own, so that intervals may overlap as they like; ids of entries by message."""
    told = []
    for worker, row in enumerate(rows):
        other = row.copy()
        other["invoked"] += 20  # no event is before 0
        other["returned"] += 20 if other["status"] != Status.PENDING else 0
        if not other["batch"]:
            other["worker"] = worker
        told.append(other)
    return told


def as_events(rows: list[np.void], *, by_id: bool) -> list[Event]:
    """With skips told by the message they remove, or by its entry id, which the write tells."""
    events = list(events_of(History.of(rows)))
    if not by_id:
        return events
    for event in events:
        value = event.get("value")
        if value is None:
            continue
        if event["f"] in ("write", "try_write", "write_many") and event["type"] == "ok":
            event["id"] = 100 + value
        if event["f"] in ("skip", "skip_force") and event["type"] == "ok":
            event["id"] = 100 + event.pop("value")
    return events


def assert_refusal(text: bytes, error: HistoryError, generator: np.random.Generator, path: Path) -> None:
    """What the whole refuses at a line, a stream refuses too, unless a violation before that line has ended it."""
    try:
        found = streamed(text, generator)
    except HistoryError:
        return
    refused = re.match(rf"{re.escape(str(path))}:(\d+): ", str(error))
    assert refused, error
    path.write_bytes(b"".join(text.splitlines(keepends=True)[: int(refused[1]) - 1]))
    assert found.failed, f"{error}\n{text.decode()}"
    assert judge(str(path)).outcome[0] is Outcome.FAIL, f"{found.verdicts}\n{error}\n{text.decode()}"


def assert_agreement(
    rows: list[np.void], generator: np.random.Generator, tmp_path: Path, *, by_id: bool
) -> Outcome | None:
    text = text_of(as_events(spread(rows), by_id=by_id))
    path = tmp_path / "h.jsonl"
    path.write_bytes(text)
    try:
        expected = judge(str(path))
    except HistoryError as error:
        assert_refusal(text, error, generator, path)
        return None
    found = streamed(text, generator)
    assert found.failed == (expected.outcome[0] is Outcome.FAIL), f"{found.verdicts}\n{expected}\n{text.decode()}"
    if not found.failed:
        told = [(verdict.property, verdict.outcome, verdict.assertions) for verdict in expected.verdicts]
        assert [(v.property, v.outcome, {k: n for k, n in v.assertions.items() if n}) for v in found.verdicts] == [
            (name, outcome, {k: n for k, n in each.items() if n}) for name, outcome, each in told
        ], text.decode()
    return expected.outcome[0]


@counts
@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("pending_share", [0.0, 0.05])
@pytest.mark.parametrize("corrupted", [False, True])
def test_agrees_with_the_decision_on_the_whole(
    corrupted: bool, pending_share: float, by_id: bool, histories: int, tmp_path: Path
) -> None:
    generator = np.random.default_rng(8)
    found: dict[Outcome | None, int] = dict.fromkeys([*Outcome, None], 0)
    for _ in range(histories // 4):
        rows = brute.linearizable_rows(generator, None, int(generator.integers(5, 30)), pending_share)
        rows = brute.corrupted_rows(generator, rows) if corrupted else rows
        found[assert_agreement(rows, generator, tmp_path, by_id=by_id)] += 1
    assert found[Outcome.PASS] > 0
    assert found[None] == 0
    # which of several killed writers wrote an entry that no read names is a guess, here and in the whole
    assert (found[Outcome.FAIL] > 0) == corrupted or (by_id and pending_share > 0)


@counts
@pytest.mark.parametrize("by_id", [False, True])
def test_agrees_on_small_histories_of_any_kind(by_id: bool, histories: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(9)
    found: dict[Outcome | None, int] = dict.fromkeys([*Outcome, None], 0)
    families = [brute.FAMILIES[name] for name in brute.FAMILIES if name != "untold"]
    for number in range(histories):
        if number % 2:
            rows = families[number // 2 % len(families)](generator, None)
        else:
            rows = brute.mixed(generator, bool(generator.integers(2)), True, bool(generator.integers(2)))
        found[assert_agreement(rows, generator, tmp_path, by_id=by_id)] += 1
    assert found[Outcome.PASS] > histories // 20
    assert found[Outcome.FAIL] > histories // 20


def _told(time: int, process: int, kind: str, f: str, **fields: object) -> Event:
    return {"time": time, "process": process, "type": kind, "f": f, **fields}


_WRITTEN = [
    _told(0, 0, "invoke", "write", value=7, size=8),
    _told(1, 0, "ok", "write", value=7, size=8, id=0),
]


@pytest.mark.parametrize(
    "events",
    [
        [*_WRITTEN, _told(2, 1, "invoke", "skip", value=7), _told(3, 1, "ok", "skip", value=7, id=0)],
        [
            *_WRITTEN,
            _told(2, 1, "invoke", "read_many", batch=1),
            _told(2, 1, "invoke", "read_many", batch=1),
            _told(3, 1, "ok", "read_many", value=7, batch=1),
        ],
        [
            _WRITTEN[0],
            _told(1, 1, "invoke", "peek"),
            _told(1, 2, "invoke", "skip_force"),
            _told(2, 1, "ok", "peek", value=7, id=0),
            _told(3, 2, "ok", "skip_force", value=7, id=0),
        ],
    ],
    ids=["skip by value", "open batch", "peek before the write returns"],
)
def test_whoever_tells_no_size_is_not_torn(events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(text_of(events))
    for judged in (judge(str(path)), judge_stream(str(path))):
        assert judged.outcome[0] is Outcome.PASS, judged.outcome


def test_a_mismatch_without_the_head_is_no_false_alarm(tmp_path: Path) -> None:
    """A stream misses some of them, and says so."""
    generator = np.random.default_rng(5)
    path = tmp_path / "h.jsonl"
    found = 0
    for _ in range(200):
        path.write_bytes(text := text_of(as_events(spread(brute.FAMILIES["untold"](generator, None)), by_id=False)))
        expected = judge(str(path)).outcome[0]
        judged = streamed(text, generator)
        assert not judged.failed or expected is Outcome.FAIL, text.decode()
        assert judged.failed or [verdict.property for verdict in judged.undecided()] == ["mismatch"]
        found += judged.failed
    assert found > 20


def endless(count: int, start: int = 0) -> list[Event]:
    """Every message is written, and read while the next one is written."""
    events: list[Event] = []
    for number in range(start, start + count):
        time, name = 100 * number, f"m{number}"
        events += [
            {"time": time, "process": 0, "type": "invoke", "f": "write", "value": name},
            {"time": time + 20, "process": 0, "type": "ok", "f": "write", "value": name},
            {"time": time + 40, "process": 1, "type": "invoke", "f": "read"},
            {"time": time + 60, "process": 1, "type": "ok", "f": "read", "value": name},
        ]
    return events


def test_memory_stays_bounded_over_a_million_operations() -> None:
    words, header = vocabulary(), dict[str, Any]()
    stream = QueueStream("h", words)
    judge_it = StreamJudge("h", stream, window=10_000)
    line = 1
    for start in range(0, 500_000, 2_000):
        stream.add(read_piece("h", line, text_of(endless(2_000, start)), words, header))
        line += 8_000
        if judge_it.due:
            judge_it.judge()
        assert len(words.values.others) < 40_000, "names of messages stay"
    judge_it.judge(end=True)
    assert not judge_it.failed
    assert judge_it.online.most_held < 40_000
    assert judge_it.online.settled > 900_000
    integrity, fifo = judge_it.verdicts
    assert fifo.assertions["in FIFO order, by read"] == 500_000
    assert integrity.assertions["not duplicated: read"] == 500_000


def test_equal_stamps_over_a_cut_may_hide_either_order() -> None:
    events: list[Event] = [
        {"time": 0, "process": 1, "type": "invoke", "f": "read"},
        {"time": 5, "process": 1, "type": "ok", "f": "read", "value": 1},
        {"time": 5, "process": 0, "type": "invoke", "f": "write", "value": 1},
        {"time": 6, "process": 0, "type": "ok", "f": "write", "value": 1},
    ]
    for seed in range(10):
        assert not streamed(text_of(events), np.random.default_rng(seed)).failed
    events[2]["time"] = 6
    assert streamed(text_of(events), np.random.default_rng(1)).failed


@pytest.mark.parametrize("name", ["h.jsonl", "h.jsonl.gz"])
@pytest.mark.parametrize("drained", [False, True])
@pytest.mark.parametrize("capacity", [b"null", b"64"])
def test_files(name: str, drained: bool, capacity: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = endless(3_000)
    lost = endless(1, 3_000)[:2]
    text = b'{"history": 1, "capacity": ' + capacity + b"}\n" + text_of(events + lost)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    code = cli.main(["check", "--stream", str(path), *(["--drained"] if drained else [])])
    told = capsys.readouterr().out
    assert code == (1 if drained else 0 if capacity == b"null" else 4)
    assert ("[lost]" in told) == drained
    undecided = "not decided in a stream: 0 FULL, and whether all that was written fitted into 64"
    assert (undecided in told) == (code == 4)


def test_a_violation_is_shown_by_its_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = endless(2_000)
    events[4_003]["value"], events[4_007]["value"] = "m1001", "m1000"
    path = tmp_path / "h.jsonl"
    path.write_bytes(text_of(events))
    assert cli.main(["check", "--stream", str(path)]) == 1
    told = capsys.readouterr().out
    assert "[FRESH]" in told
    assert "line 4003: " in told
    assert "write 'm1001' -> ok" in told


def event(time: int, process: int | str, kind: str, f: str, **fields: object) -> Event:
    return {"time": time, "process": process, "type": kind, "f": f, **fields}


@pytest.mark.parametrize(
    ("events", "line", "words"),
    [
        ([event(0, 0, "invoke", "read", colour="red")], 1, "unknown field 'colour'"),
        ([event(0, 0, "ok", "read", value=1)], 1, "no open call"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "invoke", "read")], 2, "open since line 1"),
        ([event(5, 0, "invoke", "read"), event(4, 0, "ok", "read", value=1)], 2, "time runs backwards"),
        ([event(5, 0, "invoke", "read"), event(4, 1, "invoke", "read")], 2, "come in order of time"),
        ([event(5, 0, "ok", "read"), event(4, 1, "invoke", "read")], 1, "no open call"),
        ([event(0, 0, "invoke", "read"), '{"time": 1, "proc'], 2, "not JSON"),
        ([event(0, 0, "invoke", "write", value=1), event(0, 1, "invoke", "write", value=1)], 2, "already written"),
        ([event(0, 0, "invoke", "write", value="a"), event(0, 1, "invoke", "write", value="a")], 2, "'a' was already"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "ok", "read")], 1, "says no value"),
        ([event(0, 0, "invoke", "dance")], 1, "'dance' is none of a queue"),
        ([event(0, 0, "invoke", "read"), event(1, 0, "info", "read"), event(2, 0, "invoke", "read")], 3, "after info"),
        (['{"history": 1, "spec": "register"}'], 1, "--stream judges a fifo alone"),
    ],
)
def test_bad_input_is_refused_with_its_line(
    events: list[Event | str], line: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in events) + "\n")
    assert cli.main(["check", "--stream", str(path)]) == EXIT_USAGE
    told = capsys.readouterr().err
    assert words in told
    assert f"{path}:{line}:" in told


def test_a_last_line_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(text_of(endless(2))[:-10])
    with pytest.raises(HistoryError, match=r":8: .*cut short"):
        judge_stream(str(path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["h.jsonl", "--spec", "register"], "--stream judges a fifo alone, not 'register'"),
        (["h.npz"], "a stream is JSON Lines"),
        (["h.edn"], "a stream is JSON Lines"),
        (["absent.jsonl"], "absent.jsonl"),
    ],
)
def test_what_is_no_stream(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--stream", *arguments]) == EXIT_USAGE
    assert words in capsys.readouterr().err


def test_a_call_that_never_returns_holds_what_comes_after_until_memory_is_over(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    lost = [event(0, "killed", "invoke", "read"), event(0, "killed", "info", "read")]
    path.write_bytes(text_of(lost + endless(60_000)))
    with pytest.raises(HistoryError, match=r"the call in line 1 is still open.*--memory"):
        judge_stream(str(path), memory=40_000_000)


def test_a_pipe_without_end_is_told_of_its_first_violation() -> None:
    wrong = endless(2)
    wrong[3]["value"], wrong[7]["value"] = "m1", "m0"
    checker = subprocess.Popen(
        [sys.executable, "-m", "harness", "check", "--stream", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert checker.stdin is not None
    assert checker.stdout is not None
    try:
        checker.stdin.write(text_of(wrong))
        checker.stdin.flush()
        # the pipe stays open: nothing says that this was all
        assert checker.wait(timeout=60) == 1
        assert b"FAIL" in checker.stdout.read()
    finally:
        checker.kill()
        checker.wait()
        for pipe in (checker.stdin, checker.stdout, checker.stderr):
            assert pipe is not None
            pipe.close()


def test_pieces_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(text_of(endless(30)))
    for size in (1, 7, 100, 1_000):
        monkeypatch.setattr(line_pieces, "PIECE_BYTES", size)
        judgement = judge_stream(str(path))
        assert judgement.outcome[0] is Outcome.PASS
        assert judgement.verdicts[1].assertions["removed once by read"] == 30


def test_a_skip_waits_for_the_write_that_tells_its_entry() -> None:
    events = [
        event(0, 0, "invoke", "write", value="a"),
        event(1, 1, "invoke", "skip", id=7),
        event(2, 1, "ok", "skip", id=7),
        event(3, 2, "invoke", "write", value="b"),
        event(4, 2, "ok", "write", value="b", id=8),
        event(9, 0, "ok", "write", value="a", id=7),
        event(10, 2, "invoke", "read"),
        event(11, 2, "ok", "read", value="b", id=8),
    ]
    for seed in range(10):
        assert not streamed(text_of(events), np.random.default_rng(seed)).failed
    events[5]["id"] = 9
    assert streamed(text_of(events), np.random.default_rng(1)).failed
