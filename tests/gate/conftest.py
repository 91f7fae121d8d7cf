"""A checkout of one's own, in which a core may be made slow."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout_copy(tmp_path: Path) -> Path:
    """What the gate needs of a checkout."""
    copy = tmp_path / "checkout"
    for folder in ("channel/core", "harness/native/bench"):
        shutil.copytree(ROOT / folder, copy / folder)
    (copy / "harness" / "gate").mkdir()
    for name in ("counters.json", "yardstick.json"):
        shutil.copy(ROOT / "harness" / "gate" / name, copy / "harness" / "gate" / name)
    return copy
