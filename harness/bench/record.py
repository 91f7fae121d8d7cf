"""A run of the benchmark as a run record, and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.bench.measure import PERCENTILES, Cell
from harness.bench.plan import BenchRun
from harness.record import RunRecord
from harness.verdict import Outcome, Verdict
from harness.words import counted

__all__ = ["bench_record", "lines"]


def bench_record(
    run: BenchRun, *, started: str, duration: float, environment: Mapping[str, Any], command: str
) -> RunRecord:
    """A benchmark judges nothing: it passes if it measured something, and says what it could not.

    It does not pass if that was the channel: its workers died, or waited for ever.
    """
    measured = sum(figure.rate is not None for cell in run.cells for figure in cell.figures)
    measured += sum(cell.p50 is not None for cell in run.latencies)
    skips = {(figure.name, figure.skipped) for cell in run.cells for figure in cell.figures}
    skips |= {(cell.name, cell.skipped) for cell in run.latencies}
    skipped = sorted(f"{name}: {why}" for name, why in skips if why)
    ours = [words for words in skipped if words.startswith("channel")]
    reason = f"{counted(measured, 'figure')} measured" + (f"; skipped: {'; '.join(skipped)}" if skipped else "")
    if ours:
        reason = f"the channel could not be measured: {'; '.join(ours)}"
        verdict = Verdict.inconclusive("benchmark", reason, {"figure": measured})
    else:
        verdict = Verdict.passed("benchmark", reason, {"figure": measured})
    return RunRecord(
        kind="bench",
        scenario="bench",
        executor="+".join(dict.fromkeys(cell.on for cell in run.cells)),
        mode="api",
        parameters={},
        seed=0,
        program_digest="",
        outcome=verdict.outcome,
        reason=reason if verdict.outcome is Outcome.PASS else verdict.reason,
        verdicts=(verdict,),
        metrics=None,
        started=started,
        duration=duration,
        environment=environment,
        command=command,
        details={
            "cells": [cell.to_json() for cell in run.cells],
            "latencies": [cell.to_json() for cell in run.latencies],
            "native": [list(pair) for pair in run.native],
        },
    )


def lines(run: BenchRun) -> Iterator[str]:
    """The tables, as text."""
    heading = ""
    for cell in run.cells:
        if heading != (heading := f"{cell.group}, {cell.on}"):
            yield heading
        yield from _cell_lines(cell)
    if run.latencies:
        yield f"{'latency, us':57}" + " ".join(f"{f'p{percent:g}':>10}" for percent in PERCENTILES)
    for latency in run.latencies:
        head = f"  {latency.kind:10} {latency.on:9} {latency.name:34}"
        if latency.skipped:
            yield f"{head} skipped: {latency.skipped}"
        else:
            told = dict(latency.percentiles)
            values = [f"{told[p] / 1e3:,.1f}" if p in told else "-" for p in PERCENTILES]
            yield head + " ".join(f"{value:>10}" for value in values)
    yield "native write and read, ns: " + ", ".join(f"{size} B {cost:.1f}" for size, cost in run.native)


def _cell_lines(cell: Cell) -> Iterator[str]:
    head = f"  {cell.senders}x{cell.receivers} {cell.size:>6} B" + (f" batch {cell.batch}" if cell.batch > 1 else "")
    for figure in cell.figures:
        if figure.rate is None:
            yield f"{head:26} {figure.name:34} skipped: {figure.skipped}"
            continue
        text = f"{head:26} {figure.name:34}{figure.rate.median / 1e6:8.3f} M/s"
        text += f" [{figure.rate.low / 1e6:.3f}, {figure.rate.high / 1e6:.3f}]"
        if figure.ratio is not None and len(cell.figures) > 1:
            text += f"  {figure.ratio.median:6.2f} [{figure.ratio.low:.2f}, {figure.ratio.high:.2f}] times"
        calls = figure.counters.get("sleeps", 0.0) + figure.counters.get("wakeups", 0.0)
        text += f"  {figure.switches:.4f} switches"
        yield text + (f", {calls:.4f} sleeps and wake-ups per message" if figure.counters else " per message")
