"""One execution of the simulated core, move by move: calls are begun while it runs.

Whatever the moves, it is an execution of the channel's own source under a memory model (docs/explorer.md), and what is
asked of it is what the explorer asks of all: an order of the calls that explains their answers, intact messages
delivered once, and nobody who waits for what has happened or never will. At the end everybody who is alive runs to the
end of its call, and who waits for a message gets one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

from harness import _explorer
from harness.explore import EVERY, Cost, Model
from harness.explore.subject import subject_of
from harness.explore.trace import lanes
from harness.operation import NO_TIMEOUT, Kind, Status, message_value
from harness.program import Program, operations
from harness.stateful.explored import columns

__all__ = [
    "CALLS",
    "CUT",
    "FOR_A_MESSAGE",
    "FOR_ROOM",
    "MORE_CALLS",
    "Drawn",
    "Execution",
    "Found",
    "Move",
    "NotAsGuaranteed",
    "Setting",
    "describe_interleaving",
    "perform",
]

MESSAGE_BYTES = 8
MOST_STEPS = 2_000
"""Of all workers in one execution: what needs more does not end, and is reported as such."""

CUT = "unbounded"
"""The fault of such an execution; its replay goes on for longer, and is of no use."""

CALLS = (Kind.TRY_READ, Kind.READ, Kind.PEEK, Kind.SKIP, Kind.SKIP_FORCE)
"""Besides try_write; the plainest first."""

MORE_CALLS = (Kind.STATE, Kind.WRITE, Kind.READ_MANY, Kind.WRITE_MANY, Kind.SHUTDOWN)
"""Which few bugs need; batches are of `BATCH` messages."""

BATCH = 2
_BATCHES = (Kind.WRITE_MANY, Kind.READ_MANY)
FOR_A_MESSAGE = (Kind.READ, Kind.READ_MANY)
FOR_ROOM = (Kind.WRITE, Kind.WRITE_MANY)
"""They wait, without time-out."""

_ROUNDS = 2  # of a wait that does not end, before it is believed


@dataclass(frozen=True)
class Setting:
    """What an interleaving is of.

    Attributes:
        workers: that call. capacities: bytes, one of which is drawn; 48 hold two messages, 32 hold one.
        kinds, more: of calls, besides try_write; an example has one or two of them, of `kinds` twice as often.
        most_calls: of all workers. most_kills: in one execution.
        mutant: planted bug of the channel. every: period of those that strike every n-th call.
        model: ``rc11`` or ``sc``.
    """

    workers: int = 3
    capacities: tuple[int, ...] = (48, 32)
    kinds: tuple[Kind, ...] = CALLS
    more: tuple[Kind, ...] = MORE_CALLS
    most_calls: int = 6
    most_kills: int = 0
    mutant: str = ""
    every: int = EVERY
    model: Model = "rc11"


@dataclass(frozen=True, order=True)
class Move:
    """One rule, performed.

    Attributes:
        what: ``start``, ``perform``, ``go``, ``finish``, ``older``, ``time`` or ``kill``. worker: whose turn it is.
        number: of start and perform, the kind; of go, steps; of older, how much older, at most.
        later: of older, so many reads that could have been stale take the newest store before.
    """

    what: str
    worker: int
    number: int = 0
    later: int = 0


@dataclass(frozen=True)
class Drawn:
    """An interleaving as it was drawn: the capacity of the ring in bytes, and the moves."""

    capacity: int
    moves: tuple[Move, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"capacity": self.capacity, "moves": [astuple(move) for move in self.moves]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Drawn:
        """Inverse of `to_json`."""
        return cls(data["capacity"], tuple(Move(what, *numbers) for what, *numbers in data["moves"]))


@dataclass(frozen=True)
class Found:
    """An interleaving in which the channel breaks a guarantee.

    Attributes:
        setting: as asked for. program: the calls that were begun. kills: (worker, access) before which it was killed.
        fault, what: as of the explorer. schedule: replays it. cost: of the schedule, if it was minimised.
        trace: of the execution, as lanes of workers. drawn: the moves, shrunk, if it was.
        reproduce: Hypothesis's decorator that draws it again, or "".
    """

    setting: Setting
    program: Program
    kills: tuple[tuple[int, int], ...]
    fault: str
    what: str
    schedule: str
    trace: str
    cost: Cost | None = None
    drawn: Drawn | None = None
    reproduce: str = ""

    @property
    def calls(self) -> int:
        return sum(len(script) for script in self.program.workers)


class NotAsGuaranteed(AssertionError):
    """The channel broke a guarantee; the message shows in which interleaving."""

    def __init__(self, found: Found) -> None:
        super().__init__(describe_interleaving(found))
        self.found = found


class Execution:
    """One execution, one rule at a time. Workers are chosen by their place among those that can do what is asked."""

    def __init__(self, setting: Setting, capacity: int) -> None:
        self.setting = setting
        self.capacity = capacity
        # one more, who comes when all others wait for a message
        self._scripts: list[list[dict[str, int]]] = [[] for _ in range(setting.workers + 1)]
        subject = _explorer.channel(capacity, [[] for _ in self._scripts], setting.mutant, setting.every)
        self._stepper = _explorer.Stepper(subject, setting.model, setting.most_kills, MOST_STEPS)
        self._last = 0

    # ---- who can do what

    @property
    def calls(self) -> int:
        return sum(map(len, self._scripts))

    def idle(self) -> list[int]:
        """Workers that are between calls."""
        stepper, workers = self._stepper, range(self.setting.workers)
        return [worker for worker in workers if not stepper.in_call(worker) and not stepper.is_killed(worker)]

    def may_start(self, kind: Kind) -> bool:
        """One worker at a time waits for room: two would go round for ever, each woken by what the other looks at."""
        return kind not in FOR_ROOM or not any(one in FOR_ROOM for one in self._waiting())

    def enabled(self) -> list[int]:
        return [] if self._stepper.over else self._stepper.enabled()

    def about_to_choose(self) -> list[int]:
        """Workers for which time could pass."""
        stepper = self._stepper
        return [worker for worker in self.enabled() if stepper.next(worker) == "choice" and stepper.choices(worker) > 1]

    def killable(self) -> list[int]:
        return [worker for worker in self.enabled() if self._stepper.is_killable(worker)]

    # ---- the moves

    def applies(self, move: Move) -> bool:
        """Can it be made here?"""
        if move.what in ("start", "perform"):
            startable = self.calls < self.setting.most_calls and self.may_start(Kind(move.number))
            return startable and move.worker in self.idle()
        if move.what == "time":
            return move.worker in self.about_to_choose()
        return move.worker in (self.killable() if move.what == "kill" else self.enabled())

    def make(self, move: Move) -> _explorer.Failure | None:
        """Make it; what has gone wrong so far."""
        if move.what in ("start", "perform"):
            self.start(move.worker, Kind(move.number))
        if move.what in ("perform", "finish"):
            self.go(move.worker)
        elif move.what == "go":
            self.go(move.worker, move.number)
        elif move.what == "older":
            self.read_older(move.worker, move.number, move.later)
        elif move.what == "time":
            self.pass_time(move.worker)
        elif move.what == "kill":
            self._stepper.kill(move.worker)
        return self.failure()

    def start(self, worker: int, kind: Kind) -> None:
        script = self._scripts[worker]
        row = {"kind": kind.value, "timeout": NO_TIMEOUT, "count": BATCH if kind in _BATCHES else 1}
        if kind.writes:
            number = sum(call["count"] for call in script)
            row |= {"value": message_value(worker, number), "size": MESSAGE_BYTES}
        script.append(row)
        self._stepper.start(worker, **row)
        self._last = worker

    def go(self, worker: int, steps: int | None = None) -> None:
        """The worker makes its next steps, to the end of its call at most, or to where time would have to pass."""
        self._last = worker
        made = 0
        while self._can_go(worker) and (made == 0 or self._stepper.next(worker) != "choice") and made != steps:
            self._stepper.step(worker)
            made += 1

    def read_older(self, worker: int, age: int, later: int) -> None:
        """The worker goes on to a read that need not take the newest store, and takes an older one."""
        self._last = worker
        while self._can_go(worker) and self._stepper.next(worker) != "choice":
            older = self._stepper.choices(worker) - 1 if self._stepper.next(worker) == "read" else 0
            if older > 0 and later == 0:
                self._stepper.step(worker, min(age, older))
                return
            later -= older > 0
            self._stepper.step(worker)

    def pass_time(self, worker: int) -> None:
        self._last = worker
        self._stepper.step(worker, 1)

    def _can_go(self, worker: int) -> bool:
        return worker in self.enabled() and self._stepper.in_call(worker)

    # ---- what must hold

    def failure(self) -> _explorer.Failure | None:
        """What has gone wrong so far; where everybody is between calls, that includes answers that nothing explains."""
        stepper = self._stepper
        if stepper.over or any(stepper.in_call(worker) for worker in range(self.setting.workers)):
            return stepper.failure
        return stepper.judge()

    def end(self) -> _explorer.Failure | None:
        """Everybody who is alive runs to the end; whoever then waits for a message gets one, and for room gets some."""
        for _ in range(BATCH * self.calls + 1):
            if not self._settle():
                return None
            helping = None if self._stepper.over else self._help()
            if helping is None:
                break
            self.start(self.setting.workers, helping)
        return self._stepper.failure if self._stepper.over else self._stepper.finish()

    def _settle(self) -> bool:
        """Until nobody can make a step: each worker goes on for as long as it can, and where it waits time passes.

        False if somebody waits for an owner that was alive when it asked as often as the simulation lets it: that is
        neither the end nor a failure.
        """
        asked = dict.fromkeys(range(self.setting.workers + 1), 0)
        while enabled := self.enabled():
            if self._last not in enabled:
                self._last = enabled[0]
            worker = self._last
            if self._stepper.next(worker) != "choice":
                self._stepper.step(worker)
                continue
            if self._stepper.choices(worker) > 1:
                self._stepper.step(worker, 1)
                continue
            self._stepper.step(worker)
            asked[worker] += 1
            if all(asked[one] > _ROUNDS for one in enabled):
                return False
            self._last = next((one for one in enabled if one > worker), enabled[0])
        return True

    def _help(self) -> Kind | None:
        """What ends the wait of somebody who waits rightly: for a message where there is none, for room beside one.

        None if nobody does. Once the stream has ended nobody may wait.
        """
        calls = [(Kind(kind), Status(status)) for _, kind, _, status, _ in self._stepper.calls]
        if (Kind.SHUTDOWN, Status.OK) in calls:
            return None
        done = [kind for kind, status in calls if status == Status.OK]
        left = sum(kind.writes for kind in done) - sum(kind.removes for kind in done)
        waiting = self._waiting()
        if left <= 0 and any(kind in FOR_A_MESSAGE for kind in waiting):
            return Kind.TRY_WRITE
        if left > 0 and any(kind in FOR_ROOM for kind in waiting):
            return Kind.TRY_READ
        return None

    def _waiting(self) -> list[Kind]:
        """Calls that have not returned."""
        return [Kind(kind) for _, kind, _, status, _ in self._stepper.calls if status == Status.PENDING]

    # ---- the counterexample

    def found(self, failure: _explorer.Failure) -> Found:
        """Replayed from the program that was written meanwhile: what is shown is what everybody can run again."""
        setting = self.setting
        scripts = [operations(script) for script in self._scripts]
        while len(scripts) > 1 and not len(scripts[-1]):
            del scripts[-1]
        program = Program("interleaving", tuple(scripts), self.capacity)
        kills = tuple(self._stepper.kills)
        subject = subject_of(
            program, mutant=setting.mutant, every=setting.every, kills=kills, reckoned=setting.most_kills
        )
        schedule = self._stepper.schedule(subject)
        steps, again = _explorer.trace(subject, schedule, model=setting.model)
        if failure.fault != CUT and (again is None or again.fault != failure.fault):
            raise RuntimeError(f"{failure.fault}: {failure.what}: not so when replayed with {schedule}")
        return Found(
            setting,
            program,
            kills,
            failure.fault,
            failure.what,
            schedule,
            lanes(steps, again or failure),
        )


def perform(setting: Setting, drawn: Drawn) -> Found | None:
    """Make the moves again, those that do not apply left out, and run to the end; what is wrong, if anything is."""
    run = Execution(setting, drawn.capacity)
    for move in drawn.moves:
        if run.applies(move) and (failure := run.make(move)) is not None:
            return run.found(failure)
    failure = run.end()
    return None if failure is None else run.found(failure)


def describe_interleaving(found: Found) -> str:
    """In this order: the fact; the program, a column per worker; the interleaving; the replay line."""
    setting = found.setting
    planted = f", mutant={setting.mutant!r}" if setting.mutant else ""
    period = f", every={setting.every}" if setting.every != EVERY else ""
    model = f", model={setting.model!r}" if setting.model != "rc11" else ""
    killed = f", kills={found.kills!r}" if found.kills else ""
    reckoned = f", reckoned={setting.most_kills}" if setting.most_kills > len(found.kills) else ""
    counted = "" if found.cost is None else f"; {found.cost}"
    lines = [
        f"{found.fault}: {found.what}{counted}",
        "",
        f"program: capacity {found.program.capacity} bytes",
        *columns(found.program),
        "",
        "interleaving:",
        found.trace,
        "",
        f"replay: replay(program, {found.schedule!r}{model}{planted}{period}{killed}{reckoned}), "
        f"program = Program.from_json({found.program.to_json()})",
    ]
    if found.reproduce:
        lines.append(f"hypothesis: {found.reproduce}")
    return "\n".join(lines)
