"""The four scenarios, by name."""

from __future__ import annotations

from harness.scenario import Scenario
from scenarios import mwmr, mwsr, skip_vs_read, swsr

__all__ = ["SCENARIOS"]

SCENARIOS: dict[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in (swsr, mwsr, mwmr, skip_vs_read)}
