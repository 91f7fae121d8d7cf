"""A saved program that is none, or that nothing can run, is one clear error before anything is explored."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from channel import ChannelConfig
from harness.cli import cli
from harness.program import Program, ProgramError

CALL = {"kind": "write", "value": 1, "size": 8}


def program(**changes: Any) -> dict[str, Any]:
    good = {"program": 1, "name": "x", "capacity": 48, "config": {}, "seed": 0, "workers": [[CALL]]}
    return good | changes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "a program is a JSON object"),
        (5, "a program is a JSON object"),
        (None, "a program is a JSON object"),
        ({"program": 1}, "lacks name, capacity"),
        *((program(capacity=bad), "capacity is a whole number from 32") for bad in ("48", 48.5, -1, 10**30, True)),
        *((program(config=bad), "config is an object") for bad in ([], None)),
        *((program(config={"max_round_trips": bad}), "config: max_round_trips is") for bad in ("1", -1, 2**40)),
        (program(config={"retries": 1}), "unknown fields ['retries'] in config"),
        *((program(workers=bad), "workers is a list of lists") for bad in ("abc", 5, ["abc"], {})),
        (program(workers=[[], []]), "at least one operation"),
        (program(workers=[[5]]), "an operation is an object"),
        *((program(workers=[[CALL | {"size": bad}]]), "size is a whole number") for bad in (-1, 2**33)),
        *((program(workers=[[CALL | {"value": bad}]]), "value is a whole number") for bad in (-5, "x", 1.5)),
        *((program(workers=[[CALL | {"count": bad}]]), "count is a whole number from 1") for bad in (0, 2**31)),
        (program(workers=[[CALL | {"timeout": -7}]]), "timeout is a whole number from -1"),
        (program(workers=[[CALL | {"kind": "write_many", "count": 2**24}] * 2]), "at most 16777216 operations"),
    ],
)
def test_what_is_no_program_is_refused(data: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ProgramError) as raised:
        Program.load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe", "not UTF-8"), (b"[" * 100_000, "nested too deeply"), (b"{", "not JSON"), (b"9" * 5000, "not JSON")],
)
def test_what_is_no_json_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    path.write_bytes(content)
    with pytest.raises(ProgramError, match=message):
        Program.load(path)


def test_a_program_loads_as_it_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "program.json"
    path.write_text(json.dumps(program(config={"max_round_trips": 3})))
    loaded = Program.load(path)
    loaded.save(path)
    assert Program.load(path).digest == loaded.digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("explore mwmr --writers 9 --messages 9", "at most 8 workers"),
        ("explore mwmr --messages 1000000000", "too large to explore"),
        ("explore swsr --writers 2", "swsr has one reader and one writer"),
        ("explore mwsr --readers 2", "mwsr has one reader"),
        ("explore swsr --executions 99999999999999999999", "--executions"),
        ("explore swsr --seconds nan", "nan is no finite number of seconds"),
        ("explore swsr --crashes 2", "crashes are for the driver 'crash'"),
        ("replay swsr explore2:0:0:A --kill 0@9", "give the worker's letter and its step, as A@12"),
        ("replay swsr explore2:0:0:A --kill A@99999999999999999999", "beyond every program"),
        ("explore swsr --json /nowhere/at/all.json", "/nowhere/at/all.json"),
        ("explore swsr --report /proc/nowhere/report", "/proc/nowhere"),
    ],
)
def test_options_that_make_no_sense_are_one_line_and_exit_code_2(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments.split()) == 2
    output = capsys.readouterr()
    assert not output.out
    (line,) = output.err.splitlines()
    assert message in line


def test_a_saved_program_may_name_every_field_of_the_config() -> None:
    config = {each.name: each.default for each in fields(ChannelConfig)}
    assert Program.from_json(program(config=config)).config == config
    with pytest.raises(ProgramError, match=", ".join(config)):
        Program.from_json(program(config={"other": 1}))


def test_nine_saved_workers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "program.json"
    path.write_text(json.dumps(program(workers=[[CALL | {"value": number}] for number in range(1, 10)])))
    assert cli.main(["explore", str(path)]) == 2
    assert "at most 8 workers" in capsys.readouterr().err
