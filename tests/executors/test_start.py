"""Workers start quickly: what a child imports is little."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "imports", ["from harness.worker import child", "import harness.systems.channel, harness.worker.api_script"]
)
def test_a_child_does_without_numpy(imports: str) -> None:
    heavy = "{'numpy', 'matplotlib', 'hypothesis', 'multiprocessing', 'rich'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; print(sorted({heavy}))"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "[]\n", done.stderr
