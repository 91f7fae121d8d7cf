"""The channel's core under ThreadSanitizer, and planted races that it must report: else its silence means nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RACE = 66
TIMEOUT_S = 120

RACES = [
    "publish-relaxed",
    "load-header-relaxed",
    "take-owner-relaxed",
    "give-owner-fence-relaxed",
    "take-head-relaxed",
    "load-head-writer-relaxed",
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    assert compiler, "no C++ compiler: install g++ or clang++, or name one in CXX"
    target = tmp_path_factory.mktemp("tsan") / "tsan_driver"
    build = subprocess.run(
        [
            *compiler.split(),
            *(
                "-std=c++20",
                "-O1",
                "-g",
                "-fsanitize=thread",
                "-Wall",
                "-Wextra",
                "-Wshadow",
                "-Wconversion",
                "-Werror",
            ),
            "-Wno-tsan",  # gcc: fences are not modelled; the driver's header says what that leaves
            *("-I", str(ROOT), str(ROOT / "harness/native/tsan_driver.cpp"), "-o", str(target)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert build.returncode == 0, build.stderr
    return target


def _fixed_addresses() -> list[str]:
    """A prefix that switches address randomization off, where that is allowed: newer kernels use ranges that the
    sanitizer's shadow memory wants."""
    prefix = ["setarch", platform.machine(), "-R"]
    if shutil.which("setarch") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        return []
    return prefix


def run(driver: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_fixed_addresses(), str(driver), *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, "TSAN_OPTIONS": f"exitcode={RACE} halt_on_error=0"},
    )


def test_the_channel_is_clean(driver: Path) -> None:
    done = run(driver, "faithful")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_channel_orders_even_plain_payloads_of_one_reader(driver: Path) -> None:
    done = run(driver, "plain")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mutant", RACES)
def test_a_weakened_order_is_reported_as_a_race(driver: Path, mutant: str) -> None:
    done = run(driver, "plain", mutant)
    assert done.returncode == RACE, done.stderr
    assert "WARNING: ThreadSanitizer: data race" in done.stderr


def test_a_wrong_argument_is_refused(driver: Path) -> None:
    assert run(driver, "plain", "no-such-mutant").returncode == 2
