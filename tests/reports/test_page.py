"""The page: what it says, how large it is, and that it says it in any order of records."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.record import Failure, RunRecord, Timeline, TimelineCall
from harness.verdict import Outcome, Verdict
from reports import write_report
from reports.page import MOST_BYTES, render
from tests.reports.records import failed, record


class _Page(HTMLParser):
    """Ids, targets of links, headings' text, and text of the cells of the first table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.external: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, content in attrs:
            if name == "id" and content:
                self.ids.append(content)
            if name in ("href", "xlink:href", "src") and content:
                (self.targets if content.startswith("#") else self.external).append(content)


def test_ids_are_unique_and_every_link_has_its_target(mixed: list[RunRecord]) -> None:
    page = _Page(render(mixed))
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert {target[1:] for target in page.targets} - set(page.ids) == set()
    assert all(link.startswith("data:") for link in page.external)


def test_the_verdict_comes_first_and_in_words(mixed: list[RunRecord], green: list[RunRecord]) -> None:
    for records, word in ((mixed, "FAIL"), (green, "PASS"), ([], "INCONCLUSIVE")):
        html = render(records)
        assert f"<h1>{word}</h1>" in html
        assert html.index("<h1>") < html.index("<section")


def test_a_cell_that_nobody_ran_says_so_and_is_not_green() -> None:
    html = render([record("swsr", "threads")])
    assert html.count("not run</span>") == 2
    assert not re.search(r'class="cell pass"[^<]*>[^<]*not run', html)


def test_a_failure_shows_witness_command_exit_and_last_words(mixed: list[RunRecord]) -> None:
    html = render(mixed)
    assert "#12 worker 2 try_read message 0:18" in html
    assert "channel-harness run mwsr --on processes --mode native --messages 100 --seed 7" in html
    assert "reproduced 5/5" in html
    assert "worker 1: SIGSEGV" in html
    assert "Segmentation fault" in html


def test_a_command_whose_failure_did_not_come_again_says_so() -> None:
    again = replace(failed("lost").failures[0], reproduced="0/5")
    html = render([replace(failed("lost"), failures=(again,))])
    assert "this did not fail again in 5 tries" in html
    assert "reproduced 0/5" not in html


def test_every_figure_with_dashes_says_what_they_mean(green: list[RunRecord]) -> None:
    captions = re.findall(r"<figcaption><b>([^<]+)\.</b> ([^<]+)</figcaption>", render(green))
    dashed = {
        title for title, caption in captions if "Solid: native scripts; dashed: through the Python API." in caption
    }
    assert dashed == {"Throughput over time", "Latency percentiles", "Retry histograms"}


def test_the_words_of_an_exploration_are_in_the_glossary(green: list[RunRecord]) -> None:
    html = render(green)
    for word in ("seed", "worker", "execution", "exhausted", "cut in a wait", "left at a bound", "distinct histories"):
        assert f"<dt>{word}</dt>" in html


def test_what_records_say_is_text_and_never_markup() -> None:
    html = render([failed("<script>alert(1)</script><img src=http://example.org/>")])
    assert "<script>alert" not in html
    assert "<img" not in html


def test_assertions_are_listed_by_property(green: list[RunRecord]) -> None:
    assert re.search(r"integrity: read whole</td><td class=\"n\">1,600,000", render(green))


def test_the_same_records_make_the_same_page(mixed: list[RunRecord]) -> None:
    assert render(mixed) == render(mixed)


def test_figures_follow_the_theme(green: list[RunRecord]) -> None:
    figures = re.findall(r"<svg.*?</svg>", render(green), flags=re.S)
    assert len(figures) == 5
    for figure in figures:
        # one colour of its own would be wrong in one of the two themes
        assert not re.findall(r"#(?!plot)[0-9a-f]{6}\b", re.sub(r"<(title|desc).*?>.*?</\1>", "", figure))
        assert "<title" in figure
        assert "<text" in figure


def test_usual_size(green: list[RunRecord], tmp_path: Path) -> None:
    assert write_report(green, tmp_path).stat().st_size <= 1_000_000


def test_greatest_size() -> None:
    words = "x" * 20_000
    failure = Failure("fifo", "ORDER", words, (words,) * 500, words, "5/5", words, words)
    verdict = Verdict.inconclusive(words, words)
    base = record()
    many = [
        replace(base, scenario=f"scenario-{number}", failures=(failure,) * 20, verdicts=(verdict,) * 5, reason=words)
        for number in range(300)
    ]
    assert len(render(many).encode()) <= MOST_BYTES


def test_loads_are_shown_with_what_they_count() -> None:
    """A raw float of five decimals tells no more than two."""
    base = record()
    busy = replace(base, environment={**base.environment, "load_before": 5.71143, "load": 6.5})
    html = render([busy])
    assert "5.71 runnable tasks, mean of a minute" in html
    assert "6.50 runnable tasks" in html
    assert "0.40 to 5.71 runnable tasks" in render([base, busy])


def test_the_explored_table_keeps_a_bound_with_its_name_and_no_empty_column() -> None:
    details = {"driver": "crash", "executions": 5, "bounds": {"accesses": 4000, "kills": 1}, "exhausted": True}
    base = replace(record("mwmr", "explored"), kind="explore", metrics=None)
    html = render([replace(base, details=details)])
    assert "accesses\N{NO-BREAK SPACE}4,000, kills\N{NO-BREAK SPACE}1" in html
    assert ">counterexample<" not in html
    assert "kills\N{NO-BREAK SPACE}none" in render([replace(base, details={**details, "bounds": {"kills": "none"}})])
    assert ">counterexample<" in render([replace(base, details={**details, "schedule": {"steps": 9}})])


def test_the_gate_says_what_built_both_sides() -> None:
    """The compiler under Environment is the package's; the gate's is CXX."""
    details = {"reference": "abc", "compiler": "g++ 12.2.0", "judgements": []}
    html = render([replace(record(), kind="gate", metrics=None, details=details)])
    assert "Against abc, both built by g++ 12.2.0" in html


@pytest.mark.parametrize("kind", ["gate", "bench", "explore", "mutants", "of another time"])
def test_kinds_without_details_do_not_break_the_page(kind: str) -> None:
    assert "<h1>PASS</h1>" in render([replace(record(), kind=kind, metrics=None, details={})])


def test_the_explored_column_says_how_far_it_went() -> None:
    details = {"driver": "crash", "model": "rc11", "executions": 559, "distinct": 447, "bounds": {"kills": 1}}
    base = replace(record("mwmr", "explored"), kind="explore", metrics=None)
    html = render([replace(base, details={**details, "exhausted": True})])
    cell = re.search(r'<a class="cell pass" href="#(run-\d+)">(.*?)</a>', html, flags=re.S)
    assert cell is not None
    assert f'id="{cell[1]}"' in html
    assert all(words in cell[2] for words in ("crash", "559 executions", ">exhausted<", "rc11", "≤ 1 kills"))
    assert ">not exhausted<" in render([replace(base, details={**details, "exhausted": False})])


def test_the_whole_matrix_with_many_workers_and_failures(tmp_path: Path) -> None:
    """16x16 workers in every cell, half of them failed, each with a timeline of a huge history."""
    calls = tuple(
        TimelineCall((row,), str(row % 32), "try_write", f"message {row % 32}:{row} -> OK id {row * 32}", "ok",
                     10 * row, 10 * row + 300, abs(row - 2_500), row + 1, 10 * row + 5)
        for row in range(5_000)
    )  # fmt: skip
    timeline = Timeline(calls, 10**7, "nearest", "ns", (2_500, 2_501), "It sticks.", 2_501)
    failure = Failure("fifo", "ORDER", "s", ("#2500 x", "#2501 y"), "again", "5/5", timeline=timeline)
    workers = tuple({"worker": n, "role": "writer", "operations": 9, "first_ns": 0, "last_ns": 9} for n in range(32))
    made = []
    for number, base in enumerate(record(s, e, m) for s in "abcd" for e in ("threads", "processes") for m in "xy"):
        assert base.metrics is not None
        large = replace(base, metrics=replace(base.metrics, workers=workers))
        made.append(replace(large, failures=(failure,), outcome=Outcome.FAIL) if number % 2 else large)
    assert write_report(made, tmp_path).stat().st_size <= 2_000_000


HOSTILE = (
    "a$b_{$<script>alert(1)</script>\"'&\\frac{",
    "cost $x_{1$ and $\\alpha$",
    "\u65e5\u672c\u8a9e \u202e \U0001f600",
    "bell \x07 null \x00 escape \x1b[2J",
    "half a pair \udc80",
    "n" * 5_000,
    "line\nbreak\rreturn",
    "",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_may_be_anything(name: str, tmp_path: Path) -> None:
    """Scenarios, modes and metrics are what a record says: in every table, figure and file."""
    estimate = {"change": -0.1, "low": -0.2, "high": -0.05, "p": 0.0, "pairs": 20}
    judged = {"metric": name, "answer": name, "reason": name, "estimate": estimate, "noise": estimate}
    point = {"started": name, "ratio": 1.0, "low": 0.9, "high": 1.1}
    summary = {"median": 2.0, "low": 1.0, "high": 3.0}
    figure = {"name": name, "rate": summary, "ratio": summary, "skipped": "", "note": name}
    place = {"senders": 1, "receivers": 1, "size": 8, "batch": 1, "on": name}
    late = {"kind": name, "name": name, "count": 3, "percentiles": [[50, 1.0], [100, 2.0]]}
    details = {
        "gate": {
            "reference": name,
            "judgements": [judged],
            "pairs": {name: {"log_ratios": [-0.1] * 20, "noise": [0.0] * 20}},
            "differences": [name],
            "notes": [name],
            "trend": {name: {"points": [point] * 3, "changes": [1]}},
        },
        "bench": {
            "cells": [{"group": group, "figures": [figure, figure], **place} for group in ("workers", "size", "peers")],
            "latencies": [late],
        },
    }
    runs = [record(name), record("mwmr", name), record("mwmr", "threads", name)]
    runs += [replace(record(name), kind=kind, metrics=None, details=details[kind]) for kind in details]
    write_report(runs, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", page)
    ElementTree.parse(tmp_path / "junit.xml")
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["records"]


@pytest.mark.parametrize("runs", [300, 3_000])
def test_thousands_of_runs_of_one_cell_are_bounded(runs: int) -> None:
    page = render([record()] * runs)
    assert len(page.encode()) <= MOST_BYTES
    assert f"Drawn: 8 of {runs} runs" in page


def test_a_record_with_a_huge_trend_is_bounded() -> None:
    points = [
        {"started": f"run {n}", "ratio": 1.0 if n < 9_950 else 0.8, "low": 0.7, "high": 1.1} for n in range(10_000)
    ]
    trend = {f"path {number}": {"points": points, "changes": [100, 9_950]} for number in range(8)}
    page = render([replace(record(), kind="gate", metrics=None, details={"trend": trend})])
    assert len(page.encode()) < 1_000_000
    assert "run 9950" in page
    assert "run 100<" not in page
