"""The channel's own speed, against the project's floors, in one run.

    python benchmarks/channel.py [--rounds N] [--json FILE]

One core: ns of a write and a read of 8 bytes, from C++ and from Python; the ratio is floor / measured. One writer and
one reader process: medians over rounds of neighbouring slices, beside peers. System calls of an uncontended write and
read, counted by strace. What the machine cannot show is named and left out.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# this file shall not be taken for the package `channel`
sys.path[:] = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]

from channel import Channel  # noqa: E402
from harness.bench.measure import throughput  # noqa: E402
from harness.bench.peers import peers  # noqa: E402
from harness.bench.rows import Row, arguments, cache_line_rows, publish, row, show  # noqa: E402
from harness.systems.transport import ChannelTransport  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SLICE_S = 0.05
PAIRS = 100_000
NATIVE_FLOOR_NS, PYTHON_FLOOR_NS = 40, 100
# batch -> peer -> least ratio; the goals are 20 / 60 ns, 25 x and 4 x, 8 x
FLOORS: dict[int, dict[str, float]] = {
    1: {"multiprocessing.Queue": 15, "cloudtoid-interprocess": 2.5},
    64: {"cloudtoid-interprocess": 5},
}
UNCONTENDED = """
import os
from channel import Channel  # noqa: E402
channel = Channel.create()
channel.write(b"warm up."); channel.read()
os.getppid()
for _ in range(1000):
    channel.write(b"8 bytes."); channel.read()
os.getppid()
"""


def one_core(name: str, rounds: list[float], floor: float) -> Row:
    median = statistics.median(rounds)
    return row(name, median, "ns a pair", f"of the floor, {floor:g} ns", floor / median, 1)


def native(rounds: int) -> list[Row]:
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        print("native one-core pair: left out: no C++ compiler")
        return []
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "one_core")
        source = ROOT / "benchmarks/native/one_core.cpp"
        subprocess.run(
            [compiler, "-std=c++20", "-O3", "-DNDEBUG", f"-I{ROOT}", str(source), "-o", str(program)], check=True
        )
        printed = subprocess.run([str(program), str(rounds)], check=True, capture_output=True, text=True).stdout
    return [one_core("native, one core, 8 B: write + read", [float(text) for text in printed.split()], NATIVE_FLOOR_NS)]


def python(rounds: int) -> list[Row]:
    found = []
    with Channel.create() as channel:
        write, try_read, message = channel.write, channel.try_read, b"8 bytes."
        for _ in range(rounds):
            start = time.perf_counter_ns()
            for _ in range(PAIRS):
                write(message)
                try_read().data  # type: ignore[union-attr]  # noqa: B018
            found.append((time.perf_counter_ns() - start) / PAIRS)
    return [one_core("Python, one core, 8 B: write + try_read().data", found, PYTHON_FLOOR_NS)]


def processes(rounds: int) -> list[Row]:
    found = []
    for batch, floors in FLOORS.items():
        rivals = [peer for peer in peers("processes", 1, 1, 8) if peer.name in floors]
        cell = throughput(
            [ChannelTransport(), *rivals], "processes", 1, 1, 8, batch=batch, rounds=rounds, slice_s=SLICE_S
        )
        for figure in cell.figures:
            if figure.rate is None or figure.ratio is None:
                print(f"{figure.name}: left out: {figure.skipped}")
                continue
            ours = figure is cell.figures[0]
            name = f"1x1 processes, 8 B{f', batches of {batch}' if batch > 1 else ''}: {figure.name}"
            ratio = None if ours else figure.ratio.median
            against = "" if ours else "slower than the channel"
            found.append(row(name, figure.rate.median / 1e6, "M msg/s", against, ratio, floors.get(figure.name)))
    return found


def system_calls() -> list[Row]:
    """System calls between the two marks (getppid) of a script that writes and reads a thousand times."""
    strace = shutil.which("strace")
    if strace is None:
        print("system calls of an uncontended write and read: not shown: no strace")
        return []
    with tempfile.NamedTemporaryFile(suffix=".strace") as trace:
        ran = subprocess.run([strace, "-f", "-o", trace.name, sys.executable, "-P", "-c", UNCONTENDED], check=False)
        lines = Path(trace.name).read_text(encoding="utf-8", errors="replace").splitlines()
    marks = [i for i, line in enumerate(lines) if re.search(r"\bgetppid\(", line)]
    if ran.returncode != 0 or len(marks) != 2:
        print("system calls of an uncontended write and read: not shown: strace does not run here")
        return []
    made = marks[1] - marks[0] - 1
    shown = row("system calls of 1000 uncontended writes and reads", made, "calls")
    return [shown | {"target": 0, "met": made == 0}]


def main() -> None:
    options = arguments(__doc__)
    found = [
        *show(cache_line_rows("before")),
        *show(native(options.rounds)),
        *show(python(options.rounds)),
        *show(processes(options.rounds)),
        *show(system_calls()),
        *show(cache_line_rows("after")),
    ]
    publish(found, options)


if __name__ == "__main__":
    main()
