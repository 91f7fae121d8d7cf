"""The Hypothesis profiles of this project, and the one place where they are registered.

``HYPOTHESIS_PROFILE`` chooses: ``dev`` (the default: few examples, remembers failures), ``ci`` (the same examples in
every run) or ``stress`` (many, new ones every time). Deadlines per example are off, since one example may buy thousands
of native executions; the number of examples is the budget.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

__all__ = ["PROFILES", "load_profile"]

_COMMON = settings(deadline=None, suppress_health_check=(HealthCheck.too_slow,))
_NEW = settings(_COMMON, derandomize=False, database=DirectoryBasedExampleDatabase(".hypothesis/examples"))
"""Said in so many words: where Hypothesis finds itself in CI, its defaults neither draw anew nor remember."""

PROFILES = {
    "dev": settings(_NEW, max_examples=60),
    "ci": settings(_COMMON, max_examples=150, derandomize=True, database=None, print_blob=True),
    "stress": settings(_NEW, max_examples=2_000, print_blob=True),
}


def load_profile() -> str:
    """Register the profiles, load the one that ``HYPOTHESIS_PROFILE`` names, and return its name.

    Raises:
        ValueError: there is no such profile.
    """
    name = os.environ.get("HYPOTHESIS_PROFILE", "dev")
    if name not in PROFILES:
        raise ValueError(f"HYPOTHESIS_PROFILE is one of {', '.join(PROFILES)}; got {name!r}")
    for known, profile in PROFILES.items():
        settings.register_profile(known, profile)
    settings.load_profile(name)
    return name
