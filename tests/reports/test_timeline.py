"""Timelines: what is drawn, where, and that everything drawn is also said."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from harness.history import History, operation_record
from harness.operation import Kind, Status, message_value
from harness.record import Failure, Timeline, TimelineCall
from harness.timeline import timeline_of
from reports.page import MOST_BYTES, render
from reports.timeline import Drawing, draw
from tests.reports.records import failed, record

SVG = "{http://www.w3.org/2000/svg}"


def drawn(timeline: Timeline, most: int = 2_000) -> tuple[Drawing, ElementTree.Element]:
    drawing = draw(timeline, "timeline-1", most, first=True)
    return drawing, ElementTree.fromstring(drawing.svg)


def bars(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in svg.iter(f"{SVG}rect") if element.get("class", "").startswith("c ")]


def call(row: int, worker: str, invoked: int, returned: int | None, **fields: object) -> TimelineCall:
    outcome = "pending" if returned is None else "ok"
    made = TimelineCall((row,), worker, "write", f"message {row}", outcome, invoked, returned, row)
    return replace(made, **fields)


def lost_order() -> History:
    """Two writes one after the other, read in the wrong order, and a write beside them that is read rightly."""
    first, second, other = message_value(0, 1), message_value(0, 2), message_value(1, 1)
    return History.of(
        [
            operation_record(Kind.WRITE, Status.OK, 0, 10, first),
            operation_record(Kind.WRITE, Status.OK, 20, 30, second),
            operation_record(Kind.WRITE, Status.OK, 21, 29, other, worker=1),
            operation_record(Kind.READ, Status.OK, 40, 50, second, worker=2),
            operation_record(Kind.READ, Status.OK, 60, 70, first, worker=2),
            operation_record(Kind.READ, Status.OK, 80, 90, other, worker=2),
        ]
    )


def test_the_prefix_ends_where_no_order_goes_on() -> None:
    timeline = timeline_of(lost_order(), (0, 1, 3, 4))
    # the wrong read is the first sign, the read of what should have come first only its confirmation
    assert timeline.stuck == 3
    assert "prefix has 3 completed operations; it sticks where this one returns: #3 worker " in timeline.prefix
    ranks = {made.rows[0]: made.rank for made in timeline.calls if made.rank is not None}
    assert ranks[0] < ranks[1]


def test_the_instants_lie_inside_their_calls_and_in_their_order() -> None:
    history = History(lost_order().operations[[0, 1, 2]])
    made = timeline_of(history).calls
    assert all(one.point is not None and one.returned is not None for one in made)
    assert all(one.invoked <= (one.point or 0) <= (one.returned or 0) for one in made)
    by_rank = sorted(made, key=lambda one: one.rank or 0)
    assert [one.point for one in by_rank] == sorted(one.point or 0 for one in by_rank)


def test_the_culprits_are_hatched_numbered_and_named_in_the_table() -> None:
    drawing, svg = drawn(timeline_of(lost_order(), (0, 1, 3)))
    hatched = {bar.get("id") for bar in bars(svg) if "url(#timeline-1-hatch)" in bar.get("style", "")}
    assert hatched == {"op=0", "op=1", "op=3"}
    assert {text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "mark"} == {"1", "2", "3 stuck"}
    assert [row.mark for row in drawing.rows] == ["1", "2", "", "3 stuck", "", ""]


def test_the_table_has_a_row_for_every_bar_in_the_same_order() -> None:
    drawing, svg = drawn(timeline_of(lost_order(), (3,)))
    assert [bar.get("id") for bar in bars(svg)] == [f"op={row.operation}" for row in drawing.rows]


def test_a_batch_is_one_bar_that_every_message_of_it_links_to() -> None:
    rows = [operation_record(Kind.WRITE_MANY, Status.OK, 5, 9, message_value(0, n), batch=7) for n in range(64)]
    drawing, svg = drawn(timeline_of(History.of(rows)))
    assert [bar.get("data-rows") for bar in bars(svg)] == ["0-63"]
    assert drawing.links[17] == "#op=0"


def test_a_call_without_length_and_one_without_end_are_seen() -> None:
    drawing, svg = drawn(Timeline((call(0, "0", 7, 7), call(1, "1", 7, None)), 2))
    assert all(float(bar.get("width", "0%").rstrip("%")) > 0 for bar in bars(svg))
    assert len([line for line in svg.iter(f"{SVG}line") if line.get("class") == "pending"]) == 1
    assert drawing.rows[1].took == "never returned"


def test_a_gap_of_days_leaves_room_for_nanoseconds() -> None:
    early = [call(row, "0", 10 * row, 10 * row + 5) for row in range(10)]
    late = [call(10 + row, "0", 10**15 + 10 * row, 10**15 + 10 * row + 5) for row in range(10)]
    _, svg = drawn(Timeline((*early, *late), 20))
    assert min(float(bar.get("width", "0%").rstrip("%")) for bar in bars(svg)) > 1
    assert any("1e+06 s" in (text.text or "") for text in svg.iter(f"{SVG}text") if text.get("class") == "cut")


def test_no_tick_of_a_short_history_says_what_another_one_says() -> None:
    _, svg = drawn(Timeline((call(0, "0", 1, 2), call(1, "1", 3, 4), call(2, "1", 5, 7)), 3))
    ticks = {text.text: text for text in svg.iter(f"{SVG}text") if re.fullmatch("t[012]", text.get("class", ""))}
    every = [text for text in svg.iter(f"{SVG}text") if re.fullmatch("t[012]", text.get("class", ""))]
    assert len(ticks) == len(every)
    second = next(bar for bar in bars(svg) if bar.get("id") == "op=1")
    at = float(ticks["2 ns"].get("x", "").rstrip("%"))
    assert at == pytest.approx(float(second.get("x", "").rstrip("%")), abs=0.01), "a tick stands where its instant is"


def test_an_even_history_has_no_gaps() -> None:
    _, svg = drawn(Timeline(tuple(call(row, "0", 10 * row, 10 * row + 5) for row in range(50)), 50))
    assert not [one for one in svg.iter() if one.get("class") == "gap"]


def test_thousands_of_workers_share_lanes_and_the_witness_keeps_its_own() -> None:
    calls = tuple(call(row, str(row), 10 * row, 10 * row + 25) for row in range(2_000))
    drawing, svg = drawn(Timeline(calls, 2_000, witness=(700, 1_300)))
    assert drawing.names == ["worker 700", "worker 1300", "others", "others", "others"]
    assert len(bars(svg)) == 2_000


def test_more_at_once_than_there_are_lanes_is_said() -> None:
    calls = tuple(call(row, str(row), row, 10_000) for row in range(2_000))
    drawing, svg = drawn(Timeline(calls, 2_000, witness=(5,)))
    assert len(drawing.names) < 100
    assert drawing.cut.startswith(f"{len(bars(svg)):,} of 2,000 calls are drawn")


def test_nothing_is_drawn_of_nothing() -> None:
    assert timeline_of(History.of([])).calls == ()
    drawing, _ = drawn(Timeline((), 0))
    assert drawing.rows == []


@pytest.mark.parametrize("count", [1, 50])
def test_a_page_of_many_failures_draws_some_of_each_and_stays_small(count: int) -> None:
    calls = tuple(
        call(row, str(row % 32), 10 * row, 10 * row + 15, point=10 * row, rank=row + 1) for row in range(5_000)
    )
    failure = Failure("fifo", "ORDER", "s", ("#9 x",), "again", "5/5", timeline=Timeline(calls, 10**7, witness=(9,)))
    html = render([replace(failed(), failures=(failure,) * count)])
    assert len(html.encode()) <= (1_000_000 if count == 1 else MOST_BYTES)
    assert html.count('<rect id="op=') == max(2_000 // count, 40) * count
    links = re.findall(r'<li><a href="#(op=9[^"]*)"', html)
    assert len(links) == count
    assert all(f'<rect id="{link}"' in html for link in links)


def test_what_a_history_says_is_text() -> None:
    bad = "<script>alert(1)</script>"
    made = replace(call(0, bad, 0, 1), kind=bad, told=bad)
    html = render([replace(record(), sample=Timeline((made,), 1))])
    assert "<script>alert" not in html
