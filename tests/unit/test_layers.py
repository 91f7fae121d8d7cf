"""The four folders import each other in one direction only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"channel", "harness", "scenarios", "reports"}
# what a folder may import of the others: whole packages, or single modules
ALLOWED: dict[str, set[str]] = {
    "channel": set(),
    "harness": {"channel", "reports", "scenarios"},
    "scenarios": {"harness.scenario", "harness.operation"},
    "reports": {
        "harness.commands.outputs",
        "harness.history",
        "harness.metrics",
        "harness.operation",
        "harness.record",
        "harness.verdict",
        "harness.words",
    },
}
# of the harness, who may know the channel: its adapters, the examination of the machine, and the planted twin
KNOW_CHANNEL = {"harness/systems", "harness/doctor.py", "harness/mutants.py", "harness/environment.py"}
# of the harness, who may reach forward to scenarios and reports: the commands alone
REACH_FORWARD = {"harness/commands", "harness/checks/command.py", "harness/explore/command.py", "harness/__init__.py"}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return {name for name in found if name.split(".")[0] in OURS}


def sources(folder: str) -> list[Path]:
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if not path.name.startswith(("test_", "conftest"))]


def is_under(path: Path, places: set[str]) -> bool:
    text = path.relative_to(ROOT).as_posix()
    return any(text == place or text.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize("folder", sorted(OURS))
def test_imports_go_one_way(folder: str) -> None:
    paths = sources(folder)
    assert paths, f"no sources in {folder}/"
    for path in paths:
        for name in imports(path):
            top = name.split(".")[0]
            if top == folder:
                continue
            allowed = any(name == place or name.startswith(f"{place}.") for place in ALLOWED[folder])
            bare = name in {place.split(".")[0] for place in ALLOWED[folder]}
            assert allowed or bare, f"{path.relative_to(ROOT)} imports {name}"


def test_the_harness_knows_channels_only_through_its_systems() -> None:
    for path in sources("harness"):
        if not is_under(path, KNOW_CHANNEL):
            assert not {name for name in imports(path) if name.split(".")[0] == "channel"}, path


def test_only_commands_reach_forward() -> None:
    for path in sources("harness"):
        if not is_under(path, REACH_FORWARD):
            forward = {name for name in imports(path) if name.split(".")[0] in {"scenarios", "reports"}}
            assert not forward, f"{path.relative_to(ROOT)} imports {forward}"


def test_the_core_includes_nothing_of_the_harness() -> None:
    paths = [*(ROOT / "channel").rglob("*.hpp"), *(ROOT / "channel").rglob("*.cpp")]
    assert paths
    for path in paths:
        included = re.findall(r'#include "([^"]+)"', path.read_text(encoding="utf-8"))
        assert all(name.startswith("channel/") for name in included), f"{path.name}: {included}"
    for path in (ROOT / "channel" / "core").glob("*.hpp"):
        assert "Python.h" not in path.read_text(encoding="utf-8")
        assert "nanobind" not in path.read_text(encoding="utf-8")
