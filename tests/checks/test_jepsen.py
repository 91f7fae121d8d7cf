"""Jepsen's histories in every form that they have been seen in: understood, or refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks import check_fifo
from harness.checks.linearizability import check_specification
from harness.checks.specifications import find
from harness.exchange import load_history, load_recording
from harness.history import HistoryError
from harness.verdict import Outcome

REGISTER = """{:process 0, :type :invoke, :f :write, :value 1, :time 10, :index 0}
{:process 0, :type :ok, :f :write, :value 1, :time 20, :index 1}
{:process 1, :type :invoke, :f :read, :value nil, :time 30, :index 2}
{:process 1, :type :ok, :f :read, :value 1, :time 40, :index 3}
"""
LOG = """INFO  jepsen.util - 0\t:invoke\t:write\t1
INFO  jepsen.util - 0\t:ok\t:write\t1
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 1\t:ok\t:read\t1
"""
UNTIMED = (
    REGISTER.replace(", :time 10", "").replace(", :time 20", "").replace(", :time 30", "").replace(", :time 40", "")
)
MAP = """{:process 0, :type :invoke, :f :append, :key "k", :value "a"}
{:process 0, :type :ok, :f :append, :key "k", :value "a"}
{:process 0, :type :invoke, :f :append, :key "k", :value "b"}
{:process 1, :type :invoke, :f :get, :key "other", :value nil}
{:process 1, :type :ok, :f :get, :key "other", :value ""}
{:process 0, :type :ok, :f :append, :key "k", :value "b"}
{:process 1, :type :invoke, :f :get, :key "k", :value nil}
{:process 1, :type :ok, :f :get, :key "k", :value "ab"}
{:process 1, :type :invoke, :f :put, :key "k", :value "c"}
{:process 1, :type :ok, :f :put, :key "k", :value "c"}
{:process 0, :type :invoke, :f :get, :key "k", :value nil}
{:process 0, :type :ok, :f :get, :key "k", :value "c"}
"""
QUEUE = """{:process 0, :type :invoke, :f :enqueue, :value 1, :time 10}
{:process 0, :type :ok, :f :enqueue, :value 1, :time 20}
{:process 0, :type :invoke, :f :enqueue, :value 2, :time 21}
{:process 0, :type :ok, :f :enqueue, :value 2, :time 22}
{:process 1, :type :invoke, :f :drain, :value nil, :time 30}
{:process 0, :type :invoke, :f :dequeue, :value nil, :time 50}
{:process 1, :type :ok, :f :drain, :value [1 2], :time 60}
{:process 0, :type :fail, :f :dequeue, :error :empty, :time 70}
"""


def judged(tmp_path: Path, name: str, text: str, specification: str) -> Outcome:
    (tmp_path / name).write_bytes(text.encode())
    recording = load_recording(tmp_path / name)
    return check_specification(recording, find(specification), budget=60).outcome


FORMS = {
    "lines.edn": REGISTER,
    "lines.txt": REGISTER,
    "vector.edn": f"[{REGISTER}]",
    "list.edn": f"({REGISTER})",
    "one-line.edn": f"({UNTIMED})".replace("\n", " "),
    "no-time.edn": UNTIMED,
    "null-time.edn": UNTIMED.replace("}", ", :time nil}"),
    "windows.edn": "\ufeff" + REGISTER.replace("\n", "\r\n"),
    "comment.txt": "; a run\n\n" + REGISTER,
    "records.edn": REGISTER.replace("{", "#jepsen.history.Op{"),
    "namespaced.edn": REGISTER.replace("{:process", "{:jepsen/process"),
    "instants.edn": REGISTER.replace("}", ', :at #inst "2024-01-01T00:00:00.000-00:00"}'),
    "nemesis.edn": '{:process :nemesis, :type :info, :f :start, :value {"n1" #{"n2"}}}\n' + REGISTER,
    "plain.log": LOG,
    "stamped.log": LOG.replace("INFO", "2014-07-04 12:00:01,123 INFO"),
    "today.log": LOG.replace(
        "INFO  jepsen.util -", "2024-01-01 00:00:00,000{GMT}\tINFO\t[jepsen worker 0] jepsen.util:"
    ),
    "talking.log": "WARN  jepsen.core - 5 :retries left\nINFO  jepsen.util - :nemesis\t:info\t:start\tnil\n" + LOG,
    "history.txt": LOG.replace("INFO  jepsen.util - ", ""),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_understood(name: str, tmp_path: Path) -> None:
    text = FORMS[name]
    assert judged(tmp_path, name, text, "register") is Outcome.PASS
    stale = text.replace(":ok, :f :read, :value 1", ":ok, :f :read, :value nil").replace(
        ":ok\t:read\t1", ":ok\t:read\tnil"
    )
    assert stale != text
    assert judged(tmp_path, name, stale, "register") is Outcome.FAIL


def test_a_failed_cas_of_a_log_without_a_reason_says_that_the_value_was_another(tmp_path: Path) -> None:
    refused = LOG + "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 0\t:fail\t:cas\t[1 2]\n"
    assert judged(tmp_path, "h.log", refused.replace("[1 2]", "[3 2]"), "register") is Outcome.PASS
    assert judged(tmp_path, "h.log", refused, "register") is Outcome.FAIL
    unreached = refused.replace(":fail\t:cas\t[1 2]", ":fail\t:cas\t[1 2]\t:unavailable")
    assert judged(tmp_path, "h.log", unreached, "register") is Outcome.PASS
    timed_out = refused.replace(":fail\t:cas\t[1 2]", ":fail\t:cas\t:timed-out")
    assert judged(tmp_path, "h.log", timed_out, "register") is Outcome.PASS


@pytest.mark.parametrize("name", ["h.edn", "h.txt", "h.log"])
def test_maps_of_get_put_and_append(name: str, tmp_path: Path) -> None:
    assert judged(tmp_path, name, MAP, "key-value") is Outcome.PASS
    assert judged(tmp_path, name, MAP.replace('"ab"', '"ba"'), "key-value") is Outcome.FAIL
    assert judged(tmp_path, name, MAP.replace('"other", :value ""', '"other", :value "x"'), "key-value") is Outcome.FAIL


def test_keys_of_other_kinds_are_other_keys(tmp_path: Path) -> None:
    pairs = REGISTER.replace(":value 1", ":value [1 5]").replace(":value nil", ":value [true nil]")
    one = pairs.replace(":ok, :f :read, :value [1 5]", ":ok, :f :read, :value [true nil]")
    assert judged(tmp_path, "h.edn", one, "key-value") is Outcome.PASS
    assert judged(tmp_path, "h.edn", one.replace("[true nil]", "[1 nil]"), "key-value") is Outcome.FAIL


def test_a_drain_is_the_reads_that_it_did(tmp_path: Path) -> None:
    (tmp_path / "h.edn").write_text(QUEUE)
    assert check_fifo(load_history(tmp_path / "h.edn")).outcome is Outcome.PASS
    (tmp_path / "h.edn").write_text(QUEUE.replace("[1 2]", "[2 1]"))
    assert check_fifo(load_history(tmp_path / "h.edn")).outcome is Outcome.FAIL
    (tmp_path / "h.edn").write_text(QUEUE.replace("[1 2]", "[1]"))  # EMPTY, and 2 was inside all the time
    assert check_fifo(load_history(tmp_path / "h.edn")).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("h.edn", REGISTER.replace(", :time 20", ""), "h.edn:2: some events have a :time and some have none"),
        ("h.edn", REGISTER.replace(":index 1", ":a/type 1"), "h.edn:2: two keys of the map are one"),
        ("h.edn", QUEUE.replace(":ok, :f :drain", ":info, :f :drain"), "h.edn:5: a drain that is not :ok"),
        ("h.edn", QUEUE.replace("[1 2]", "nil"), "h.edn:5: a drain that is not :ok with the list"),
        ("h.edn", "".join(QUEUE.splitlines(keepends=True)[:5]), "h.edn:5: a drain that never returned"),
        ("h.log", LOG.replace(":ok\t:read", ":okay\t:read"), "h.log:4: process 1 :okay; expected one of :invoke, :ok"),
        ("h.log", LOG.replace(":ok\t:write\t1", ":ok\t:write"), "h.log:2: the line is cut short"),
        ("h.log", LOG.replace(":ok\t:write\t1", ":ok"), "h.log:2: the line is cut short"),
        ("h.log", LOG.removesuffix("\n"), "h.log:4: the line is cut short"),
        ("h.txt", "a text\n", "h.txt: no line of it is an operation"),
    ],
)
def test_what_is_not_understood_is_refused(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HistoryError) as refused:
        load_recording(tmp_path / name)
    assert complaint in str(refused.value)
