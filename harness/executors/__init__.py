"""Executors: run a `Program` on real threads or real processes, and hand back its `History`.

from harness.executors import processes
execution = processes.run(program, mode="native", deadline_s=30)
"""

from harness.executors import processes, threads
from harness.executors.execution import Death, Execution, ExecutorError, Kill, Options, Progress, Unfinished

__all__ = [
    "Death",
    "Execution",
    "ExecutorError",
    "Kill",
    "Options",
    "Progress",
    "Unfinished",
    "processes",
    "threads",
]
