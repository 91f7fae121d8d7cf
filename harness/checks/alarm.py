"""An end to code that does not look at the clock by itself: a specification that loops."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from harness.checks.specifications.operation import OutOfTime

__all__ = ["cut_after"]

_AGAIN_S = 1.0
_AT_ONCE_S = 1e-6  # 0 would be never


@contextmanager
def cut_after(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in what is inside when its time is over, and every second from then on if that was swallowed.

    Python delivers it between two of its own instructions: one long call into C is cut when it returns. Signals belong
    to the main thread; in any other nothing is cut. An alarm that was set before, by a test, is set again afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cut(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, cut)
    begun = time.monotonic()
    left_s, again_s = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left_s:
            signal.setitimer(signal.ITIMER_REAL, max(_AT_ONCE_S, left_s - (time.monotonic() - begun)), again_s)
