"""The figures of benchmarks and of the gate's trend: each appears where it was measured, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from matplotlib.figure import Figure

from harness.record import RunRecord
from reports import curves, plots, trend
from reports.curves import bench_curves
from reports.page import render
from reports.sections import Table, sections
from reports.trend import level_changes, trend_plot
from tests.reports.records import record


def summary(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.2 * median}


def cell(group: str, on: str, workers: tuple[int, int], size: int, batch: int = 1) -> dict[str, Any]:
    figures = [
        {"name": name, "rate": summary(rate), "ratio": summary(ratio), "skipped": "", "note": ""}
        for name, rate, ratio in (
            ("channel", 9e6, 1.0),
            ("channel, native", 3e7, 0.3),
            ("multiprocessing.Queue", 2e5, 45),
        )
    ]
    figures.append(
        {"name": "iceoryx2", "rate": None, "ratio": None, "skipped": "iceoryx2 is not installed", "note": ""}
    )
    place = {"senders": workers[0], "receivers": workers[1], "size": size, "batch": batch}
    return {"group": group, "on": on, **place, "figures": figures}


def bench(*cells: dict[str, Any], latencies: bool = True) -> RunRecord:
    late = [
        {"kind": kind, "on": on, "name": name, "percentiles": [[50, 900.0], [99, 4e3], [99.99, 8e4], [100, 1e6]]}
        for on in ("processes", "threads")
        for kind in ("round trip", "one way")
        for name in ("channel, spinning", "posix_ipc")
    ]
    details = {"cells": list(cells), "latencies": late if latencies else [{"kind": "one way", "percentiles": []}]}
    return replace(record(), kind="bench", metrics=None, details=details)


WHOLE = bench(
    *(cell("workers", on, pair, 8) for on in ("threads", "processes") for pair in ((1, 1), (2, 2), (16, 16))),
    *(cell("size", "threads", (1, 1), size) for size in (8, 1024, 65536)),
    cell("peers", "processes", (1, 1), 8),
)


def test_every_curve_that_was_measured_is_drawn_with_its_words() -> None:
    drawn = {plot.title: plot.svg for plot in bench_curves(WHOLE, "p")}
    assert set(drawn) == {
        "Throughput by number of workers",
        "Throughput by size of the message",
        "Latency beside the peers",
        "Beside the peers",
    }
    for word in ("16x16", "channel, native, threads", "channel, processes"):
        assert word in drawn["Throughput by number of workers"]
    assert ">65,536<" in drawn["Throughput by size of the message"]
    for words in (">99.99<", "round trip, processes", "one way, processes", "round trip, threads", "one way, threads"):
        assert words in drawn["Latency beside the peers"]
    assert "multiprocessing.Queue · 1x1 processes, 8 B" in drawn["Beside the peers"]
    assert "iceoryx2" not in drawn["Beside the peers"]


def test_every_axis_has_a_title_with_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Figure] = {}

    def keep(figure: Figure, prefix: str, title: str, description: str) -> str:
        drawn[title] = figure
        return ""

    for module in (curves, plots, trend):
        monkeypatch.setattr(module, "to_svg", keep)
    estimate = {"change": -0.1, "low": -0.2, "high": -0.05}
    judged = {"pair-8": {"log_ratios": [-0.1, -0.12], "noise": [0.0, 0.01]}}
    details = {"pairs": judged, "judgements": [{"metric": "pair-8", "estimate": estimate}]}
    run = record()
    assert run.metrics is not None
    idle = replace(run, scenario="idle", metrics=replace(run.metrics, throughput_over_time=(), workers=()))
    list(plots.performance([run, idle]))
    list(bench_curves(WHOLE, "p"))
    trend_plot(gate([5.0] * 3, []), "t")
    plots.gate_ratios(replace(run, kind="gate", metrics=None, details=details), "g")
    assert len(drawn) == 11
    # what has no unit: names, and pairs of numbers
    named = {"run", "metric", "transport"}
    for title, figure in drawn.items():
        for axes in figure.axes:
            for words in (axes.get_xlabel(), axes.get_ylabel()):
                assert words in named or ", " in words.replace("\n", " "), (title, words)


def test_what_was_not_measured_is_not_drawn() -> None:
    assert list(bench_curves(bench(latencies=False), "p")) == []


def tables(run: RunRecord) -> dict[str, Table]:
    """By the first word of the caption."""
    (section,) = sections([run])
    return {table.caption.split()[0].strip(";:,"): table for table in section.tables}


def test_the_table_of_a_benchmark_has_all_that_was_counted_and_says_what_was_not() -> None:
    usual, full, loose = (cell("workers", "threads", (1, 1), 8, batch=64) for _ in range(3))
    ours, _, peer, absent = usual["figures"]
    ours.update(switches=0.0312, counters={"conflicts": 0.5, "retries": 0.25, "sleeps": 0.0012, "wakeups": 0.002})
    peer.update(switches=2.0, counters={}, note="call by call; passes a reference")
    for one, pinned, capacity in ((usual, True, 1 << 20), (full, True, 512), (loose, False, 1 << 20)):
        one.update(pinned=pinned, capacity=capacity)
    table = tables(bench(usual, loose, full))["Throughput"]
    assert "per 1,000 messages" in table.caption
    assert "Workers pinned, capacity 1,048,576\N{NO-BREAK SPACE}B" in table.caption
    assert table.columns[5:] == ("switches", "sleeps + wake-ups", "retries")
    rows = {str(row[2]): list(row) for row in table.rows[:4]}
    assert rows["channel"][5:] == ["31.2", "1.2 + 2", "250"]
    told = "multiprocessing.Queue (call by call; passes a reference)"
    assert rows[told][5:] == ["2,000", "not counted", "not counted"]
    assert rows[f"iceoryx2 (skipped: {absent['skipped']})"][3:] == [""] * 5
    conditions = [row[1] for row in table.rows[::4]]
    common = "threads 1x1, 8\N{NO-BREAK SPACE}B, batch 64"
    assert conditions == [common, f"{common}, not pinned", f"{common}, capacity 512\N{NO-BREAK SPACE}B"]


def test_the_native_cost_is_a_table_where_it_was_measured() -> None:
    run = bench()
    assert "Native" not in tables(run)
    table = tables(replace(run, details={**run.details, "native": [[8, 31.25], [16384, 1_234.5]]}))["Native"]
    assert table.columns[1].endswith(", ns")
    assert [list(row) for row in table.rows] == [
        ["8\N{NO-BREAK SPACE}B", "31.2"],
        ["16,384\N{NO-BREAK SPACE}B", "1,234.5"],
    ]


def test_a_latency_says_between_whom_and_what_a_reader_must_know() -> None:
    late = {"kind": "one way", "name": "queue.SimpleQueue", "on": "threads", "size": 8, "count": 10}
    late |= {"percentiles": [[50, 2_500.0]], "note": "passes a reference"}
    (row,) = tables(replace(bench(), details={"latencies": [late]}))["Latency"].rows
    assert list(row) == [
        "one way",
        "threads, 8\N{NO-BREAK SPACE}B",
        "queue.SimpleQueue (passes a reference)",
        "10",
        "2.5",
    ]


def gate(levels: list[float], changes: list[int] | None) -> RunRecord:
    points = [
        {"started": f"2025-03-{day + 1:02}", "ratio": level, "low": level * 0.98, "high": level * 1.02}
        for day, level in enumerate(levels)
    ]
    details = {"reference": "a robust-mutex ring", "trend": {"pair-8": {"points": points, "changes": changes}}}
    return replace(record(), kind="gate", scenario="gate", metrics=None, details=details)


def test_a_trend_shows_its_runs_and_where_the_level_changed() -> None:
    run = gate([5.0] * 6 + [4.0] * 6, [6])
    plot = trend_plot(run, "t")
    assert plot is not None
    assert "pair-8" in plot.svg
    how, rows = level_changes(run)
    assert "PELT" in how
    assert [list(row) for row in rows] == [["pair-8", "2025-03-07", "5", "4", "-20.0%"]]
    page = render([run])
    assert "2025-03-07" in page
    assert "-20.0%" in page


@pytest.mark.parametrize(("levels", "changes"), [([], []), ([5.0], [])])
def test_a_first_run_has_no_trend(levels: list[float], changes: list[int]) -> None:
    assert trend_plot(gate(levels, changes), "t") is None


def test_without_the_package_the_page_says_so() -> None:
    assert "not installed" in level_changes(gate([5.0] * 12, None))[0]


def test_the_page_of_a_whole_benchmark_is_small() -> None:
    page = render([WHOLE])
    assert "Throughput by number of workers" in page
    assert len(page.encode()) < 1_000_000
