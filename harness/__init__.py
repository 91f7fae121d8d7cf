"""The harness that proves a channel correct.

The public face is small: `Scenario` and `Parameters` say what to run, `stress` runs it on real threads or processes,
`check_history` judges a history, a `Verdict` is what comes out. Everything else is importable from its module.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.checks import check_history
    from harness.history import History
    from harness.program import Program
    from harness.record import RunRecord
    from harness.scenario import Parameters, Scenario
    from harness.stress import stress
    from harness.verdict import Outcome, Verdict

__all__ = [
    "History",
    "Outcome",
    "Parameters",
    "Program",
    "RunRecord",
    "Scenario",
    "Verdict",
    "check_history",
    "stress",
]

_HOMES = {
    "History": "harness.history",
    "Outcome": "harness.verdict",
    "Parameters": "harness.scenario",
    "Program": "harness.program",
    "RunRecord": "harness.record",
    "Scenario": "harness.scenario",
    "Verdict": "harness.verdict",
    "check_history": "harness.checks",
    "stress": "harness.stress",
}


def __getattr__(name: str) -> Any:
    # imported when asked for: a worker process and ``--help`` need none of it
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def _check_one_place() -> None:
    """The four packages must come from one installation, or a run would test another channel than it names."""
    homes = {}
    for name in ("channel", "scenarios", "reports"):
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ImportError(f"the package '{name}' is not installed beside 'harness'; pip install the project")
        homes[name] = {str(Path(place).parent) for place in spec.submodule_search_locations}
    here = {str(Path(place).parent) for place in __path__}
    foreign = sorted(name for name, places in homes.items() if not places & here)
    if foreign:
        raise ImportError(
            f"'harness' comes from {sorted(here)}, but {', '.join(f'{n} from {sorted(homes[n])}' for n in foreign)}; "
            "another distribution has packages of these names, or two installations are mixed"
        )


_check_one_place()
