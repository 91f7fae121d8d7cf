"""Stops another process at every single instruction: ptrace(2), PTRACE_SINGLESTEP, by ctypes."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_TRACEME, _SINGLESTEP = 0, 9
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, pid: int) -> None:
    if _libc.ptrace(request, pid, None, None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Stepped:
    """A forked child that stands before `action` and moves by single instructions."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.running = True
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _ptrace(_TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                action()
            finally:
                os._exit(0)
        self._wait()

    def _wait(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.running = os.WIFSTOPPED(status)

    def step(self) -> bool:
        """One instruction; False once the child has ended."""
        if self.running:
            _ptrace(_SINGLESTEP, self.pid)
            self._wait()
        return self.running

    def kill(self) -> None:
        """SIGKILL, where it stands."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
            while self.running:
                self._wait()


def permitted() -> bool:
    """Does this machine let a process trace its child?"""
    try:
        child = Stepped(lambda: None)
        child.step()
        child.kill()
    except OSError:
        return False
    return True
