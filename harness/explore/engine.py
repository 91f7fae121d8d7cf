"""Where the parts of an exploration are explored: here, or in an executor's processes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import ExitStack

from harness.explore.parts import Part, Seen, Task, explore_part

__all__ = ["SHARES_PER_JOB", "seen_parts"]

SHARES_PER_JOB = 4
"""Shares differ in size; more of them than processes even that out."""


def seen_parts(
    task: Task, parts: Iterator[Part], jobs: int, executor: Executor | None, deadline: float
) -> Iterator[Seen]:
    """The parts one after another, or in any order from an executor; a part that gets no time is not exhausted."""
    if jobs == 1 and executor is None:
        for part in parts:
            left = deadline - time.monotonic()
            yield explore_part(task, part, left) if left > 0 else Seen(0, 0, 0, False)
            if left <= 0:
                return
        return
    with ExitStack() as stack:
        if executor is None:
            executor = stack.enter_context(ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")))
        futures = [executor.submit(explore_part, task, part, max(0.0, deadline - time.monotonic())) for part in parts]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
