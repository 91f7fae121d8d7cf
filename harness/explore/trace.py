"""An execution as lanes of workers: one line per access, in the order of the schedule.

A line names what was accessed, with which order, the value, who stored it, how many newer stores there were (stale),
and the source line that made the access.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from harness import _explorer
from harness.operation import message_number, message_writer

__all__ = ["access", "lanes", "worker_name"]

_SHORT = {"relaxed": "rlx", "acquire": "acq", "release": "rel", "acq_rel": "a/r", "seq_cst": "sc", "plain": "na"}


def worker_name(worker: int) -> str:
    """A for worker 0, as schedules spell it."""
    return chr(ord("A") + worker)


def lanes(steps: Sequence[_explorer.Step], failure: _explorer.Failure | None = None, width: int = 34) -> str:
    """The steps of a replayed execution as text, a column per worker."""
    workers = max((step.worker for step in steps), default=0) + 1
    lines = ["".join(worker_name(worker).ljust(width) for worker in range(workers)).rstrip()]
    for step in steps:
        lane = " " * (width * step.worker) + access(step)
        lines.append(f"{lane.ljust(width * workers)}  {PurePath(step.file).name}:{step.line}")
    if failure is not None:
        by = f" (worker {worker_name(failure.worker)})" if failure.worker >= 0 else ""
        lines.append(f"{failure.fault}{by}: {failure.what}")
    return "\n".join(lines)


def access(step: _explorer.Step) -> str:
    """What a step did: the location, the value, the order, whose store it read, and how many newer ones there were."""
    order = _SHORT[step.order]
    if step.kind == "fence":
        return f"fence {order}"
    if step.kind == "choice":
        return f"choice {step.value}"
    arrow = "->" if step.kind == "read" else "<-"
    # a word that nobody has written yet is 0 and no message's
    named = step.message and step.value != 0
    value = f"{message_writer(step.value)}:{message_number(step.value)}" if named else step.value
    text = f"{step.location} {arrow} {value} {order}"
    if step.exclusive:
        text += " rmw"
    if step.kind == "read" and step.source is not None:
        text += f" of {worker_name(step.source[0])}{step.source[1]}"
    if step.stale:
        text += f" STALE by {step.stale}" if step.kind == "read" else f" under {step.stale}"
    return text
