"""A parallel run on processes: an object that can be pickled, or attached to, and the processes that call it.

The processes are fresh interpreters (``spawn``) that stay for many runs. They record with CLOCK_MONOTONIC, which all
processes of a machine share. One that dies or hangs is cut and named, never waited for; all are killed with their
parent.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from harness import _native
from harness.stateful.calling import PATIENCE_S, Interruptions, check_operations, did_not_return, make_calls
from harness.stateful.observation import Call, Observed, ParallelError, ParallelProgram, Raised

__all__ = ["Attached", "Crew"]

_START_PATIENCE_S = 60.0  # an interpreter starts and imports the caller's modules
_LEAD_NS = 500_000  # from the word to begin until all do: everybody has received it by then
_LONGEST_INTERRUPTION_S = 1e-4


def _itself(handle: Any) -> Any:
    return handle


def _nothing(_handle: Any) -> None:
    return None


@dataclass(frozen=True)
class Attached:
    """How processes come to one object.

    Attributes:
        create: called here before every run; gives what can be sent to other processes: the object, or a name of it.
        attach: called in every worker with what `create` gave, returns the object with the operations; a function of a
            module. Without it, what `create` gave is the object.
        release: called here after every run with what `create` gave, whatever happened.
    """

    create: Callable[[], Any]
    attach: Callable[[Any], Any] = _itself
    release: Callable[[Any], object] = _nothing


class Crew:
    """The worker processes of a search: a context manager, at whose end they are gone.

    Raises:
        ParallelError: `attach` cannot be sent to another process.
    """

    def __init__(self, attached: Attached) -> None:
        self._attached = attached
        self._members: list[_Member] = []
        try:
            pickle.dumps(attached.attach)
        except Exception as error:
            raise ParallelError(
                f"attach cannot be sent to another process ({error}); make it a function of a module"
            ) from error

    def __enter__(self) -> Callable[[ParallelProgram, int], tuple[Observed, ...]]:
        return self.run

    def __exit__(self, *_: object) -> None:
        self._dismiss()

    def run(self, program: ParallelProgram, seed: int) -> tuple[Observed, ...]:
        """Run a program once on a new object, a process per worker; the first makes the prefix, too.

        Raises:
            ChildProcessError: a worker died. TimeoutError: a call did not return within `PATIENCE_S`.
            ParallelError: the object cannot be sent or attached, lacks an operation, or gave what cannot be sent back.
        """
        while len(self._members) < max(1, len(program.workers)):
            self._members.append(_Member(len(self._members)))
        handle = self._attached.create()
        try:
            return self._run(handle, program, seed)
        except BaseException:
            self._dismiss()  # who answered half of it, or hangs, is of no use to the next run
            raise
        finally:
            self._attached.release(handle)

    def _run(self, handle: Any, program: ParallelProgram, seed: int) -> tuple[Observed, ...]:
        for member in self._members:
            member.attach(self._attached.attach, handle, program.calls)
        give_up = time.monotonic() + _START_PATIENCE_S
        for member in self._members:
            member.answer(give_up, "attach")
        history = self._together({-1: program.prefix}, seed)
        return tuple(history + self._together(dict(enumerate(program.workers)), seed))

    def _together(self, parts: dict[int, tuple[Call, ...]], seed: int) -> list[Observed]:
        parts = {worker: calls for worker, calls in parts.items() if calls}
        begin = time.monotonic_ns() + _LEAD_NS
        for worker, calls in parts.items():
            self._members[max(0, worker)].call(worker, calls, begin, seed)
        give_up = time.monotonic() + PATIENCE_S
        history = []
        for worker, calls in parts.items():
            for call, seen in zip(calls, self._members[max(0, worker)].results(worker, calls, give_up), strict=True):
                history.append(Observed(worker, call, *seen))
        return sorted(history, key=lambda observed: observed.invoked)

    def _dismiss(self) -> None:
        for member in self._members:
            member.dismiss()
        self._members.clear()


class _Member:
    """A worker process, seen from here."""

    def __init__(self, number: int) -> None:
        self._number = number
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        with theirs:
            self._process: SpawnProcess = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
            self._process.start()

    def attach(self, attach: Callable[[Any], Any], handle: Any, calls: Sequence[Call]) -> None:
        try:
            self._send((attach, handle, calls), "attach")
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError) as error:
            raise ParallelError(
                f"what create() gave cannot be sent to another process ({type(error).__name__}: {error}); let create() "
                "give what names it, and attach= make the object from that"
            ) from error

    def call(self, worker: int, calls: Sequence[Call], begin: int, seed: int) -> None:
        self._send((worker, calls, begin, seed), calls[0])

    def results(self, worker: int, calls: Sequence[Call], give_up: float) -> list[tuple[Any, int, int]]:
        """Of every call; see `make_calls`."""
        now: object = calls[0]
        while True:
            answer = self.answer(give_up, now, worker)
            if not isinstance(answer, int):
                results: list[tuple[Any, int, int]] = answer
                return results
            now = calls[answer]

    def answer(self, give_up: float, what: object, worker: int | None = None) -> Any:
        """What it says next; `what`: the call that it is in."""
        if not wait([self._connection], max(0.0, give_up - time.monotonic())):
            if worker is None:
                raise TimeoutError(f"worker {self._number}: {what} did not return within {_START_PATIENCE_S:g} s")
            raise did_not_return(worker, what)
        try:
            kind, told = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise self._lost(what) from error
        except Exception as error:  # whatever unpickling a caller's object raises
            raise ParallelError(f"a result cannot be received: {type(error).__name__}: {error}") from error
        if kind == "refused":
            raise ParallelError(told)
        return told

    def dismiss(self) -> None:
        assert self._process.pid, "it was started"
        with suppress(ProcessLookupError):  # it may have made no group yet
            os.killpg(self._process.pid, signal.SIGKILL)  # with what it has started
        self._process.kill()
        self._process.join()
        self._process.close()
        self._connection.close()

    def _send(self, message: tuple[Any, ...], what: object) -> None:
        try:
            self._connection.send(message)
        except ConnectionError as error:
            raise self._lost(what) from error

    def _lost(self, what: object) -> ChildProcessError:
        self._process.join(1.0)  # its end of the pipe is closed, so it is ending
        code = self._process.exitcode
        how = "its pipe broke" if code is None else f"died with exit code {code}"
        if code is not None and code < 0:
            how = f"died of {signal.Signals(-code).name}"
        return ChildProcessError(f"worker {self._number}: {how} in {what}")


def _serve(connection: Connection, parent: int) -> None:
    """What a worker process does: attach and call, as told, until nobody tells any more."""
    if not _native.die_with_parent(parent):
        return
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends its workers
    subject: Any = None
    while True:
        try:
            message = connection.recv()
            if len(message) == 3:
                subject = None  # detached from the last one before the next is attached
                attach, handle, calls = message
                subject = attach(handle)
                check_operations(subject, calls)
                connection.send(("done", None))
            else:
                connection.send(("done", _results(connection, subject, *message)))
        except EOFError:
            return
        except ParallelError as error:
            connection.send(("refused", str(error)))
        except Exception as error:
            doing = "attach" if subject is None else "a call or its result"
            connection.send(("refused", f"in another process, {doing} failed: {type(error).__name__}: {error}"))


def _results(
    connection: Connection, subject: Any, worker: int, calls: Sequence[Call], begin: int, seed: int
) -> list[tuple[Any, int, int]]:
    interruptions = Interruptions(f"{seed} {worker}", _LONGEST_INTERRUPTION_S)
    while time.monotonic_ns() < begin:
        pass
    seen = make_calls(
        subject, calls, time.monotonic_ns, interruptions.perhaps, lambda number: connection.send(("begins", number))
    )
    results = list(seen)
    return [
        (_sendable(call, result), begun, ended) for call, (result, begun, ended) in zip(calls, results, strict=True)
    ]


def _sendable(call: Call, result: Any) -> Any:
    """The result, if it survives pickling; an exception that does not, by the name of its class."""
    try:
        pickle.loads(pickle.dumps(result))
    except Exception as error:
        if isinstance(result, Raised):
            return Raised(result.kind)
        raise ParallelError(
            f"{call} gave a {type(result).__name__} that cannot be sent back ({error}); let it give plain values"
        ) from error
    return result
