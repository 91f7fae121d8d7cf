"""Ends that come from outside: SIGTERM unwinds the stack as Ctrl-C does, and processes of a pool end with their parent.

Who is killed by SIGTERM's default action leaves segments, worktrees, and processes that wait for work for ever.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait

__all__ = ["PartTerminated", "Terminated", "end_children", "follow_parent", "tidy_on_termination"]

GRACE_S = 5.0
"""What a process has to tidy up once its parent is gone."""


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
    """Initialise a process of a pool: Ctrl-C is its parent's, SIGTERM unwinds its task, and without a parent it ends.

    Left alone it would not notice: it holds both ends of the pipe from which it takes its work.
    """

    def unwind(_number: int, _frame: object) -> None:
        raise PartTerminated(_EXIT_CODE)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # of what a task needs, what does not bear to be interrupted while it is imported: until then SIGTERM ends at once
    importlib.import_module("numpy")
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()
    signal.signal(signal.SIGTERM, unwind)  # last: until here there is nothing to unwind


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_S)
    os._exit(_EXIT_CODE)


def end_children() -> None:
    """End the processes that `multiprocessing` started here, in the middle of what they do."""
    for child in multiprocessing.active_children():
        child.terminate()
