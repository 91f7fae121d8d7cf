"""Runs a program with a thread per worker."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from harness import _native, mutants
from harness.executors.execution import Crew, Death, Execution, ExecutorError, Options, has_ended
from harness.executors.run import execute
from harness.program import Program
from harness.worker.api_script import run_script

__all__ = ["run"]

_JOIN_PATIENCE_S = 5.0
_ERROR = _native.REASONS.index("error")


def run(program: Program, **options: Any) -> Execution:
    """Run `program` on threads of this process. Keyword arguments: the attributes of `Options`."""
    return execute(program, ThreadCrew(), Options(**options), processes=False, executor="threads")


class ThreadCrew(Crew):
    """A daemon thread per worker: one that never comes back does not keep the process alive.

    In mode ``"api"`` all of them share one endpoint, as threads of a program share a handle.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._disturb: Callable[[], None] | None = None
        self._failures: dict[int, str] = {}

    def launch(self, program: Program, options: Options, address: Any, run: _native.Run, give_up: int) -> None:
        if options.mode == "native":
            start = _native_start(options, address, run, give_up)
        else:
            endpoint = options.system.attach(address)

            def disturb() -> None:
                endpoint.close()  # ends the calls that wait in it, once they wake
                options.system.wake(address)

            self._disturb = disturb

            def start(number: int) -> None:
                run_script(run, number, endpoint, give_up, told_end=options.told_end)

        for number in range(len(program.workers)):
            work = partial(self._guarded, number, start, run)
            thread = threading.Thread(target=work, name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _guarded(self, number: int, start: Callable[[int], None], run: _native.Run) -> None:
        try:
            start(number)
        except BaseException:
            self._failures[number] = traceback.format_exc().strip()
            if not has_ended(run, number):
                run.end(number, _ERROR)

    def gone(self) -> Iterable[Death]:
        return ()

    def kill(self, worker: int) -> None:
        raise ValueError("a thread cannot be killed alone")

    def dismiss(self) -> dict[int, str]:
        give_up = time.monotonic() + _JOIN_PATIENCE_S
        waiting = [thread for thread in self._threads if thread.is_alive()]
        for thread in waiting:
            thread.join(0.2)  # the end of the run is noticed within one wake-up
            if thread.is_alive():
                break
        if self._disturb is not None:
            self._disturb()
        for thread in waiting:
            thread.join(max(0.0, give_up - time.monotonic()))
        return self._failures


def _native_start(options: Options, address: Any, run: _native.Run, give_up: int) -> Callable[[int], None]:
    target = options.system.native(address)
    if target is None:
        raise ExecutorError(f"{options.system.name} has no native scripts; use mode 'api'")
    attachment = (
        _native.Attachment.segment(target.segment) if target.segment else _native.Attachment.buffer(address.buffer)
    )
    design = mutants.parse(target.mutant).design() if target.mutant else None

    def start(number: int) -> None:
        attachment.run_script(run, number, target.policy, design, give_up)

    return start
