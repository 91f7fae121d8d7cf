"""Work with a loaded build in a process of its own: a core that crashes or hangs does it there, and is told."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from harness.gate.source import BrokenPath
from harness.termination import follow_parent

__all__ = ["PATIENCE_S", "Progress", "apart", "user"]

PATIENCE_S = 60.0
"""How long the process may say nothing."""

Progress = Callable[[str], None]
R = TypeVar("R")
_SPAWN = multiprocessing.get_context("spawn")


def user() -> Any:
    """A number that both processes see: of the build that is at work."""
    return _SPAWN.RawValue("i", -1)


def apart(
    work: Callable[..., R],
    *arguments: object,
    what: str,
    patience_s: float = PATIENCE_S,
    progress: Progress = lambda _: None,
) -> R:
    """``work(*arguments, progress)`` in a process of its own; `what` does it, in a message.

    Raises:
        BrokenPath: it raised that, crashed, or said nothing for too long.
    """
    mine, theirs = _SPAWN.Pipe(duplex=False)
    child = _SPAWN.Process(target=_serve, args=(theirs, work, arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        limit = max(patience_s, PATIENCE_S)  # to begin may take longer than any of the work
        while True:
            if not mine.poll(limit):
                raise BrokenPath(f"{what} did not come back within {limit:g} s")
            kind, value = mine.recv()
            limit = patience_s
            if kind == "raised":
                raise value
            if kind == "done":
                result: R = value
                return result
            if value:
                progress(value)
    except EOFError as error:
        child.join()
        code = child.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended the process with {code}"
        raise BrokenPath(f"{what} {how}") from error
    finally:
        mine.close()
        child.kill()
        child.join()


def _serve(control: Connection, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    follow_parent()  # also out of a core that hangs: a foreign call holds no GIL
    with control:
        control.send(("progress", ""))
        try:
            control.send(("done", work(*arguments, lambda said: control.send(("progress", said)))))
        except BrokenPath as error:
            control.send(("raised", error))
