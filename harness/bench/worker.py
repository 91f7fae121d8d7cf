"""What a worker of the benchmark does: the loops that are timed, and nothing beside them.

A worker serves commands from its control connection until that closes. It begins each at an instant that all workers
were told, on the clock that they share.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from harness.bench.transport import End, Transport

__all__ = ["Command", "Outcome", "serve", "serve_process"]


@dataclass(frozen=True)
class Command:
    """One slice of work for one worker.

    Attributes:
        what: "send", "receive", "ping", "pong", "stamp" (send the time, paced; "stamp, asleep": asleep in between) or
            "take" (receive it).
        count: messages; size: bytes of each; batch: messages per call, 1: one by one.
        start_ns: when to begin, on CLOCK_MONOTONIC; pace_ns: between two stamps.
    """

    what: str
    count: int
    size: int
    batch: int
    start_ns: int
    pace_ns: int = 0


@dataclass(frozen=True)
class Outcome:
    """When a worker's loop began and ended, what it cost the kernel, and latencies where the command measures them."""

    start_ns: int
    end_ns: int
    switches: int
    latencies: bytes = b""


def serve_process(control: Connection, ends: list[tuple[Transport, bool]], cpu: int | None, parent: int) -> None:
    """Entry point of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:
        return
    serve(control, ends, cpu)


def serve(control: Connection, ends: list[tuple[Transport, bool]], cpu: int | None) -> None:
    """Open the ends (True: the sending one), then obey until whoever commands has gone."""
    with control, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        try:
            opened = [transport.sender() if sends else transport.receiver() for transport, sends in ends]
        except Exception as error:
            control.send(f"{type(error).__name__}: {error}")
            return
        control.send(None)
        while True:
            command: Command | None = control.recv()
            if command is None:
                control.send(opened[0].counters() if opened[0].counters is not None else {})
            else:
                control.send(_obey(command, opened))


def _obey(command: Command, ends: list[End]) -> Outcome:
    work = _LOOPS[command.what]
    while time.monotonic_ns() < command.start_ns:
        pass
    before = resource.getrusage(resource.RUSAGE_THREAD)
    start = time.monotonic_ns()
    latencies = work(command, ends)
    end = time.monotonic_ns()
    after = resource.getrusage(resource.RUSAGE_THREAD)
    switches = after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw
    return Outcome(start, end, switches, latencies)


def _send(command: Command, ends: list[End]) -> bytes:
    if ends[0].send_all is not None:
        ends[0].send_all(command.count, command.size, command.batch)
        return b""
    message = bytes(command.size)
    send_many = ends[0].send_many
    if command.batch > 1 and send_many is not None:
        messages = [message] * command.batch
        for _ in repeat(None, command.count // command.batch):
            send_many(messages)
        return b""
    send = ends[0].send
    for _ in repeat(None, command.count):
        send(message)
    return b""


def _receive(command: Command, ends: list[End]) -> bytes:
    if ends[0].receive_all is not None:
        ends[0].receive_all(command.count // command.batch * command.batch, command.batch)
        return b""
    receive_many = ends[0].receive_many
    if command.batch > 1 and receive_many is not None:
        missing = command.count // command.batch * command.batch
        while missing:
            missing -= len(receive_many(min(missing, command.batch)))
        return b""
    receive = ends[0].receive
    for _ in repeat(None, command.count // command.batch * command.batch):
        receive()
    return b""


def _ping(command: Command, ends: list[End]) -> bytes:
    message, send, receive, now = bytes(command.size), ends[0].send, ends[1].receive, time.monotonic_ns
    stamps = np.empty(command.count + 1, dtype=np.int64)
    stamps[0] = now()
    for i in range(1, command.count + 1):
        send(message)
        receive()
        stamps[i] = now()
    return np.diff(stamps).tobytes()


def _pong(command: Command, ends: list[End]) -> bytes:
    message, receive, send = bytes(command.size), ends[0].receive, ends[1].send
    for _ in repeat(None, command.count):
        receive()
        send(message)
    return b""


def _stamp(command: Command, ends: list[End]) -> bytes:
    send, now, padding = ends[0].send, time.monotonic_ns, bytes(command.size - 8)
    due = now()
    for _ in repeat(None, command.count):
        due = max(due + command.pace_ns, now())  # who was late catches nothing up: messages would wait for each other
        while now() < due:
            pass
        send(now().to_bytes(8, "little") + padding)
    return b""


def _stamp_asleep(command: Command, ends: list[End]) -> bytes:
    send, now, padding, pace = ends[0].send, time.monotonic_ns, bytes(command.size - 8), command.pace_ns / 1e9
    for _ in repeat(None, command.count):
        time.sleep(pace)
        send(now().to_bytes(8, "little") + padding)
    return b""


def _take(command: Command, ends: list[End]) -> bytes:
    receive, now = ends[0].receive, time.monotonic_ns
    latencies = np.empty(command.count, dtype=np.int64)
    for i in range(command.count):
        message = receive()
        arrived = now()
        data = getattr(message, "data", message)
        data = data[0] if isinstance(data, tuple) else data
        latencies[i] = arrived - int.from_bytes(data[:8], "little")
    return latencies.tobytes()


_LOOPS: dict[str, Callable[[Command, list[End]], Any]] = {
    "send": _send,
    "receive": _receive,
    "ping": _ping,
    "pong": _pong,
    "stamp": _stamp,
    "stamp, asleep": _stamp_asleep,
    "take": _take,
}
