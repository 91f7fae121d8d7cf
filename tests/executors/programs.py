"""Small programs that the executor tests run, and what they ask of a history."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.executors import processes, threads
from harness.executors.execution import Execution
from harness.operation import Kind, Status, message_value
from harness.program import Program, operations

EXECUTORS = {"threads": threads.run, "processes": processes.run}
MODES = ("native", "api")

REMOVES = [kind.value for kind in Kind if kind.removes]
WRITES = [kind.value for kind in Kind if kind.writes]


def writer(number: int, messages: int, size: int = 8, **fields: int) -> npt.NDArray[np.void]:
    """Writes `messages` messages, one after another."""
    return operations(
        {"kind": Kind.WRITE, "value": message_value(number, i), "size": size, **fields} for i in range(messages)
    )


def script(*rows: Mapping[str, int]) -> npt.NDArray[np.void]:
    return operations(rows)


def program(*workers: npt.NDArray[np.void], capacity: int = 4096, **config: Any) -> Program:
    return Program("test", workers, capacity, config)


def mixed(writers: int = 2, readers: int = 2, messages: int = 500, capacity: int = 1024, **config: Any) -> Program:
    """Writers of mixed sizes and readers that wait, try, and take batches."""
    scripts = []
    for number in range(writers):
        rows = [
            {"kind": Kind.WRITE, "value": message_value(number, i), "size": 8 + (i * 7) % 100} for i in range(messages)
        ]
        rows.append({"kind": Kind.WRITE_MANY, "value": message_value(number, messages), "size": 24, "count": 20})
        scripts.append(operations(rows))
    for _ in range(readers):
        scripts.append(
            script(
                {"kind": Kind.READ, "timeout": 1_000_000},
                {"kind": Kind.TRY_READ},
                {"kind": Kind.READ_MANY, "count": 8, "timeout": 500_000},
                {"kind": Kind.READ},
            )
        )
    return program(*scripts, capacity=capacity, **config)


def written(execution: Execution) -> list[int]:
    rows = execution.history.operations
    return sorted(rows["value"][np.isin(rows["kind"], WRITES) & (rows["status"] == Status.OK.value)].tolist())


def removed(execution: Execution) -> list[int]:
    rows = execution.history.operations
    return sorted(rows["value"][np.isin(rows["kind"], REMOVES) & (rows["status"] == Status.OK.value)].tolist())


def leftovers(pid: int | None = None) -> list[str]:
    """Segments in /dev/shm that the harness made in this process, or in process `pid`."""
    return [path.name for path in Path("/dev/shm").glob(f"ipc-harness-{pid or os.getpid()}-*")]
