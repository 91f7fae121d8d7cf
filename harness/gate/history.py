"""What the gate saw over time: one JSON object per line and run. Information; no verdict rests on it."""

from __future__ import annotations

import importlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["append", "change_points", "load", "machine", "trend"]

_LEAST_RUNS = 10
_MOST_RUNS = 200
_PENALTY = 3.0


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a run; on a line of its own, even behind one that was cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 1, 0))
        torn = file.read(1) not in (b"", b"\n")
        file.write(b"\n" * torn + json.dumps(line, sort_keys=True).encode() + b"\n")


def load(path: Path, tell: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """All runs, oldest first; none where there is no file. `tell` hears of each line that is no run, and is left out.

    Raises:
        ValueError: it is no regular file; or no line is a run, so this is another file: what its first is instead.
    """
    if not path.exists():
        return []
    if not path.is_file():
        raise ValueError(f"{path}: not a regular file")  # reading a pipe or a device might never end
    runs, complaints = [], []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            run = json.loads(text)
        except ValueError as error:
            complaints.append(f"{path}:{number}: not a JSON object: {error}")
            continue
        if isinstance(run, dict):
            runs.append(run)
        else:
            complaints.append(f"{path}:{number}: not a JSON object but {type(run).__name__}")
    if complaints and not runs:
        raise ValueError(complaints[0])
    for complaint in complaints:
        tell(f"{complaint}; left out")
    return runs


def machine(run: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """What must be the same for two runs to be held beside each other: CPU and cores; None where it is not known."""
    environment = run.get("environment")
    if not isinstance(environment, Mapping) or not environment.get("cpu") or not environment.get("cores"):
        return None
    return environment["cpu"], environment["cores"]


def trend(runs: Sequence[Mapping[str, Any]], of: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By metric of the run `of`: the runs that can be held beside it, and where their level changes.

    Only runs against the same reference on the same CPU are: a ratio travels badly, a change of machine is no change
    of the code. ``points``: started, ratio, low, high of each, oldest first, at most the last 200; ``changes``: indices
    at which a new level begins, or None without the package that finds them.
    """
    here = machine(of)
    like = [run for run in runs if here is not None and (run.get("reference"), machine(run)) == (of["reference"], here)]
    found = {}
    for metric in of["figures"]:
        points = [point for run in like if (point := _point(run, metric)) is not None][-_MOST_RUNS:]
        found[metric] = {"points": points, "changes": change_points([point["ratio"] for point in points])}
    return found


def _point(run: Mapping[str, Any], metric: str) -> dict[str, Any] | None:
    """None where the run did not measure it, or what it says cannot be."""
    try:
        figure = run["figures"][metric]
        ends = {name: float(figure[name]) for name in ("ratio", "low", "high")}
    except (KeyError, TypeError, ValueError):
        return None
    if not all(math.isfinite(value) and value > 0 for value in ends.values()):
        return None
    return {"started": str(run.get("started", "")), **ends}


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
