"""What a run ran on: whatever could explain that another machine, or another day, gives another result."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from channel import COMPILER, COMPILER_FLAGS

__all__ = ["environment"]

_PACKAGES = (
    "ipc-channel-harness", "numpy", "scipy", "hypothesis", "matplotlib", "pytest", "ruptures",
    "cloudtoid-interprocess", "faster-fifo", "iceoryx2", "posix-ipc", "pyzmq",
)  # fmt: skip
"""What decides, draws or is measured beside the channel; one that is absent is left out."""
_GIT_DEADLINE_S = 5.0


def environment() -> dict[str, Any]:
    """JSON types only. ``load`` is the mean number of runnable tasks over the last minute."""
    return {**_constant(), "load": round(os.getloadavg()[0], 2)}


@cache
def _constant() -> dict[str, Any]:
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()),
        "compiler": f"{COMPILER}{COMPILER_FLAGS}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": "on" if gil else "off",
        "packages": _packages(),
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, content = line.partition(":")
            if name.strip() == "model name":
                return content.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """The commit under test: what CI says it is, else that of the working directory; empty where there is none."""
    named = os.environ.get("GITHUB_SHA", "")
    if named:
        return named
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=_GIT_DEADLINE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
