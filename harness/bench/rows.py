"""A row of a benchmark script: one figure, what it is held against, and whether it meets its target."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.bench.cache_line import cache_line_ns
from harness.termination import tidy_on_termination

__all__ = ["Row", "arguments", "cache_line_rows", "publish", "publishing", "row", "show"]

Row = dict[str, Any]


def row(
    name: str, value: float, unit: str, against: str = "", ratio: float | None = None, target: float | None = None
) -> Row:
    """A row; a target is a least ratio, and is met or not."""
    met = None if ratio is None or target is None else ratio >= target
    rounded = None if ratio is None else round(ratio, 2)
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": against,
        "ratio": rounded,
        "target": target,
        "met": met,
    }


def cache_line_rows(when: str) -> list[Row]:
    """The time of a cache line between the CPUs of a pinned pair, ``when`` in the run; none where it has none."""
    name, taken = f"cache line, one way, {when}", cache_line_ns()
    if taken is None:
        print(f"{name}: left out: not measured")
        return []
    return [row(name, taken, "ns")]


def show(rows: Sequence[Row]) -> list[Row]:
    """Print rows as they are measured; returns them."""
    for one in rows:
        text = f"{one['name']:<62} {one['value']:>9} {one['unit']:<8}"
        if one["ratio"] is not None:
            text += f" {one['ratio']:>7}x {one['against']}"
        if one["target"] is not None:
            text += f"   target {one['target']:g}: {'met' if one['met'] else 'MISSED'}"
        print(text, flush=True)
    return list(rows)


def publish(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Write all rows where they are wanted (``--json``), and say how many targets were missed.

    Raises:
        SystemExit: 3 with ``--strict`` if one was missed.
    """
    if options.json is not None:
        options.json.write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    aimed = [one for one in rows if one["met"] is not None]
    missed = [one["name"] for one in aimed if not one["met"]]
    words = f"{len(missed)} of {len(aimed)} targets missed" + (f": {', '.join(missed)}" if missed else "")
    print(words, file=sys.stderr)
    if options.strict and missed:
        raise SystemExit(3)


def publishing(parser: argparse.ArgumentParser) -> None:
    """The options of ``publish``."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--strict", action="store_true", help="exit 3 if a target is missed")


def arguments(description: str | None, rounds: int = 9, jobs: int | None = None) -> argparse.Namespace:
    """The options that all benchmark scripts have, with their defaults (``--jobs`` only where it has one).

    A script that is terminated still tidies up.
    """
    tidy_on_termination()
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    publishing(parser)
    parser.add_argument(
        "--rounds", type=int, default=rounds, metavar="N", help="rounds of each figure (default %(default)s)"
    )
    if jobs is not None:
        parser.add_argument("--jobs", type=int, default=jobs, metavar="N", help="processes that share the work")
    return parser.parse_args()
