"""Workers of one transport, started once and kept, so that many transports can be measured in turn."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from harness.bench.transport import Transport, Unavailable
from harness.bench.worker import Command, Outcome, serve, serve_process

__all__ = ["Crew", "Slice", "Stuck"]

_SPAWN = multiprocessing.get_context("spawn")
_START_PATIENCE_S = 60.0
_SLICE_PATIENCE_S = 60.0
_LEAD_NS = 1_000_000
_LEAD_PER_WORKER_NS = 200_000


class Stuck(Exception):
    """A worker did not answer in time, or died."""


@dataclass(frozen=True)
class Slice:
    """One slice: wall time from the first start to the last end, messages, context switches; latencies in ns."""

    nanoseconds: int
    messages: int
    switches: int
    latencies: npt.NDArray[np.int64]

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages * 1e9 / self.nanoseconds


class Crew:
    """Senders and receivers on one transport, or (``round_trip``) a pair of workers on two of them.

    Args:
        transports: opened here and closed here: one, or the two of a round trip.
        on: "threads" or "processes". pin: worker i to CPU i modulo the number of CPUs.
    """

    def __init__(
        self,
        transports: Sequence[Transport],
        on: str,
        senders: int,
        receivers: int,
        capacity: int,
        size: int,
        pin: bool = True,
    ) -> None:
        self.name, self.size = transports[0].name, size
        self._transports, self._on = transports, on
        self._senders, self._receivers = senders, receivers
        self._controls: list[Connection] = []
        self._workers: list[Any] = []
        opened: list[Transport] = []
        try:
            for transport in transports:
                transport.open(capacity, size)
                opened.append(transport)
            self._start(pin)
        except BaseException:
            self._end()
            for transport in opened:
                transport.close()
            raise

    def _start(self, pin: bool) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        for number, ends in enumerate(self._roles()):
            mine, theirs = _SPAWN.Pipe()
            cpu = cpus[number % len(cpus)] if pin else None
            worker: Any
            if self._on == "processes":
                worker = _SPAWN.Process(target=serve_process, args=(theirs, ends, cpu, os.getpid()), daemon=True)
            else:
                worker = threading.Thread(target=serve, args=(theirs, ends, cpu), daemon=True)
            worker.start()
            if self._on == "processes":
                theirs.close()
            self._controls.append(mine)
            self._workers.append(worker)
        for control in self._controls:
            refusal = self._answer(control, _START_PATIENCE_S)
            if refusal is not None:
                raise Unavailable(str(refusal))

    def _roles(self) -> list[list[tuple[Transport, bool]]]:
        if len(self._transports) == 2:
            there, back = self._transports
            return [[(there, True), (back, False)], [(there, False), (back, True)]]
        (transport,) = self._transports
        return [[(transport, True)]] * self._senders + [[(transport, False)]] * self._receivers

    @staticmethod
    def _answer(control: Connection, patience: float) -> Any:
        try:
            if control.poll(patience):
                return control.recv()
        except (EOFError, ConnectionError) as error:
            raise Stuck("a worker died") from error
        raise Stuck(f"a worker did not answer within {patience:.0f} s")

    def throughput(self, count: int, batch: int = 1) -> Slice:
        """Carry about `count` messages; a multiple of what divides evenly among the workers."""
        unit = self._senders * self._receivers * batch
        count = max(count // unit, 1) * unit
        commands = [("send", count // self._senders)] * self._senders
        commands += [("receive", count // self._receivers)] * self._receivers
        return self._slice(commands, count, batch)

    def round_trips(self, count: int) -> Slice:
        """`count` messages there and back, one after another."""
        return self._slice([("ping", count), ("pong", count)], count, 1)

    def one_way(self, count: int, pace_ns: int) -> Slice:
        """`count` messages, one each `pace_ns`, so that none waits behind another.

        A thread sleeps in between: if it looked at the clock, it would keep the GIL from the one that receives.
        """
        stamp = "stamp" if self._on == "processes" else "stamp, asleep"
        return self._slice([(stamp, count), ("take", count)], count, 1, pace_ns)

    def _slice(self, commands: Sequence[tuple[str, int]], messages: int, batch: int, pace_ns: int = 0) -> Slice:
        start = time.monotonic_ns() + _LEAD_NS + _LEAD_PER_WORKER_NS * len(commands)
        outcomes: list[Outcome] = self._asked(
            [Command(what, count, self.size, batch, start, pace_ns) for what, count in commands]
        )
        return Slice(
            max(outcome.end_ns for outcome in outcomes) - min(outcome.start_ns for outcome in outcomes),
            messages,
            sum(outcome.switches for outcome in outcomes),
            np.frombuffer(b"".join(outcome.latencies for outcome in outcomes), dtype=np.int64),
        )

    def counters(self) -> dict[str, int]:
        """Totals so far, by name, of a transport that counts; else empty."""
        return dict(self._asked([None])[0])

    def _asked(self, questions: Sequence[Command | None]) -> list[Any]:
        """Answers of the first so many workers. A crew that is stuck is ended at once, lest it disturb other slices."""
        try:
            if not self._controls:
                raise Stuck("its workers were ended")
            asked = self._controls[: len(questions)]
            try:
                for control, question in zip(asked, questions, strict=True):
                    control.send(question)
            except ConnectionError as error:
                raise Stuck("a worker died") from error
            deadline = time.monotonic() + _SLICE_PATIENCE_S
            return [self._answer(control, max(deadline - time.monotonic(), 0.0)) for control in asked]
        except Stuck:
            self._end()
            raise

    def close(self) -> None:
        self._end()
        for transport in self._transports:
            transport.close()

    def _end(self) -> None:
        for control in self._controls:
            control.close()
        for worker in self._workers:
            worker.join(timeout=1.0)
            if self._on == "processes" and worker.is_alive():
                worker.kill()
                worker.join(timeout=5.0)
        self._controls, self._workers = [], []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
