"""A run's own noise: the same against the same, and the smallest change that could have been seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.record import RunRecord

__all__ = ["own_noise"]


def own_noise(records: Sequence[RunRecord]) -> list[str]:
    """A line for each rule of a gate, about its noisiest metric, and one for a benchmark, about its noisiest cell."""
    return [
        *(line for record in records if record.kind == "gate" for line in _of_a_gate(record)),
        *(line for record in records if record.kind == "bench" for line in _of_a_benchmark(record)),
    ]


def _of_a_gate(record: RunRecord) -> list[str]:
    by_rule: dict[str, list[Mapping[str, Any]]] = {}
    for judgement in record.details.get("judgements", ()):
        by_rule.setdefault(str(judgement.get("rule", "")), []).append(judgement)
    lines = []
    for rule, judgements in by_rule.items():
        noisiest = max(judgements, key=lambda judgement: _reach(judgement["noise"]))
        noise = noisiest["noise"]
        line = f"{rule}: same against same within {noise['low']:+.1%} to {noise['high']:+.1%} ({noisiest['metric']})"
        seen = [float(judgement["least_seen"]) for judgement in judgements if "least_seen" in judgement]
        lines.append(line + (f", slowdowns seen from {-min(seen):.1%} on" if seen else ""))
    return lines


def _of_a_benchmark(record: RunRecord) -> list[str]:
    """Its second channel, in each cell, is the first one's twin."""
    ratios = [
        figure["ratio"]
        for cell in record.details.get("cells", ())
        for figure in cell["figures"]
        if figure["name"] == "channel, again" and figure["ratio"] is not None
    ]
    if not ratios:
        return []
    widest = max(ratios, key=lambda ratio: max(ratio["high"], 1 / ratio["low"]))
    reach = max(widest["high"], 1 / widest["low"])
    return [
        f"benchmark: the channel against itself {widest['low']:.2f} to {widest['high']:.2f} times as fast in its "
        f"noisiest cell, so that a ratio there says something from {reach:.2f} on"
    ]


def _reach(noise: Mapping[str, float]) -> float:
    return max(noise["high"], -noise["low"])
