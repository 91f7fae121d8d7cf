"""results.json, junit.xml and what a report comes to."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from referencing import Registry, Resource

import reports
from harness.record import Failure, Interleaving, RecordError, RunRecord, Step, Timeline, TimelineCall
from harness.verdict import Outcome, Verdict, Witness
from reports import github
from reports.command import command
from reports.results import load_records, overall
from tests.reports.records import dead, failed, inconclusive, record

SCHEMAS = Path(reports.__file__).parent / "schema"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    run_record, results = (
        json.loads((SCHEMAS / name).read_text("utf-8")) for name in ("run-record.json", "results.json")
    )
    jsonschema.Draft202012Validator.check_schema(run_record)
    jsonschema.Draft202012Validator.check_schema(results)
    registry: Registry[Any] = Registry().with_resource(run_record["$id"], Resource.from_contents(run_record))
    return jsonschema.Draft202012Validator(results, registry=registry)


def test_results_meet_their_schema(
    mixed: list[RunRecord], tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    reports.write_json(mixed, tmp_path / "results.json")
    validator.validate(json.loads((tmp_path / "results.json").read_text("utf-8")))
    assert load_records(tmp_path / "results.json") == [RunRecord.from_json(one.to_json()) for one in mixed]


def test_the_schema_names_every_field_and_refuses_others(
    mixed: list[RunRecord], validator: jsonschema.Draft202012Validator
) -> None:
    for name in mixed[1].to_json():
        data = json.loads(json.dumps({"records": [mixed[1].to_json()]}))
        del data["records"][0][name]
        assert any(name in error.message for error in validator.iter_errors(data)), name
    data = {"records": [mixed[1].to_json() | {"surprise": 1}]}
    assert any("surprise" in error.message for error in validator.iter_errors(data))


@pytest.mark.parametrize(
    ("records", "outcome"),
    [
        ([], Outcome.INCONCLUSIVE),
        ([record()], Outcome.PASS),
        ([record(), inconclusive()], Outcome.INCONCLUSIVE),
        ([inconclusive(), failed(), record()], Outcome.FAIL),
    ],
)
def test_overall(records: list[RunRecord], outcome: Outcome) -> None:
    assert reports.overall(records)[0] is outcome


def test_records_without_an_assertion_are_no_pass() -> None:
    assert reports.overall([replace(record(), verdicts=())])[0] is Outcome.INCONCLUSIVE


def test_a_pass_of_nothing_beside_others_is_no_pass() -> None:
    hollow = replace(record("swsr", "threads"), verdicts=())
    outcome, reason = overall([record("mwsr", "threads"), hollow])
    assert outcome is Outcome.INCONCLUSIVE
    assert reason.endswith(": nothing was checked")


def test_a_record_that_says_pass_beside_a_failed_verdict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    replace(failed("lost"), outcome=Outcome.PASS).save(path)
    with pytest.raises(RecordError, match="says pass, although its verdict on fifo is fail"):
        load_records(path)


def test_junit_has_a_case_per_property(mixed: list[RunRecord], tmp_path: Path) -> None:
    reports.write_junit(mixed, tmp_path / "junit.xml")
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert len(root) == len(mixed)
    assert len(root.findall(".//testcase")) == sum(len(one.verdicts) for one in mixed) == int(root.get("tests", ""))
    assert (root.get("failures"), root.get("errors")) == ("2", "1")
    told = " ".join(element.text or "" for element in root.iter("failure"))
    assert "worker 2 try_read message 0:18" in told
    assert "SIGSEGV" in told
    assert "\x1b" not in told


def test_junit_of_a_run_without_verdicts_is_an_error(tmp_path: Path) -> None:
    reports.write_junit([replace(record(), verdicts=(), outcome=Outcome.INCONCLUSIVE)], tmp_path / "junit.xml")
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().get("errors") == "1"


def test_github_annotations_are_one_line_each_and_escaped() -> None:
    lines = github.error_annotations([failed("\n::error::100%, sure"), dead()])
    assert len(lines) == 2
    assert all(line.startswith("::error file=scenarios/") and "\n" not in line for line in lines)
    assert "%0A::error::100%25" in lines[0]


def test_github_is_told_only_where_its_variables_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    github.announce([failed()], {})
    assert capsys.readouterr() == ("", "")
    github.announce([failed()], {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")})
    assert "::error" in capsys.readouterr().err
    assert "FAIL" in (tmp_path / "summary").read_text("utf-8")


def test_the_command_merges_files_and_exits_with_the_outcome(tmp_path: Path) -> None:
    record().save(tmp_path / "one.json")
    reports.write_json([failed(), record("swsr")], tmp_path / "more.json")
    words = [str(tmp_path / "one.json"), str(tmp_path / "more.json"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(command, words, standalone_mode=False)
    assert result.return_value == 1
    assert len(json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["records"]) == 3


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"results": 2}', '{"run_record": 9}', '{"results": 1}'])
def test_the_command_names_the_file_that_it_cannot_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.json").write_text(content, "utf-8")
    result = CliRunner().invoke(command, [str(tmp_path / "odd.json"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "odd.json" in result.output
    assert not (tmp_path / "out").exists()


def test_pictures_meet_the_schema_and_come_back(tmp_path: Path, validator: jsonschema.Draft202012Validator) -> None:
    calls = (
        TimelineCall((4, 5), "a", "write_many", "x", "ok", 0, 9, 0, 1, 3),
        TimelineCall((6,), "b", "read", "y", "pending", 2, None, 1),
    )
    timeline = Timeline(calls, 9, "nearest", "order", (4,), "It sticks.", 6)
    steps = (Step(0, "head -> 1 acq", 2, "", "channel/core/channel.hpp", 9, "load()"), Step(-1, "", note="deadlock: x"))
    failure = Failure("fifo", "ORDER", "s", timeline=timeline, interleaving=Interleaving(1, steps))
    verdict = Verdict.failed("linearizable", "STUCK", Witness("s", (4, 6), (4,)))
    pictured = replace(record(), failures=(failure,), sample=timeline, verdicts=(verdict,), outcome=Outcome.FAIL)
    reports.write_json([pictured], tmp_path / "results.json")
    validator.validate(json.loads((tmp_path / "results.json").read_text("utf-8")))
    assert load_records(tmp_path / "results.json")[0].failures == (failure,)
    assert load_records(tmp_path / "results.json")[0].sample == timeline


@pytest.mark.parametrize("kind", ["gate", "bench"])
def test_what_only_compares_or_measures_is_told_in_its_own_words(kind: str) -> None:
    measured = replace(record(), kind=kind, reason="52 figures measured")
    assert overall([measured]) == (Outcome.PASS, "52 figures measured")
    assert overall([measured, record()]) == (Outcome.PASS, "every assertion holds")
