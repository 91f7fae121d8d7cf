"""Ends that come from outside: SIGTERM unwinds the stack as Ctrl-C does, and processes of a pool end with their parent.

Who is killed by SIGTERM's default action leaves segments, worktrees, and processes that wait for work for ever.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import TypeVar

__all__ = ["PartTerminated", "Terminated", "do_part", "end_children", "follow_parent", "tidy_on_termination"]

GRACE_S = 5.0
"""What a process has to tidy up once its parent is gone, or has told it to end."""

P = TypeVar("P")
R = TypeVar("R")

_EXIT_CODE = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """SIGTERM came to the program."""


class PartTerminated(SystemExit):
    """SIGTERM came to a process of a pool; what it did is not done."""


def tidy_on_termination() -> None:
    """Let SIGTERM unwind the stack, so that all that was opened is closed. Of the main thread of a program."""

    def unwind(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the tidying
        raise Terminated(_EXIT_CODE)

    signal.signal(signal.SIGTERM, unwind)


def follow_parent() -> None:
    """Initialise a process of a pool: Ctrl-C is its parent's, and without a parent it ends.

    Left alone it would not notice: it holds both ends of the pipe from which it takes its work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def do_part(work: Callable[[P], R], part: P) -> R:
    """Do `work(part)` in a process of a pool, so that SIGTERM unwinds it before it ends the process.

    Between parts SIGTERM ends the process at once. Unwound there, the pool would take it for a result, and wait for
    ever to send that through a pipe that nobody empties any more.
    """
    try:
        signal.signal(signal.SIGTERM, _unwind_part)
        try:
            return work(part)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except PartTerminated:
        os._exit(_EXIT_CODE)


def _unwind_part(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt the tidying
    raise PartTerminated(_EXIT_CODE)


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os._exit(_EXIT_CODE)


def end_children() -> None:
    """End the processes that `multiprocessing` started here, in the middle of what they do; what stays is killed."""
    children = {child.sentinel: child for child in multiprocessing.active_children()}
    for child in children.values():
        child.terminate()
    end = time.monotonic() + GRACE_S
    while children and (gone := wait(list(children), max(0.0, end - time.monotonic()))):
        children = {sentinel: child for sentinel, child in children.items() if sentinel not in gone}
    for child in children.values():
        child.kill()
