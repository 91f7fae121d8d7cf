"""A session in a process of its own: a call that never returns is cut and named; so is one that ends its process.

Nothing in a thread can end a native call, least of all one that keeps the interpreter's lock. So the calls are made by
a child, which is forked once and serves one session after another; it is killed when a call does not return in time.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import traceback
import warnings
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from harness import _native
from harness.stateful.calling import PATIENCE_S
from harness.stateful.sequence import CallSequence, SequenceError, Start, Step
from harness.stateful.session import CALLS, NAME_PREFIX, NotAsSpecified, Session

__all__ = ["ConfinedSession", "Confinement", "NeverReturned", "run_sequence"]


class NeverReturned(NotAsSpecified):
    """A call was cut: it did not return in time."""


@dataclass(frozen=True)
class _Told:
    """What the child says after a call.

    Attributes:
        outcome: as of `Session.perform`. applicable: calls that can be made now.
        tail, used, capacity: as of the specification's state. error: what was wrong, or None.
    """

    outcome: str = ""
    applicable: frozenset[str] = frozenset()
    tail: int = 0
    used: int = 0
    capacity: int = 0
    error: NotAsSpecified | None = None


class Confinement:
    """The process in which sessions on a class of channels live; a context manager, at whose end it is gone.

    Args:
        channel_class, library: as of `Session`. patience_s: a call that has not returned by then is said to hang.
    """

    def __init__(self, channel_class: Any, library: ModuleType, patience_s: float = PATIENCE_S) -> None:
        self._class, self._library = channel_class, library
        self.patience_s = patience_s
        self._process: ForkProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Confinement:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()

    def begin(self, start: Start) -> ConfinedSession:
        """A new session.

        Raises:
            NotAsSpecified: its channel is not as it should be.
        """
        return ConfinedSession(self, start)

    def ask(self, request: Start | Step | None, what: str) -> _Told:
        """Let the child do it; None ends the session.

        Raises:
            NotAsSpecified: what the child says is wrong, that it died, or (`NeverReturned`) that it did not answer.
        """
        connection = self._connection or self._started()
        try:
            connection.send(request)
            if not connection.poll(self.patience_s):
                self.dismiss()
                raise NeverReturned(f"{what} did not return within {self.patience_s:g} s")
            told: _Told = connection.recv()
        except (EOFError, ConnectionError) as error:
            if self._process is not None:
                self._process.join(1.0)  # its end of the pipe is closed, so it is ending
            raise NotAsSpecified(f"{what} ended its process: {self.dismiss()}") from error
        if told.error is not None:
            raise told.error
        return told

    def dismiss(self) -> str:
        """Kill the child, if there is one, and remove what its session left; how it ended."""
        process, connection = self._process, self._connection
        if process is None or connection is None:
            return ""
        process.kill()
        process.join()
        number, code = process.pid, process.exitcode or 0
        process.close()
        connection.close()
        self._process = self._connection = None
        for segment in Path("/dev/shm").glob(f"{NAME_PREFIX}{number}-*"):
            segment.unlink(missing_ok=True)
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def _started(self) -> Connection:
        context = multiprocessing.get_context("fork")  # a class with a planted bug has no name to be imported by
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._connection, os.getpid(), self._class, self._library), daemon=True
        )
        with theirs, warnings.catch_warnings():
            # of Python 3.12: other threads may hold locks. The child takes none of theirs; it only calls the channel
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        return self._connection


class ConfinedSession:
    """`Session`, seen from the process that watches it.

    Attributes:
        performed: the calls so far. tail, used, capacity: of the specification's state.
    """

    def __init__(self, confinement: Confinement, start: Start) -> None:
        self._confinement, self._start = confinement, start
        self.performed: list[Step] = []
        self._ended = False
        self._now = _Told()
        self._ask(start, f"create of {start}")

    @property
    def sequence(self) -> CallSequence:
        return CallSequence(self._start, tuple(self.performed))

    @property
    def tail(self) -> int:
        return self._now.tail

    @property
    def used(self) -> int:
        return self._now.used

    @property
    def capacity(self) -> int:
        return self._now.capacity

    def applies(self, name: str) -> bool:
        """As of `Session`."""
        return name in self._now.applicable

    def perform(self, step: Step) -> str:
        """As of `Session`; whatever the channel raises and should not is told as `NotAsSpecified`, too."""
        self.performed.append(step)
        self._ask(step, str(step))
        return self._now.outcome

    def close_all(self) -> None:
        """As of `Session`; nothing, if the child is gone or has given the session up."""
        if not self._ended:
            self._ask(None, "close of every handle")
            self._ended = True

    def _ask(self, request: Start | Step | None, what: str) -> None:
        try:
            self._now = self._confinement.ask(request, what)
        except NotAsSpecified:
            self._ended = True
            raise


def run_sequence(confinement: Confinement, sequence: CallSequence) -> tuple[Step, ...]:
    """Perform the calls on a new channel; those that cannot be made in their state are left out.

    Returns:
        The calls that were performed.

    Raises:
        NotAsSpecified: as `ConfinedSession.perform`.
        SequenceError: there is no such call.
    """
    for step in sequence.steps:
        if step.name not in CALLS:
            raise SequenceError(f"unknown call {step.name!r}; there are {', '.join(CALLS)}")
    session = confinement.begin(sequence.start)
    try:
        for step in sequence.steps:
            if session.applies(step.name):
                session.perform(step)
    finally:
        session.close_all()
    return tuple(session.performed)


def _serve(connection: Connection, theirs: Connection, parent: int, channel_class: Any, library: ModuleType) -> None:
    """What the child does: one session after another, until it is killed."""
    theirs.close()
    faulthandler.disable()  # how the child ended is told by who watches it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends its child
    if not _native.die_with_parent(parent):
        return
    sessions: list[Session] = []  # the one that is open, if there is one
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        told = _Told()
        try:
            if isinstance(request, Start):
                sessions.append(Session(channel_class, library, request))
                told = _told(sessions[0])
            elif isinstance(request, Step):
                outcome = sessions[0].perform(request)
                told = _told(sessions[0], outcome)
            else:
                sessions.pop().close_all()
        except Exception as error:
            told = _Told(error=_wrong(error))
            with suppress(Exception):  # after a wrong answer, what closing the handles raises says nothing new
                for session in sessions:
                    session.close_all()
            sessions.clear()
        connection.send(told)


def _told(session: Session, outcome: str = "") -> _Told:
    model = session.model
    applicable = frozenset(name for name in CALLS if session.applies(name))
    return _Told(outcome, applicable, model.tail, model.used, model.capacity)


def _wrong(error: Exception) -> NotAsSpecified:
    """The error in a form that can be sent, with where it was raised if that is not plain from its words."""
    if isinstance(error, NotAsSpecified):
        return NotAsSpecified(str(error))
    wrong = NotAsSpecified(f"raised {error!r}")
    wrong.add_note(traceback.format_exc())
    return wrong
