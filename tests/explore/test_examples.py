"""The examples of exploring one's own structure compile without a warning and find what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror"]

NATIVE = """
#include "examples/treiber_stack.hpp"
#include "examples/vyukov_queue.hpp"
#include "harness/native/explorer/atomic.hpp"
int main() {
    examples::VyukovQueue<sim::Native, int, 4> queue;
    examples::TreiberStack<sim::Native, 2> stack;
    int value = 0;
    stack.push(1);
    return queue.push(3) && queue.pop(value) && value == 3 && stack.pop() == 1 && stack.pop() == 0 ? 0 : 1;
}
"""


def compiled(source: Path, folder: Path) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    program = folder / "program"
    command = [compiler, "-std=c++20", "-O1", *WARNINGS, f"-I{ROOT}", str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return program


def test_the_treiber_stack_is_right_with_its_tags_and_wrong_without(tmp_path: Path) -> None:
    program = compiled(ROOT / "examples" / "explore_treiber.cpp", tmp_path)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "tagged:   94 executions, 0 wrong, exhausted" in done.stdout
    assert "one holder, schedule explore2:" in done.stdout


def test_each_order_of_the_queue_is_needed_and_the_documents_show_what_is_printed(tmp_path: Path) -> None:
    program = compiled(ROOT / "examples" / "explore_vyukov.cpp", tmp_path)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    as_it_is, *weakened = done.stdout.splitlines()
    assert as_it_is == "as it is:  14 executions, 0 wrong, exhausted"
    runs = [
        re.search(r"^(\w+) +relaxed: wrong after (\d+) executions: value is also accessed", line) for line in weakened
    ]
    assert [found and (found[1], int(found[2])) for found in runs] == [
        ("push_load", 4),
        ("push_store", 1),
        ("pop_load", 1),
        ("pop_store", 4),
    ]
    shown = (ROOT / "docs" / "explorer.md").read_text()
    assert "\n".join(done.stdout.splitlines()[:3]) in shown
    source = (ROOT / "examples" / "explore_vyukov.cpp").read_text()
    for worker in re.findall(r"    program\.workers\.emplace_back.*?\n    \}\);\n", source, re.DOTALL):
        assert "\n".join(line[4:] for line in worker.splitlines()) in shown


def test_the_same_source_works_on_real_atomics(tmp_path: Path) -> None:
    source = tmp_path / "native.cpp"
    source.write_text(NATIVE)
    program = compiled(source, tmp_path)
    assert subprocess.run([str(program)], timeout=60, check=False).returncode == 0
