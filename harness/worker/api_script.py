"""A worker in Python: runs its script through a system's Python API, as a user's code would.

The same rules as ``harness/native/script.hpp``: pending before the call and completed after it; a worker that writes
runs its script once and offers a message again that the retry policy gave up; any other worker repeats its script until
the stream has ended and it has found nothing.
"""

from __future__ import annotations

import os
import signal
import time

from harness import _native
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.systems.base import Answer, Endpoint
from harness.worker.recorder import Asked, Recorder, read_script

__all__ = ["run_script"]

_FIRST_PAUSE_NS = 1_000
_PAUSE_DOUBLINGS = 10
_LONGEST_PAUSE_NS = 20_000_000
_WAIT_SLICE_NS = 50_000_000

_WRITES = (Kind.WRITE, Kind.TRY_WRITE, Kind.WRITE_MANY)
_BATCHES = (Kind.WRITE_MANY, Kind.READ_MANY)
_PAYLOADS = (Kind.READ, Kind.TRY_READ, Kind.PEEK)

_FINISHED, _DEADLINE, _STOPPED, _RECORDS_FULL, _CORRUPTED, _ERROR = range(6)  # Reason in run_memory.hpp
_INTACT = 1  # harness.history.INTACT; importing that would cost every child numpy
_OPEN, _SHUT_DOWN, _ABANDONED = range(3)  # Stream in run_memory.hpp


def run_script(
    run: _native.Run,
    worker: int,
    endpoint: Endpoint,
    give_up: int,
    *,
    told_end: bool = True,
    kill_after: int | None = None,
) -> None:
    """Run one worker's script until it ends or the run is over; ``run.worker(worker)`` says which.

    Args:
        give_up: monotonic ns at which to stop waiting for the start.
        told_end: will a reader that waits be told that the stream has ended? If not, a repeated read that would wait
            for ever waits in slices, each an operation of its own.
        kill_after: kill this process, by SIGKILL, when so many calls have returned and the next one has begun.
    """
    if not run.arrive(worker, give_up):
        run.end(worker, _STOPPED)
        return
    try:
        reason = _ApiScript(run, worker, endpoint, told_end, kill_after).run()
    except BaseException:
        if not run.stopped:
            run.end(worker, _ERROR)
            raise
        reason = _DEADLINE if time.monotonic_ns() >= run.deadline else _STOPPED  # it was disturbed in a call
    run.end(worker, reason)


class _ApiScript:
    def __init__(
        self, run: _native.Run, worker: int, endpoint: Endpoint, told_end: bool, kill_after: int | None
    ) -> None:
        self._run = run
        self._worker = worker
        self._endpoint = endpoint
        self._kill_after = kill_after
        self._script = read_script(run.script(worker))
        self._repeats = not any(asked.kind in _WRITES for asked in self._script)
        if self._repeats and not told_end:
            self._script = [_sliced(asked) for asked in self._script]
        self._recorder = Recorder(run.records(worker), worker, self._publish)
        self._deadline = run.deadline
        self._last = time.monotonic_ns()
        self._calls = 0
        self._fruitless = 0
        self._looping = self._retrying = False
        self._seen_id = NO_ID

    def _publish(self, used: int) -> None:
        self._run.advance(self._worker, used, self._calls)

    def run(self) -> int:
        while True:
            for asked in self._script:
                reason = self._offer(asked)
                if reason is not None:
                    return reason
            if not self._repeats or not self._script:
                return _FINISHED
            self._looping = True

    def _offer(self, asked: Asked) -> int | None:
        """One operation, again where the retry policy gave it up; the reason if the worker is to end with it."""
        done = 0  # messages of a batch that an earlier try has written
        while True:
            reason = self._obstacle(asked)
            if reason != _FINISHED:
                return reason
            self._think(asked)
            stream_ended = self._run.stream != _OPEN
            answer, messages = self._perform(asked, done)
            done += messages
            if answer.status is Status.CORRUPTED:
                return _CORRUPTED
            if self._over(asked, answer, stream_ended):
                return _FINISHED
            self._retrying = _given_up(asked, answer)
            if not self._retrying:
                return None

    def _obstacle(self, asked: Asked) -> int:
        if self._last >= self._deadline:
            return _DEADLINE
        if self._run.stopped:
            return _STOPPED
        if self._recorder.room < (asked.messages if asked.kind in _BATCHES else 1):
            return _RECORDS_FULL
        return _FINISHED

    def _think(self, asked: Asked) -> None:
        pause = asked.think
        if (self._looping or self._retrying) and self._fruitless > 0:
            pause += _FIRST_PAUSE_NS << min(self._fruitless - 1, _PAUSE_DOUBLINGS)
        end = time.monotonic_ns() + pause
        while pause > 0 and not self._run.stopped:
            time.sleep(min(pause, _LONGEST_PAUSE_NS) / 1e9)
            pause = end - time.monotonic_ns()

    def _over(self, asked: Asked, answer: Answer, stream_ended: bool) -> bool:
        moved = answer.status is Status.OK and asked.kind != Kind.PEEK
        self._fruitless = 0 if moved else self._fruitless + 1
        if not self._repeats:
            return False
        nothing = answer.status in (Status.EMPTY, Status.TIMEOUT)
        return answer.status is Status.CLOSED or (nothing and stream_ended and self._run.stream == _ABANDONED)

    def _perform(self, asked: Asked, done: int) -> tuple[Answer, int]:
        """One call; what it answered and how many messages of a batch it moved."""
        target = self._seen_id if asked.kind == Kind.SKIP else NO_ID
        value = asked.value + done
        rows = asked.messages - done if asked.kind in _BATCHES else 1
        payloads = [_native.make_payload(value + i, asked.size) for i in range(rows)] if asked.kind in _WRITES else []
        self._recorder.begin(asked, rows, value, target, time.monotonic_ns())
        if self._calls == self._kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        if asked.kind in _BATCHES:
            return self._perform_batch(asked, value, rows, payloads)
        invoked = time.monotonic_ns()
        answer = self._call(asked, payloads, target)
        returned = self._returned()
        value, size, flags = value if payloads else 0, asked.size if payloads else 0, 0
        if answer.data is not None and asked.kind in _PAYLOADS:
            value, size, flags = _verified(answer.data)
        if (asked.kind == Kind.PEEK and answer.status is Status.OK) or answer.status is Status.MISMATCH:
            self._seen_id = answer.id
        self._recorder.complete(asked, invoked, returned, target, answer, value, size, flags)
        return answer, 0

    def _perform_batch(self, asked: Asked, value: int, rows: int, payloads: list[bytes]) -> tuple[Answer, int]:
        timeout = None if asked.timeout == NO_TIMEOUT else asked.timeout
        invoked = time.monotonic_ns()
        if payloads:
            ids, answer = self._endpoint.write_many(payloads, timeout)
            returned = self._returned()
            moved = [(entry_id, value + i, asked.size, 0) for i, entry_id in enumerate(ids)]
        else:
            entries, answer = self._endpoint.read_many(rows, timeout)
            returned = self._returned()
            moved = [(entry_id, *_verified(data)) for entry_id, data in entries]
        if len(moved) > rows:  # more than it was for, which has no rows in the history
            moved, answer = [], answer._replace(status=Status.CORRUPTED)
        refused = value + len(moved) if payloads else 0
        self._recorder.complete_batch(asked, invoked, returned, iter(moved), answer, refused)
        return answer, len(moved)

    def _returned(self) -> int:
        self._last = time.monotonic_ns()
        self._calls += 1
        return self._last

    def _call(self, asked: Asked, payloads: list[bytes], target: int) -> Answer:
        timeout = None if asked.timeout == NO_TIMEOUT else asked.timeout
        endpoint = self._endpoint
        match asked.kind:
            case Kind.WRITE:
                return endpoint.write(payloads[0], timeout)
            case Kind.TRY_WRITE:
                return endpoint.try_write(payloads[0])
            case Kind.READ:
                return endpoint.read(timeout)
            case Kind.TRY_READ:
                return endpoint.try_read()
            case Kind.PEEK:
                return endpoint.peek()
            case Kind.SKIP:
                return endpoint.skip(target)
            case Kind.SKIP_FORCE:
                return endpoint.skip_force()
        raise ValueError(f"{asked.kind} is no single operation")


def _sliced(asked: Asked) -> Asked:
    waits = asked.kind in (Kind.READ, Kind.READ_MANY) and asked.timeout == NO_TIMEOUT
    return asked._replace(timeout=_WAIT_SLICE_NS) if waits else asked


def _given_up(asked: Asked, answer: Answer) -> bool:
    """Did the retry policy's limit end a write that had no effect, so that it is offered again?"""
    if asked.kind not in _WRITES:
        return False
    return answer.status is Status.RETRY_LIMIT or (answer.status is Status.FULL and asked.kind != Kind.TRY_WRITE)


def _verified(data: bytes) -> tuple[int, int, int]:
    """(value, size, flags) of a payload."""
    value, intact = _native.read_payload(data)
    return value, len(data), _INTACT if intact else 0
