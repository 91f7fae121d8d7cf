"""Runs a program with a process per worker: fresh interpreters that attach by name, as ``spawn`` starts them.

Nothing outlives the run. A child is killed with its parent (PR_SET_PDEATHSIG), records live in memory without a name,
and the segment loses its name as soon as everybody is attached.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness import _native
from harness.executors.execution import Crew, Death, Execution, ExecutorError, Options, has_ended
from harness.executors.run import execute
from harness.program import Program
from harness.worker.child import DISTURB

__all__ = ["run"]

_END_PATIENCE_S = 0.3
_EXIT_PATIENCE_S = 5.0
_LAST_WORDS = 2000


def run(program: Program, **options: Any) -> Execution:
    """Run `program` on processes. Keyword arguments: the attributes of `Options`."""
    return execute(program, ProcessCrew(), Options(**options), processes=True, executor="processes")


class ProcessCrew(Crew):
    """A child process per worker."""

    def __init__(self) -> None:
        self._children: list[_Child] = []
        self._run: _native.Run | None = None

    def launch(self, program: Program, options: Options, address: Any, run: _native.Run, give_up: int) -> None:
        self._run = run
        job: dict[str, Any] = {"run": run.fd, "parent": os.getpid(), "give_up": give_up}
        if options.mode == "native":
            target = options.system.native(address)
            if target is None:
                raise ExecutorError(f"{options.system.name} has no native scripts; use mode 'api'")
            job["native"] = target._asdict()
        else:
            job["told_end"] = options.told_end
            job["api"] = b64encode(pickle.dumps((options.system, address))).decode()
        kills = {kill.worker: kill.after for kill in options.kill}
        for number in range(len(program.workers)):
            self._children.append(_Child(number, {**job, "worker": number, "kill_after": kills.get(number)}))

    def gone(self) -> Iterable[Death]:
        for child in self._children:
            death = child.death()
            if death is not None:
                yield death

    def kill(self, worker: int) -> None:
        self._children[worker].kill()

    def dismiss(self) -> dict[int, str]:
        self._wait(_END_PATIENCE_S)
        for child in self._children:
            if self._run is not None and not has_ended(self._run, child.number):
                child.disturb()
        self._wait(_EXIT_PATIENCE_S)
        messages = {}
        for child in self._children:
            child.kill()
            if child.reap() not in (0, -signal.SIGKILL, -DISTURB):
                messages[child.number] = child.last_words
            child.close()
        return messages

    def _wait(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        for child in self._children:
            child.wait(max(0.0, give_up - time.monotonic()))


class _Child:
    """One worker process and what it says on its standard error."""

    def __init__(self, number: int, job: dict[str, Any]) -> None:
        self.number = number
        self._reported = False
        self._stderr = os.memfd_create(f"worker-{number}-stderr")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from harness.worker.child import main; main()", json.dumps(job)],
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
                pass_fds=(job["run"],),
                env={**os.environ, "PYTHONPATH": _search_path(), "PYTHONSAFEPATH": "1"},
            )
        except BaseException:
            os.close(self._stderr)
            raise

    def death(self) -> Death | None:
        """How it ended, once, when it has."""
        code = self._process.poll()
        if code is None or self._reported:
            return None
        self._reported = True
        return Death(self.number, _exit(code), self.last_words)

    @property
    def last_words(self) -> str:
        """The end of its standard error."""
        size = os.fstat(self._stderr).st_size
        text = os.pread(self._stderr, _LAST_WORDS, max(0, size - _LAST_WORDS))
        return text.decode("utf-8", "replace").strip()

    def wait(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return

    def disturb(self) -> None:
        """Have a call through the Python API, which may wait for ever, raise."""
        self._process.send_signal(DISTURB)

    def kill(self) -> None:
        self._process.kill()  # does nothing to a process that was waited for

    def reap(self) -> int:
        return self._process.wait(_EXIT_PATIENCE_S)

    def close(self) -> None:
        """Forget what it said; after `reap`."""
        os.close(self._stderr)


def _search_path() -> str:
    """This process's module search path, for the child: a system under test may come from anywhere on it."""
    return os.pathsep.join(os.fspath(entry) if entry else str(Path.cwd()) for entry in sys.path)


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
