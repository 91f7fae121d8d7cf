"""Engines: where the parts of a job are done. Here, in processes of one's own, in any ``concurrent.futures`` executor.

A part is plain data and independent of the others, and doing it twice does no harm: what a process that died leaves
undone is done again by another. `deal` keeps an engine busy with parts that are made as they are needed, so that what
comes of one part may itself be parts.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from harness.termination import do_part, end_children, follow_parent

__all__ = ["Engine", "EngineError", "EngineLost", "EngineUnreachable", "deal", "open_engine"]

TRIES = 3
"""A part whose process dies so often is not tried again: it is what kills them."""
PATIENCE_S = 300.0
"""How long an engine may give no answer at all."""
LOOK_S = 0.5
"""How often it is asked whether it still can."""

P = TypeVar("P")
R = TypeVar("R")


class EngineError(ValueError):
    """There is no such engine; the message says what is wrong and what would be right."""


class EngineLost(RuntimeError):
    """The engine stopped answering, or died again and again; what it had to do is not done."""


class EngineUnreachable(EngineLost):
    """Nobody answers at the address of the engine."""


class Engine:
    """Does parts, `jobs` at a time.

    Attributes:
        name: ``here``, ``processes``, ``executor`` or the address of a cluster.
        parts: done so far. resubmitted: given out again because a process had died.
    """

    def __init__(
        self,
        name: str,
        jobs: int,
        executor: Callable[[], Executor] | None = None,
        *,
        renewable: bool = False,
        died: tuple[type[BaseException], ...] = (),
        lost: Callable[[], str] = lambda: "",
    ) -> None:
        """`executor` makes the one to use, when it is first needed; None: do everything here.

        `renewable`: after a death, another can be made. `died`: what else than BrokenExecutor means a death. `lost`:
        why the engine will never answer again, or "".
        """
        self.name, self.jobs = name, jobs
        self.parts = self.resubmitted = 0
        self.died: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError, *died)
        self.lost = lost
        self._make, self._renewable = executor, renewable
        self._executor: Executor | None = None

    @property
    def is_here(self) -> bool:
        return self._make is None

    def submit(self, work: Callable[[P], R], part: P) -> Future[R]:
        """Like an executor's; a part that is done here is done before this returns."""
        if self._make is None:
            here: Future[R] = Future()
            here.set_result(work(part))
            return here
        if reason := self.lost():
            raise EngineLost(reason)
        if self._executor is None:
            self._executor = self._make()
        if self._renewable:
            work = partial(do_part, work)
        try:
            return self._executor.submit(work, part)
        except RuntimeError as error:  # it is broken, or was shut down
            if not self._renewable:
                raise EngineLost(f"the executor takes no more work: {error}") from error
        self.close()
        self._executor = self._make()
        return self._executor.submit(work, part)

    def stop(self) -> None:
        """End the processes of one's own in the middle of what they do; nobody waits for it any more."""
        if self._renewable:
            end_children()

    def close(self) -> None:
        if self._executor is not None and self._renewable:
            self._executor.shutdown(cancel_futures=True)
        self._executor = None


@contextmanager
def open_engine(name: str = "", jobs: int | None = None, executor: Executor | None = None) -> Iterator[Engine]:
    """The engine of that name for the time of a ``with`` statement.

    Args:
        name: ``here``, ``processes`` or ``dask://HOST:PORT``; empty: processes if there are several jobs.
        jobs: parts at a time; None: one here, else as many as there are processors.
        executor: somebody's own, in place of a named one; it stays open.

    Raises:
        EngineError: no such engine. EngineUnreachable: nobody answers there.
    """
    if jobs is not None and jobs < 1:
        raise EngineError(f"jobs is a whole number from 1; got {jobs}")
    if executor is not None:
        if name:
            raise EngineError(f"give an engine or an executor, not both; got {name!r} and {executor!r}")
        yield Engine("executor", jobs or _processors(), lambda: executor)
        return
    if name.startswith("dask://"):
        from harness.cluster import connect

        with connect(name, jobs) as cluster:
            yield cluster
        return
    if name == "here" or (not name and jobs in (None, 1)):
        if jobs not in (None, 1):
            raise EngineError(f"the engine 'here' has one job, not {jobs}; 'processes' has as many as you like")
        yield Engine("here", 1)
        return
    if name not in ("", "processes"):
        raise EngineError(f"unknown engine {name!r}; there are here, processes and dask://HOST:PORT")
    count = jobs or _processors()
    spawn = multiprocessing.get_context("spawn")
    pool = partial(ProcessPoolExecutor, count, spawn, follow_parent)
    engine = Engine("processes", count, pool, renewable=True)
    try:
        yield engine
    except BaseException:
        engine.stop()
        raise
    finally:
        engine.close()


def deal(
    engine: Engine, work: Callable[[P], R], next_part: Callable[[int], P | None], patience: float = PATIENCE_S
) -> Iterator[tuple[P, R]]:
    """Keep the engine busy; yield each part with what came of it, in any order.

    Args:
        work: a module's function, so that other processes can import it.
        next_part: the next part, or None if there is none at present; it is told how many could start now, and asked
            again after each result. There are no more when it says None and nothing is being done.
        patience: s; an engine that gives no answer for so long is lost.

    Raises:
        EngineLost: a part killed several processes, or the engine itself is gone.
    """
    flying: dict[Future[R], tuple[P, int]] = {}
    again: deque[tuple[P, int]] = deque()
    try:
        while True:
            while len(flying) < engine.jobs:
                if again:
                    part, tries = again.popleft()
                else:
                    new = next_part(engine.jobs - len(flying))
                    if new is None:
                        break
                    part, tries = new, 0
                flying[engine.submit(work, part)] = part, tries
            if not flying:
                return
            done = _first_done(engine, flying, patience)
            for future in done:
                part, tries = flying.pop(future)
                try:
                    result = future.result()
                except engine.died as error:
                    if tries + 1 >= TRIES:
                        raise EngineLost(f"{TRIES} processes died of the same part: {error}") from error
                    again.append((part, tries + 1))
                    engine.resubmitted += 1
                else:
                    engine.parts += 1
                    yield part, result
    finally:
        for future in flying:
            future.cancel()


def _first_done(engine: Engine, flying: Iterable[Future[R]], patience: float) -> set[Future[R]]:
    begin = time.monotonic()
    while True:
        waited = time.monotonic() - begin
        done, _ = wait(flying, timeout=min(LOOK_S, max(0.0, patience - waited)), return_when=FIRST_COMPLETED)
        if done:
            return done
        if reason := engine.lost():
            raise EngineLost(reason)
        if waited >= patience:
            raise EngineLost(f"the engine {engine.name} has not answered for {patience:.0f} s")


def _processors() -> int:
    return len(os.sched_getaffinity(0))
