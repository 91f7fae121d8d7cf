"""The fiber switch of each processor it is written for; another processor's runs under qemu's user mode emulation."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FIBER = Path("harness/native/explorer/fiber.hpp")
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]
SEEN = """\
queue: 1388 complete, 0 cut, 0 failed, exhausted 1
channel rc11: 3408 complete, 744 cut, 0 failed, exhausted 1
channel sc: 2488 complete, 688 cut, 0 failed, exhausted 1
"""


def needed(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program}")
    return found


def run(source: Path, processor: str, folder: Path, include: Path = ROOT) -> subprocess.CompletedProcess[str]:
    at_home = platform.machine() == processor
    emulator = [] if at_home else [needed(f"qemu-{processor}")]
    compiler = [needed("g++")] if at_home else [needed(f"{processor}-linux-gnu-g++"), "-static"]
    program = folder / "program"
    command = [*compiler, "-std=c++20", "-O1", *WARNINGS, f"-I{include}", str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return subprocess.run([*emulator, str(program)], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_a_switch_keeps_what_a_callee_preserves(processor: str, tmp_path: Path) -> None:
    done = run(HERE / "fiber_check.cpp", processor, tmp_path)
    assert (done.returncode, done.stdout) == (0, "kept\n")


@pytest.mark.parametrize(
    ("processor", "saved", "instead"),
    [
        ("x86_64", "popq %r12", "addq $8, %rsp"),
        ("x86_64", "popq %rbx", "addq $8, %rsp"),
        ("aarch64", "ldp x23, x24, [sp, #32]", "nop"),
        ("aarch64", "stp d10, d11, [sp, #112]", "nop"),
        ("aarch64", "ldp d14, d15, [sp, #144]", "nop"),
    ],
)
def test_a_switch_that_forgets_a_register_is_noticed(processor: str, saved: str, instead: str, tmp_path: Path) -> None:
    text = (ROOT / FIBER).read_text()
    assert saved in text
    (tmp_path / FIBER).parent.mkdir(parents=True)
    (tmp_path / FIBER).write_text(text.replace(saved, instead))
    assert run(HERE / "fiber_check.cpp", processor, tmp_path, tmp_path).returncode != 0


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_an_exploration_counts_the_same_everywhere(processor: str, tmp_path: Path) -> None:
    done = run(HERE / "count_check.cpp", processor, tmp_path)
    assert (done.returncode, done.stdout) == (0, SEEN)
