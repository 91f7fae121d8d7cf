"""An end to code that does not look at the clock by itself: a specification that loops."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import AbstractContextManager
from types import FrameType

from harness.checks.specifications.operation import OutOfTime

__all__ = ["cut_after"]

_AGAIN_S = 1.0
_AT_ONCE_S = 1e-6  # 0 would be never


def cut_after(seconds: float) -> AbstractContextManager[None]:
    """Raise OutOfTime in what is inside when its time is over, and every second from then on if that was swallowed.

    Python delivers it between two of its own instructions: one long call into C is cut when it returns. Signals belong
    to the main thread; in any other nothing is cut. An alarm that was set before, by a test, is set again afterwards.
    """
    return _Alarm(seconds)


class _Alarm(AbstractContextManager[None]):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_set = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> None:
        if self._is_set:
            self._before = signal.signal(signal.SIGALRM, _cut)
            self._begun = time.monotonic()
            self._left_s, self._again_s = signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN_S)

    def __exit__(self, *_: object) -> None:
        if not self._is_set:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        if self._left_s:
            left_s = self._left_s - (time.monotonic() - self._begun)
            signal.setitimer(signal.ITIMER_REAL, max(_AT_ONCE_S, left_s), self._again_s)


def _cut(_number: int, frame: FrameType | None) -> None:
    # on the way out it would leave the alarm set, to ring in code of others; on the way in it rings again
    if frame is None or frame.f_globals is not globals():
        raise OutOfTime
