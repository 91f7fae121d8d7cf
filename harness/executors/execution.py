"""What an executor hands back, and what it can be asked to break."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness import _native
from harness.history import History
from harness.program import Program, ProgramError
from harness.systems.base import System
from harness.systems.channel import ChannelSystem

__all__ = ["Crew", "Death", "Execution", "ExecutorError", "Kill", "Options", "Progress", "Unfinished"]


class ExecutorError(RuntimeError):
    """The run could not be made: a worker did not start, or the system could not be created."""


@dataclass(frozen=True)
class Kill:
    """Kill a worker process by SIGKILL: give one of `after` and `at_s`.

    Attributes:
        worker: which.
        after: by its own hand when so many calls have returned, the next one begun.
        step: with `after`: before that access to shared memory of the call (native scripts); a call has about a dozen.
        at_s: by the executor, so many seconds after the start.
    """

    worker: int
    after: int | None = None
    step: int = 0
    at_s: float | None = None

    def __post_init__(self) -> None:
        if (self.after is None) == (self.at_s is None):
            raise ValueError("a Kill has one of after= (calls) and at_s= (seconds)")
        if (self.after is not None and self.after < 0) or self.step < 0 or (self.at_s is not None and self.at_s < 0):
            raise ValueError("after, step and at_s are not negative")


@dataclass(frozen=True)
class Death:
    """A worker process that ended without saying so.

    Attributes:
        worker: which. exit: ``"SIGKILL"``, ``"exit code 1"``. last_words: the end of its standard error.
        planned: was it killed on purpose (`Kill`)?
    """

    worker: int
    exit: str
    last_words: str = ""
    planned: bool = False


@dataclass(frozen=True)
class Unfinished:
    """A worker that did not come to the end of its script.

    Attributes:
        worker: which. reason: ``"deadline"``, ``"stopped"``, ``"records full"``, ``"corrupted"``, ``"error"``,
            ``"died"``, or ``"silent"`` if it did not even react to the end of the run.
        completed: calls that returned. last_ns: when the last of them did, since the start.
        message: of the exception, for ``"error"``.
    """

    worker: int
    reason: str
    completed: int
    last_ns: int
    message: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a running program is: calls that returned, per worker, and seconds since the start."""

    completed: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Execution:
    """One run of a program.

    Attributes:
        history: what happened. Its capacity is in accounted bytes: a message costs round_up_16(8 + size).
        drained: was the channel seen empty after all workers had ended? Then a message that was written and not
            removed is lost. The drain's removals are the operations of worker ``len(program.workers)``.
        unfinished: workers that did not come to the end of their scripts, dead ones included.
        dead: worker processes that died.
        seconds: from the start barrier to the last response.
    """

    history: History
    drained: bool
    unfinished: tuple[Unfinished, ...]
    dead: tuple[Death, ...]
    seconds: float

    @property
    def finished(self) -> bool:
        """Did every worker finish that was not killed on purpose?"""
        planned = {death.worker for death in self.dead if death.planned}
        return all(worker.worker in planned for worker in self.unfinished)


@dataclass(frozen=True)
class Options:
    """How a program is run; the keyword arguments of ``threads.run`` and ``processes.run``.

    Attributes:
        system: under test; this project's channel if not given.
        mode: ``"native"``: native scripts without the GIL; ``"api"``: through the public Python API.
        deadline_s: the run is cut after so long; operations that wait then stay pending.
        kill: workers to kill, processes only.
        noise: native scripts are held up at one access to shared memory in so many, at random (drawn from the program's
            seed), so that workers meet in places that are usually nanoseconds wide; 0: never.
        shutdown: end the stream when the last writer has finished; else readers end when they find nothing.
        drain: take out afterwards what nobody read.
        watch: called every few hundredths of a second.
    """

    system: System = field(default_factory=ChannelSystem)
    mode: str = "native"
    deadline_s: float = 60.0
    kill: tuple[Kill, ...] = ()
    noise: int = 0
    shutdown: bool = True
    drain: bool = True
    watch: Callable[[Progress], None] | None = None

    @property
    def told_end(self) -> bool:
        """Will readers be told that the stream has ended?"""
        return self.shutdown and self.system.ends

    def check(self, program: Program, *, processes: bool) -> None:
        """Refuse what cannot be run, with the rule that it breaks."""
        if self.mode not in ("native", "api"):
            raise ValueError(f"mode is 'native' or 'api'; got {self.mode!r}")
        if not self.deadline_s > 0:
            raise ValueError(f"deadline_s is more than 0 seconds; got {self.deadline_s}")
        if self.noise and (self.mode != "native" or not 1 <= self.noise < 2**32):
            raise ValueError("noise is a number of accesses from 1, in mode 'native'; or 0")
        if len(program.workers) >= 2**16 - 1:
            raise ProgramError(f"a program has at most {2**16 - 2} workers on real executors")
        for kill in self.kill:
            if not processes:
                raise ValueError("kill needs processes: a thread cannot be killed alone")
            if not 0 <= kill.worker < len(program.workers):
                raise ValueError(f"kill names worker {kill.worker}; there are 0 to {len(program.workers) - 1}")
            if kill.step and self.mode != "native":
                raise ValueError("a kill at a step needs mode 'native'; the Python API is killed between calls")


class Crew(Protocol):
    """The workers of a run, as threads or as processes. Every wait in here has a deadline."""

    def launch(self, program: Program, options: Options, address: Any, run: _native.Run, give_up: int) -> None:
        """Start all workers; each comes to the run's barrier, waiting there until `give_up` (monotonic ns)."""
        ...

    def gone(self) -> Iterable[Death]:
        """Workers that have ended since the last call without telling the run."""
        ...

    def kill(self, worker: int) -> None: ...

    def dismiss(self) -> dict[int, str]:
        """Wait for workers that were told to stop, end those that can be ended; messages of those that failed."""
        ...


def has_ended(run: _native.Run, worker: int) -> bool:
    """Did the worker say that it is over, whether its script is or not?"""
    return _native.PHASES[run.worker(worker)[0]] in ("finished", "cut")
