"""One run, from the start barrier to the history; what threads and processes have in common.

The executor watches: it ends the stream when the last writer is over, notices who died, cuts the run at its deadline,
drains the channel, and leaves nothing behind whichever way it is left.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from harness import _native
from harness.executors.execution import (
    Crew,
    Death,
    Execution,
    ExecutorError,
    Options,
    Progress,
    Unfinished,
    has_ended,
)
from harness.history import INTACT, OPERATION_RECORD, PENDING_RETURN, History
from harness.operation import NO_ID, NO_TIMEOUT, Kind, Status
from harness.program import Program, ProgramError
from harness.resolve import resolve_skips
from harness.systems.base import Endpoint, Setup
from harness.worker.recorder import Asked, Recorder

__all__ = ["execute"]

_START_PATIENCE_NS = 60_000_000_000
_START_DELAY_NS = 2_000_000
_SLICE_NS = 20_000_000
_GRACE_NS = 300_000_000
"""What workers get to notice the end of the run before it is taken from them."""
_DRAIN_PATIENCE_NS = 10_000_000_000

_SPARE_RECORDS = 100_000
_MOST_RECORDS = 20_000_000

_SMALLEST_PAYLOAD = 8


def execute(program: Program, crew: Crew, options: Options, *, processes: bool, executor: str) -> Execution:
    """Run `program` with the workers that `crew` provides."""
    options.check(program, processes=processes)
    check_program(program, options)
    setup = Setup(program.capacity, dict(program.config), len(program.workers), processes)
    address = options.system.create(setup)
    try:
        return _Session(program, crew, options, address).execute(executor, options.system.accounted_capacity(setup))
    finally:
        options.system.destroy(address)


def check_program(program: Program, options: Options) -> None:
    """Refuse a program that this system or mode cannot run.

    Raises:
        ProgramError: with the rule that it breaks.
    """
    offered = options.system.operations
    for number, script in enumerate(program.workers):
        unknown = [Kind(kind).name.lower() for kind in np.unique(script["kind"]) if Kind(kind) not in offered]
        if unknown:
            allowed = ", ".join(sorted(kind.name.lower() for kind in offered))
            raise ProgramError(f"worker {number} wants {', '.join(unknown)}; {options.system.name} offers {allowed}")
        writes = np.isin(script["kind"], [kind.value for kind in Kind if kind.writes])
        small = script["size"][writes] < _SMALLEST_PAYLOAD
        if small.any():
            raise ProgramError(
                f"worker {number} writes a message of {int(script['size'][writes][small][0])} bytes; a payload "
                f"carries its identity and has at least {_SMALLEST_PAYLOAD}"
            )
        batches = np.isin(script["kind"], [Kind.WRITE_MANY.value, Kind.READ_MANY.value])
        if (script["count"][batches] < 1).any():
            raise ProgramError(f"worker {number} has a batch of 0 messages; a batch has at least one")


class _Session:
    """The state of one run."""

    def __init__(self, program: Program, crew: Crew, options: Options, address: Any) -> None:
        self._program = program
        self._crew = crew
        self._options = options
        self._address = address
        self._writers = [
            number
            for number, script in enumerate(program.workers)
            if np.isin(script["kind"], [kind.value for kind in Kind if kind.writes]).any()
        ]
        total = len(program.written_values())
        self._workers = range(len(program.workers))
        readers = len(program.workers) - len(self._writers)
        self._run = _native.Run.create(
            [
                *(_room(script, total, readers) for script in program.workers),
                (b"", 2 * total + _SPARE_RECORDS, 0),  # of the drain; a broken channel may never become empty
            ]
        )
        self._dead: dict[int, Death] = {}
        self._shutdown: tuple[int, int] | None = None

    def execute(self, executor: str, capacity: int | None) -> Execution:
        options, run = self._options, self._run
        for kill in options.kill:
            if kill.after is not None:
                run.kill(kill.worker, kill.after, kill.step)
        for number in self._workers if options.noise else ():
            run.make_noise(number, options.noise, self._program.seed << 16 | number)
        own = options.system.attach(self._address)
        messages: dict[int, str] = {}
        try:
            try:
                give_up = time.monotonic_ns() + _START_PATIENCE_NS
                self._crew.launch(self._program, options, self._address, run, give_up)
                self._await_arrivals(give_up)
                options.system.hide(self._address)
                run.start(_START_DELAY_NS, int(options.deadline_s * 1e9))
                self._supervise(own)
            finally:
                run.stop()
                options.system.wake(self._address)
                messages = self._crew.dismiss()
            parts = [self._records(number) for number in self._workers]
            drained, rest = self._drain(own) if options.drain else (False, np.zeros(0, OPERATION_RECORD))
        finally:
            own.close()
        info = {
            "scenario": self._program.name,
            "seed": self._program.seed,
            "executor": executor,
            "mode": options.mode,
            "system": options.system.name,
            "started": run.started,
        }
        history = History.merged([*parts, rest], capacity=capacity, shutdown=self._shutdown, info=info)
        resolve_skips(history.operations)
        last = [max(_last_return(part), run.started) for part in parts]
        return Execution(
            history=history,
            drained=drained,
            unfinished=self._unfinished(messages, last),
            dead=tuple(self._dead.values()),
            seconds=(max(last) - run.started) / 1e9,
        )

    # ---- start

    def _await_arrivals(self, give_up: int) -> None:
        count = len(self._program.workers)
        while not self._run.await_arrivals(count, time.monotonic_ns() + _SLICE_NS):
            self._note_dead()
            for death in self._dead.values():
                words = f": {death.last_words}" if death.last_words else ""
                raise ExecutorError(f"worker {death.worker} did not start ({death.exit}){words}")
            if time.monotonic_ns() > give_up:
                raise ExecutorError(
                    f"only {self._run.arrived} of {count} workers started within {_START_PATIENCE_NS // 10**9} s"
                )

    # ---- while it runs

    def _supervise(self, own: Endpoint) -> None:
        run, options = self._run, self._options
        started, deadline = run.started, run.deadline
        kills = sorted((started + int(kill.at_s * 1e9), kill.worker) for kill in options.kill if kill.at_s is not None)
        stream_open = True
        while True:
            ended = run.ended
            self._note_dead()
            over = [self._is_over(number) for number in self._workers]
            if stream_open and all(over[number] for number in self._writers):
                self._end_stream(own)
                stream_open = False
            if all(over):
                return
            now = time.monotonic_ns()
            while kills and kills[0][0] <= now:
                self._crew.kill(kills.pop(0)[1])
            if now > deadline and not run.stopped:
                run.stop()
                options.system.wake(self._address)
            if now > deadline + _GRACE_NS:
                return
            if options.watch is not None:
                completed = tuple(run.worker(number)[2] for number in self._workers)
                options.watch(Progress(completed, max(0, now - started) / 1e9))
            run.await_end(ended, min([now + _SLICE_NS, *(at for at, _ in kills[:1])]))

    def _is_over(self, number: int) -> bool:
        return number in self._dead or has_ended(self._run, number)

    def _note_dead(self) -> None:
        planned = {kill.worker for kill in self._options.kill}
        for death in self._crew.gone():
            if not self._is_over(death.worker):
                self._dead[death.worker] = Death(
                    death.worker, death.exit, death.last_words, death.worker in planned and death.exit == "SIGKILL"
                )

    def _end_stream(self, own: Endpoint) -> None:
        ended = False
        if self._options.told_end:
            invoked = time.monotonic_ns()
            ended = own.shutdown()
            if ended:
                self._shutdown = (invoked, time.monotonic_ns())
        self._run.end_stream(ended)
        if not ended:
            self._options.system.wake(self._address)

    # ---- afterwards

    def _records(self, number: int) -> npt.NDArray[np.void]:
        used = self._run.worker(number)[3]
        records = np.frombuffer(self._run.records(number), OPERATION_RECORD)[:used].copy()
        records["returned"][records["status"] == Status.PENDING.value] = PENDING_RETURN
        return records

    def _drain(self, own: Endpoint) -> tuple[bool, npt.NDArray[np.void]]:
        """Take out what nobody read; True if the channel was seen empty at the end."""
        number = len(self._workers)
        recorder = Recorder(self._run.records(number), number, lambda used: self._run.advance(number, used, used))
        asked = Asked(0, NO_TIMEOUT, 0, 0, 1, Kind.TRY_READ)
        give_up = time.monotonic_ns() + _DRAIN_PATIENCE_NS
        drained = False
        while recorder.room and time.monotonic_ns() < give_up:
            invoked = time.monotonic_ns()
            answer = own.try_read()
            returned = time.monotonic_ns()
            value, size, flags = 0, 0, 0
            if answer.data is not None:
                value, intact = _native.read_payload(answer.data)
                size, flags = len(answer.data), INTACT if intact else 0
            recorder.complete(asked, invoked, returned, NO_ID, answer, value, size, flags)
            if answer.status in (Status.EMPTY, Status.CLOSED):
                drained = True
            if answer.status is not Status.OK:
                break
        return drained, self._records(number)

    def _unfinished(self, messages: dict[int, str], last: list[int]) -> tuple[Unfinished, ...]:
        found = []
        for number in self._workers:
            phase, reason, completed, _ = self._run.worker(number)
            name = _native.PHASES[phase]
            if name == "finished":
                continue
            if number in self._dead:
                why = "died"
            elif name == "cut":
                why = _native.REASONS[reason]
            else:
                why = "silent"
            since = last[number] - self._run.started
            found.append(Unfinished(number, why, completed, since, messages.get(number, "")))
        return tuple(found)


def _room(script: npt.NDArray[np.void], messages: int, readers: int) -> tuple[bytes, int, int]:
    """A worker's script, room for its records, and how many are to be expected.

    A worker that writes records each operation once, and each try that the retry policy gave up. A worker that only
    reads may get any share of all messages, and finds nothing any number of times; pages that are not used are free.
    """
    kinds = script["kind"]
    batches = np.isin(kinds, [Kind.WRITE_MANY.value, Kind.READ_MANY.value])
    rows = int(np.where(batches, script["count"], 1).sum())
    if np.isin(kinds, [kind.value for kind in Kind if kind.writes]).any():
        return np.ascontiguousarray(script).tobytes(), min(8 * rows + _SPARE_RECORDS, _MOST_RECORDS), rows
    removing = max(1, int(np.isin(kinds, [kind.value for kind in Kind if kind.removes]).sum()))
    per_message = -(-rows // removing)
    room = min(rows + 4 * per_message * messages + _SPARE_RECORDS, _MOST_RECORDS)
    expected = per_message * messages // max(1, readers)
    return np.ascontiguousarray(script).tobytes(), room, expected


def _last_return(records: npt.NDArray[np.void]) -> int:
    """When the last of a worker's calls returned; 0 if none did."""
    returned = records["returned"][records["status"] != Status.PENDING.value]
    return int(returned.max()) if len(returned) else 0
