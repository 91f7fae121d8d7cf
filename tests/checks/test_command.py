"""The ``check`` command: exit codes, verdicts, and words."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.checks.specifications import SPECIFICATIONS
from harness.cli import EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_PIPE, EXIT_USAGE, cli

GOOD = """{"history": 1, "spec": "fifo"}
{"time": 0, "process": 0, "type": "invoke", "f": "write", "value": "a"}
{"time": 1, "process": 0, "type": "ok", "f": "write", "value": "a"}
{"time": 2, "process": 1, "type": "invoke", "f": "read"}
{"time": 3, "process": 1, "type": "ok", "f": "read", "value": "a"}
"""
BAD = GOOD.replace('"ok", "f": "read", "value": "a"', '"fail", "f": "read", "error": "empty"')
REGISTER = """INFO  jepsen.util - 0  :invoke  :write  4
INFO  jepsen.util - 0  :ok  :write  4
INFO  jepsen.util - 1  :invoke  :read  nil
INFO  jepsen.util - 1  :ok  :read  4
"""

OWN_SPECIFICATION = '''
class Counter:
    """Counts."""

    def __init__(self, capacity=None):
        pass

    def init(self):
        return 0

    def step(self, state, operation):
        if operation.f == "add":
            return state + operation.argument
        return state if operation.pending or state == operation.result else None
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.jsonl").write_text(GOOD)
    (tmp_path / "bad.jsonl").write_text(BAD)
    (tmp_path / "register.log").write_text(REGISTER)
    (tmp_path / "wrong.log").write_text(REGISTER.replace(":read  4", ":read  5"))
    (tmp_path / "nothing.jsonl").write_text('{"history": 1}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["good.jsonl"], 0, "PASS"),
        (["bad.jsonl"], 1, "[EMPTY]"),
        (["good.jsonl", "bad.jsonl"], 1, "FAIL"),
        (["nothing.jsonl"], 4, "INCONCLUSIVE"),
        (["register.log", "--spec", "register"], 0, "linearizable as Register"),
        (["wrong.log", "--spec", "register"], 1, "[STUCK]"),
        (["good.jsonl", "--spec", "multiset"], 0, "PASS"),
    ],
)
def test_verdicts(arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", *arguments]) == code
    assert words in capsys.readouterr().out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.jsonl"], "absent.jsonl"),
        (["good.jsonl", "--spec", "nothing"], "no specification 'nothing'"),
        (["good.jsonl", "--spec", "fifo-messages"], "good.jsonl: BoundedFifo: this specification needs a capacity"),
        (["good.jsonl", "--budget", "0"], "0"),
        (["good.jsonl", "--budget", "nan"], "expected a finite number"),
        (["good.jsonl", "--memory", "inf"], "expected a finite number"),
        (["register.log", "--spec", "key-value"], "takes a pair"),
        ([], "no FILE"),
        (["-", "good.jsonl", "-"], "'-' is given twice"),
    ],
)
def test_what_is_not_understood_gets_one_line_and_no_verdict(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *arguments]) == EXIT_USAGE
    told = capsys.readouterr()
    assert words in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert not told.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["absent.jsonl", "good.jsonl"], 2),
        (["absent.jsonl", "nothing.jsonl"], 2),
        (["good.jsonl", "absent.jsonl", "bad.jsonl"], 1),
        (["nothing.jsonl", "good.jsonl"], 4),
    ],
)
def test_a_file_that_is_not_understood_hides_no_verdict(
    files: list[str], code: int, jobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *files, "--jobs", jobs]) == code
    told = capsys.readouterr()
    for file in files:
        assert file in (told.err if file == "absent.jsonl" else told.out)


def test_json(folder: Path) -> None:
    assert cli.main(["check", "good.jsonl", "bad.jsonl", "--json", "out.json"]) == 1
    written = json.loads((folder / "out.json").read_text())
    assert [file["outcome"] for file in written["files"]] == ["pass", "fail"]
    assert written["files"][1]["operations"]


def test_the_list_of_specifications(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--spec", "?"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()] == list(SPECIFICATIONS)


def test_a_specification_of_ones_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "own_counter.py").write_text(OWN_SPECIFICATION)
    monkeypatch.syspath_prepend(str(folder))
    events = [(0, "invoke", "add", 2), (1, "ok", "add", 2), (2, "invoke", "get", None), (3, "ok", "get", 2)]
    lines = [
        json.dumps({"time": time, "process": 0, "type": kind, "f": f, "value": value})
        for time, kind, f, value in events
    ]
    (folder / "count.jsonl").write_text("\n".join(lines) + "\n")
    assert cli.main(["check", "count.jsonl", "--spec", "own_counter:Counter"]) == 0
    (folder / "count.jsonl").write_text("\n".join(lines).replace('"value": 2}', '"value": 3}', 1) + "\n")
    assert cli.main(["check", "count.jsonl", "--spec", "own_counter:Counter"]) == 1
    sys.modules.pop("own_counter", None)


def test_a_value_forges_no_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "odd.jsonl").write_text(BAD.replace('"a"', json.dumps("\x1b[2J\nPASS  all.jsonl")))
    assert cli.main(["check", "odd.jsonl"]) == 1
    told = capsys.readouterr().out
    assert r"\x1b[2J\nPASS  all.jsonl" in told
    assert not any(line.startswith("PASS") for line in told.splitlines())


@pytest.mark.parametrize("option", ["--json", "--report"])
def test_results_that_cannot_be_written_are_an_error_before_the_work(
    folder: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "good.jsonl", option, str(folder / "good.jsonl" / "out")]) == EXIT_USAGE
    told = capsys.readouterr()
    assert "cannot write the results" in told.err
    assert len(told.err.splitlines()) == 1
    assert not told.out


@pytest.mark.parametrize(
    ("odd", "words"),
    [(r'"value": "\ud800"', "half of a surrogate pair"), ('"value": "a", "value": "a"', "'value' occurs twice")],
)
def test_a_line_that_is_refused_is_named_once(
    folder: Path, odd: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.jsonl").write_text(GOOD.replace('"value": "a"', odd))
    assert cli.main(["check", "odd.jsonl", "--json", "out.json"]) == EXIT_USAGE
    told = capsys.readouterr().err
    assert told.count("odd.jsonl:2: ") == 1
    assert words in told


def test_an_interrupt_ends_what_is_being_judged(folder: Path) -> None:
    """Two files that never end are being read, each in a process of its own; the signal goes to the first process."""
    for name in ("one.jsonl", "two.jsonl"):
        os.mkfifo(folder / name)
    program = "import sys; from harness.cli import cli; sys.exit(cli.main(['check', 'one.jsonl', 'two.jsonl']))"
    # the guard is what a process that is spawned must not run again
    (folder / "program.py").write_text(f"if __name__ == '__main__':\n    {program}\n")
    with (
        subprocess.Popen([sys.executable, "program.py"], cwd=folder, stderr=subprocess.PIPE) as running,
        (folder / "one.jsonl").open("wb"),
        (folder / "two.jsonl").open("wb"),
    ):
        # both are open to be read
        running.send_signal(signal.SIGINT)
        try:
            _, told = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == EXIT_INTERRUPTED
    assert told.endswith(b"interrupted\n")


@pytest.mark.parametrize("file", ["good.jsonl", "bad.jsonl"])
def test_a_closed_output_is_no_violation(folder: Path, file: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [
        sys.executable,
        "-c",
        f"import sys; from harness.cli import cli; sys.exit(cli.main(['check', '{file}']))",
    ]
    try:
        done = subprocess.run(command, cwd=folder, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (EXIT_PIPE, b"")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_specification_that_leaves_hides_no_verdict(
    folder: Path, jobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = 'if operation.f == "read":\n            raise SystemExit(0)\n        if operation.f == "write"'
    (folder / "own_leaver.py").write_text(OWN_SPECIFICATION.replace('if operation.f == "add"', answers))
    (folder / "whole.jsonl").write_text(GOOD.replace('"a"', "1"))
    (folder / "written.jsonl").write_text("\n".join(GOOD.replace('"a"', "1").splitlines()[:3]))
    arguments = ["written.jsonl", "whole.jsonl", "written.jsonl", "--spec", "own_leaver:Counter", "--jobs", jobs]
    assert cli.main(["check", *arguments]) == EXIT_USAGE
    told = capsys.readouterr()
    assert told.out.count("written.jsonl  linearizable: nothing was checked") == 2
    assert "whole.jsonl:" in told.err
    assert "step failed: SystemExit" in told.err
    sys.modules.pop("own_leaver", None)


def test_a_history_names_no_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is data: what its header says imports nothing."""
    (folder / "own_trap.py").write_text(OWN_SPECIFICATION + "open('ran', 'w').close()\n")
    (folder / "odd.jsonl").write_text(GOOD.replace('"fifo"', '"own_trap:Counter"'))
    assert cli.main(["check", "odd.jsonl", "good.jsonl"]) == EXIT_USAGE
    told = capsys.readouterr()
    assert "odd.jsonl:1: spec 'own_trap:Counter'; a header names one of fifo," in told.err
    assert "PASS" in told.out
    assert not (folder / "ran").exists()


def test_a_report_has_the_timeline_of_any_history(folder: Path) -> None:
    assert cli.main(["check", "good.jsonl", "bad.jsonl", "--report", "out"]) == 1
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('<figure class="timeline"') >= 2
    assert "bad.jsonl" in page
    records = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))["records"]
    assert [record["outcome"] for record in records] == ["pass", "fail"]
    assert records[0]["sample"]["calls"][0]["told"] == "'a' -> ok"
    assert records[1]["failures"][-1]["timeline"]["stuck"] == 1


def test_a_report_shows_where_the_search_sticks(folder: Path) -> None:
    assert cli.main(["check", "wrong.log", "--spec", "register", "--report", "out"]) == 1
    record = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))["records"][0]
    timeline = record["failures"][0]["timeline"]
    assert (timeline["stuck"], timeline["clock"]) == (1, "order")
    assert [(call["rank"], call["point"]) for call in timeline["calls"]] == [(1, 0), (None, None)]


def test_workers_keep_the_names_that_they_had(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "named.jsonl").write_text(BAD.replace('"process": 0', '"process": "alice"'))
    assert cli.main(["check", "named.jsonl", "--report", "out"]) == 1
    assert "process alice write 'a' -> ok" in capsys.readouterr().out
    records = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))["records"]
    assert {call["worker"] for call in records[0]["failures"][-1]["timeline"]["calls"]} == {"alice", "1"}


@pytest.mark.parametrize(("arguments", "last"), [(["bad.jsonl"], 1), (["good.jsonl"], 0)])
def test_the_page_calls_processes_as_the_file_does(folder: Path, arguments: list[str], last: int) -> None:
    assert cli.main(["check", *arguments, "--report", "out"]) == last
    page = (folder / "out" / "index.html").read_text(encoding="utf-8")
    (lanes,) = re.findall(r'<div class="tl-names".*', page)
    assert ">process 0<" in lanes
    assert "worker" not in lanes
    assert '<th scope="col">process</th>' in page


@pytest.mark.parametrize(
    ("name", "time", "clock"),
    [("h.txt", "", "order"), ("h.edn", "", "order"), ("h.edn", ":time 7", "ns"), ("h.log", ":time 7", "ns")],
)
def test_where_there_is_no_time_the_timeline_has_none(folder: Path, name: str, time: str, clock: str) -> None:
    """Places in the file stand in for it, and are not to be read as ns."""
    events = "".join(
        f"{{:process {process}, :type :{kind}, :f :{f}, :value {value} {time}}}\n"
        for kind, out in (("invoke", "nil"), ("ok", "5"))
        for process, f, value in ((0, "enqueue", "5"), (1, "dequeue", out))
    )
    bare = "0\t:invoke\t:enqueue\t5\n0\t:ok\t:enqueue\t5\n1\t:invoke\t:dequeue\tnil\n1\t:ok\t:dequeue\t5\n"
    Path(name).write_text(bare if name == "h.txt" else events)
    assert cli.main(["check", name, "--report", "out"]) == 0
    record = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))["records"][0]
    assert record["sample"]["clock"] == clock


def _refusing(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Files of these names may not be opened, as by a user who is not root."""
    plain = io.open

    def opened(file: Any, *arguments: Any, **named: Any) -> Any:
        if Path(str(file)).name in names:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return plain(file, *arguments, **named)

    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr("builtins.open", opened)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *(
            (name, arguments)
            for name in ("h.jsonl", "h.jsonl.gz", "h.edn", "h.log", "h.npz", "h.npz.gz")
            for arguments in ([], ["--spec", "multiset"])
        ),
        ("h.jsonl", ["--stream"]),
        ("h.jsonl.gz", ["--stream"]),
    ],
)
def test_a_file_that_may_not_be_read_is_named(
    folder: Path, name: str, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and the other file has its verdict."""
    Path(name).write_text(GOOD)
    _refusing(monkeypatch, name)
    assert cli.main(["check", "--jobs", "1", name, "good.jsonl", *arguments]) == EXIT_USAGE
    told = capsys.readouterr()
    assert told.err == f"channel-harness check: {name}: cannot be read: Permission denied\n"
    assert told.out.startswith("PASS")


def test_a_report_says_what_was_not_understood(folder: Path) -> None:
    (folder / "odd.jsonl").write_text("{")
    assert cli.main(["check", "odd.jsonl", "--report", "out"]) == EXIT_USAGE
    assert "<h1>INCONCLUSIVE</h1>" in (folder / "out" / "index.html").read_text(encoding="utf-8")


def _judged(tmp_path: Path, capsys: pytest.CaptureFixture[str], *calls: tuple[str, str]) -> tuple[int, str]:
    """Exit code and output for calls of process 1, one after the other, on a queue of the messages 7 and 8."""
    written = [(f'"f": "write", "value": {value}', f'"type": "ok", "id": {value}') for value in (7, 8)]
    lines = []
    for at, (asked, answered) in enumerate([*written, *calls]):
        who = '"process": 1'
        f = asked.split(",")[0]
        lines.append(f'{{"time": {2 * at}, {who}, "type": "invoke", {asked}}}')
        lines.append(f'{{"time": {2 * at + 1}, {who}, {f}, {answered}}}')
    path = tmp_path / "told.jsonl"
    path.write_text("\n".join(lines) + "\n")
    code = cli.main(["check", str(path)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize(
    ("asked", "answered", "words"),
    [
        ('"f": "read"', '"type": "fail", "error": "full"', "read fails with full, which it cannot"),
        ('"f": "write", "value": 9', '"type": "fail", "error": "empty"', "write fails with empty, which it cannot"),
        ('"f": "peek"', '"type": "fail", "error": "mismatch", "value": 55', "peek fails with mismatch"),
        ('"f": "peek", "timeout": 1', '"type": "fail", "error": "timeout"', "peek fails with timeout"),
        ('"f": "skip", "value": 8', '"type": "ok", "value": 7', "a skip of 8 removed 7"),
    ],
)
def test_an_answer_that_the_operation_cannot_have_is_refused(
    asked: str, answered: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = _judged(tmp_path, capsys, (asked, answered))
    assert code == 2
    assert f"told.jsonl:5: {words}" in told


@pytest.mark.parametrize(
    ("asked", "answered", "rule"),
    [
        ('"f": "skip", "value": 7', '"type": "fail", "error": "mismatch", "value": 7', "own mismatch"),
        ('"f": "skip", "id": 8', '"type": "ok", "value": 7, "id": 7', "other entry"),
    ],
)
def test_a_skip_that_is_answered_for_another_message_is_a_violation(
    asked: str, answered: str, rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = _judged(tmp_path, capsys, (asked, answered))
    assert code == 1
    assert f"integrity: {rule}:" in told
    assert "line 5:" in told


def test_a_full_without_a_capacity_is_named_and_hides_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "full.jsonl"
    path.write_text(
        '{"time": 0, "process": 0, "type": "invoke", "f": "write", "value": 1}\n'
        '{"time": 1, "process": 0, "type": "fail", "f": "write", "error": "full"}\n'
        '{"time": 2, "process": 0, "type": "invoke", "f": "read"}\n'
        '{"time": 3, "process": 0, "type": "fail", "f": "read", "error": "empty"}\n'
    )
    assert cli.main(["check", str(path)]) == 0
    assert "1 FULL not judged: the capacity is unknown" in capsys.readouterr().out


def run_check(folder: Path, *arguments: str, text: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "check", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, cwd=folder, input=text, text=True, timeout=60, check=False, **pipes)


def test_standard_input_beside_files(folder: Path) -> None:
    (folder / "own.py").write_text(OWN_SPECIFICATION)
    told = run_check(folder, "good.jsonl", "-", "nothing.jsonl", text=BAD)
    assert told.returncode == 1, told
    assert [line.split()[:2] for line in told.stdout.splitlines() if line[0] != " "] == [
        ["PASS", "good.jsonl"],
        ["FAIL", "-"],
        ["INCONCLUSIVE", "nothing.jsonl"],
    ]
    counted = GOOD.replace('"fifo"', '"own"').replace("write", "add").replace('"a"', "3")
    (folder / "count.jsonl").write_text(counted)
    told = run_check(folder, "count.jsonl", "-", "--spec", "own:Counter", text=counted.replace("3}", "4}", 1))
    assert told.returncode == 1, told
    assert told.stdout.count("PASS") == 1 + 1, told.stdout
    assert "FAIL         -" in told.stdout


@pytest.mark.parametrize("leave", ["os._exit(0)", "os.kill(os.getpid(), 11)"])
@pytest.mark.parametrize("files", [["good.jsonl"], ["-"], ["good.jsonl", "empty.jsonl"]])
def test_a_specification_that_ends_its_process_is_named_with_the_file(
    folder: Path, files: list[str], leave: str
) -> None:
    (folder / "empty.jsonl").write_text('{"history": 1}\n')
    (folder / "leaves.py").write_text(
        "import os\n" + OWN_SPECIFICATION.replace("if operation.f", f"{leave}\n        if operation.f")
    )
    told = run_check(folder, *files, "--spec", "leaves:Counter", text=GOOD)
    assert told.returncode == EXIT_USAGE, told
    assert f"{files[0]}: the process that judged it ended without an answer; does leaves:Counter end it" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert ("INCONCLUSIVE empty.jsonl" in told.stdout) == (len(files) == 2)


@pytest.mark.parametrize("arguments", [["good.jsonl"], ["bad.jsonl", "--json", "-"]])
def test_an_output_that_cannot_be_written_is_one_line_and_no_pass(folder: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        told = run_check(folder, *arguments, stdout=full)
    assert told.returncode == EXIT_ENVIRONMENT
    assert "the output could not be written: No space left on device" in told.stderr.splitlines()[-1]
    assert "Traceback" not in told.stderr


FULL_TOO_EARLY = """{"history": 1, "capacity": 3}
{"time": 1000, "process": "w", "type": "invoke", "f": "write", "value": 7, "cost": 2}
{"time": 1001, "process": "w", "type": "ok", "f": "write", "value": 7}
{"time": 1002, "process": "w", "type": "invoke", "f": "write", "value": "8", "cost": 1}
{"time": 1003, "process": "w", "type": "fail", "f": "write", "error": "full"}
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FULL_TOO_EARLY, "a message of cost 1 was said not to fit, but at no instant could more than 2 of 3 have been"),
        (FULL_TOO_EARLY, "    line 4: process w write '8' -> full  [1002 .. 1003]"),
        (FULL_TOO_EARLY.replace('"cost": 1', '"cost": 2').replace('"fail"', '"ok"').replace(', "error": "full"', ""),
         "messages of cost 4 were surely inside at once; the capacity is 3"),
        (FULL_TOO_EARLY.replace('"8"', "8").replace('"write", "error": "full"', '"write", "error": "full", "id": 3'),
         "    line 4: process w write 8 -> full id 3  [1002 .. 1003]"),
        (FULL_TOO_EARLY.split("\n", 3)[0] + "\n" + BAD.replace('"a"', "1099511627783").split("\n", 1)[1],
         "    line 2: process 0 write 1099511627783 -> ok  [0 .. 1]"),
    ],
)  # fmt: skip
def test_a_witness_speaks_the_language_of_its_file(
    folder: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its values, its times, its lines, and the unit of its capacity."""
    (folder / "h.jsonl").write_text(text)
    assert cli.main(["check", "h.jsonl"]) == 1
    assert words in capsys.readouterr().out


def test_what_was_only_written_is_not_said_to_be_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "pending.jsonl").write_text("\n".join(GOOD.splitlines()[:2]) + "\n")
    assert cli.main(["check", "pending.jsonl"]) == 4
    told = capsys.readouterr().out
    assert "nothing was checked: no operation says anything of integrity" in told
    assert "once and whole" not in told
