"""Interleavings: numbered, beside the source, with what is odd marked in words."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.explore import examine
from harness.explore.interleaving import source_line
from harness.explore.programs import CONVICTING, WITH_DEAD
from harness.explore.record import explored_record, self_test
from harness.program import Program
from harness.record import Failure, Interleaving, RunRecord, Step
from reports.interleaving import lines
from reports.page import MOST_BYTES, render
from tests.reports.records import record


def convicted(program: Program, mutant: str, driver: str = "exhaustive") -> RunRecord:
    seen = examine(program, mutant=mutant, driver=driver, seconds=60.0)  # type: ignore[arg-type]
    return explored_record(program, seen, self_test(), target=[program.name], mutant=mutant)


def test_a_stale_read_is_marked_beside_its_source() -> None:
    found = convicted(CONVICTING["alone 32"], "publish-relaxed").failures[0].interleaving
    assert found is not None
    assert found.steps[-1].note
    shown = lines(found, 500).shown
    stale = [line for line in shown if line.mark == "stale"]
    assert stale
    assert all("newer store" in line.sign for line in stale)
    assert all(line.place and line.code for line in shown[:-1])
    assert {step.file for step in found.steps} & {"channel/core/channel.hpp"}
    html = render([convicted(CONVICTING["alone 32"], "publish-relaxed")])
    assert re.search(r'<tr class="stale"><td class="n">\d+</td>', html)
    assert re.search(r'<tr class="fault"><td class="n">\d+</td>', html)


def test_a_kill_stands_where_the_worker_stops() -> None:
    found = convicted(WITH_DEAD["dead writer"], "no-recovery", "crash").failures[0].interleaving
    assert found is not None
    place = next(number for number, step in enumerate(found.steps) if step.note.startswith("killed"))
    assert found.steps[place].note == "killed before its access 3"
    victim = found.steps[place].worker
    assert victim not in {step.worker for step in found.steps[place + 1 : -1]}


def test_a_source_that_is_not_at_hand_leaves_its_name() -> None:
    assert source_line("/build/x/channel/core/nowhere.hpp", 3) == ("nowhere.hpp", "")
    assert source_line("", 0) == ("", "")
    assert source_line("/somewhere/channel/of/mine/channel/core/retry.hpp", 1)[0] == "channel/core/retry.hpp"


def test_a_step_on_the_same_line_says_so() -> None:
    step = Step(0, "head -> 1 acq", file="a.hpp", line=3, code="load()")
    assert [line.code for line in lines(Interleaving(1, (step, step)), 9).shown] == ["load()", "″"]


def test_a_long_one_ends_with_its_end() -> None:
    steps = tuple(Step(number % 16, f"step {number}", stale=1, file="a.hpp", line=number) for number in range(4_000))
    failure = Failure("explored", "check", "s", interleaving=Interleaving(16, steps))
    html = render([replace(record(), failures=(failure,) * 50)])
    assert len(html.encode()) <= MOST_BYTES
    assert "step 3999" in html
    assert re.search(r"The first [\d,]+ are in results.json", html)
