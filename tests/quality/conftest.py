from __future__ import annotations

from harness.stateful.profiles import load_profile

load_profile()
