"""The progress driver: nobody is stuck, readers depend on nobody, and a write waits for a live writer alone.

Three questions to a program, in this order; the first that is answered wrongly is the verdict:

1. *Everybody lives*: is there an execution at whose end a worker waits for what nobody will do? The rule of the verdict
   says which of the three it is: deadlock, livelock or lost wake-up (``harness/native/explorer/blocked.hpp``).
2. *All others stop for ever, each anywhere* (``harness/native/explorer/progress.hpp``): does the worker that goes on
   finish its reads, peeks and skips in a bounded number of its own accesses, and wait in a write only while another
   writer is stopped between taking the owner word and giving it back? If not, it is ``hindered``.
3. *One worker is killed, anywhere*: do all the others finish?

Calls that wait for room or for a message do so by what they are; for 2 and 3 their non-waiting forms stand in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.explore.parts import Part, Seen, Task, kill_plans

__all__ = ["Covered", "progress_parts"]


def progress_parts(task: Task) -> Iterator[Part]:
    """The three questions, as parts of one exploration."""
    yield Part()
    yield from (Part(alone=worker) for worker in range(len(task.program.workers)))
    yield from kill_plans(task, 1)


@dataclass
class Covered:
    """What the parts of a progress exploration have seen so far."""

    lived: int = 0
    stop_points: int = 0
    beside_stopped: int = 0
    waits: int = 0
    longest: int = 0
    kill_points: int = 0
    beside_dead: int = 0

    def add(self, seen: Seen) -> None:
        if seen.alone is not None:
            self.stop_points += seen.stop_points
            self.beside_stopped += seen.executions
            self.waits += seen.waits
            self.longest = max(self.longest, seen.longest)
        elif seen.kills:
            self.kill_points += 1
            self.beside_dead += seen.executions
        else:
            self.lived += seen.executions

    def __str__(self) -> str:
        parts = [f"nobody stuck in {self.lived:,} executions with everybody alive"]
        if self.longest:
            parts.append(
                f"reads lock-free: {self.stop_points:,} stop points of the others, {self.beside_stopped:,} executions, "
                f"at most {self.longest} accesses a call"
            )
        if self.waits:
            parts.append(f"writes waited only for a writer stopped inside its copy ({self.waits:,} of them)")
        if self.kill_points:
            parts.append(
                f"nobody waited for a dead worker: {self.kill_points:,} kill points, {self.beside_dead:,} executions"
            )
        return "; ".join(parts)
