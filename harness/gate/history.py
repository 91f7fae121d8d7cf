"""What the gate saw over time: one JSON object per line and run. Information; no verdict rests on it."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["append", "change_points", "load", "trend"]

_LEAST_RUNS = 10
_MOST_RUNS = 200
_PENALTY = 3.0


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")


def load(path: Path) -> list[dict[str, Any]]:
    """All runs, oldest first.

    Raises:
        ValueError: a line is no JSON object; which.
    """
    runs = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            run = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{number}: not a JSON object: {error}") from error
        if not isinstance(run, dict):
            raise ValueError(f"{path}:{number}: not a JSON object but {type(run).__name__}")
        runs.append(run)
    return runs


def trend(runs: Sequence[Mapping[str, Any]], of: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By metric of the run `of`: the runs that can be held beside it, and where their level changes.

    Only runs against the same reference on the same CPU are: a ratio travels badly, a change of machine is no change
    of the code. ``points``: started, ratio, low, high of each, oldest first, at most the last 200; ``changes``: indices
    at which a new level begins, or None without the package that finds them.
    """
    like = [run for run in runs if _conditions(run) == _conditions(of)]
    found = {}
    for metric in of["figures"]:
        seen = [(run["started"], run["figures"][metric]) for run in like if metric in run["figures"]][-_MOST_RUNS:]
        points = [
            {"started": started} | {name: float(figure[name]) for name in ("ratio", "low", "high")}
            for started, figure in seen
        ]
        found[metric] = {"points": points, "changes": change_points([point["ratio"] for point in points])}
    return found


def _conditions(run: Mapping[str, Any]) -> tuple[Any, ...]:
    environment = run.get("environment", {})
    return run.get("reference"), environment.get("cpu"), environment.get("cores")


def change_points(values: Sequence[float]) -> list[int] | None:
    """Where the level of a series changes: indices at which a new level begins; none for fewer than ten runs.

    PELT (Killick, Fearnhead & Eckley 2012) on the logarithms, by the ``ruptures`` package; None without it.
    """
    try:
        ruptures = importlib.import_module("ruptures")
    except ImportError:
        return None
    if len(values) < _LEAST_RUNS:
        return []
    import numpy as np

    logs = np.log(np.asarray(values, dtype=float))
    spread = float(np.median(np.abs(np.diff(logs)))) / 0.6745 / math.sqrt(2)
    if spread == 0:
        spread = 1e-9
    found: list[int] = (
        ruptures.Pelt(model="l2", min_size=3).fit(logs / spread).predict(pen=_PENALTY * math.log(len(values)))
    )
    return found[:-1]
