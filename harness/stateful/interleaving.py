"""Interleavings as Hypothesis data: a state machine whose rules are the scheduler of the simulated core.

The rules begin a call on a worker, let a worker make its next steps, let it read an older store, let time pass for it,
and kill it. So the whole interleaving is what Hypothesis draws: it is replayed from the example database, and shrinks
to fewer calls, fewer turns, fewer stale reads. Whatever is drawn is an execution of the channel's own source under a
memory model (docs/explorer.md); what is asked of each is what the explorer asks of all: an order of the calls that
explains their answers, intact messages delivered once, and nobody who waits for what has happened or never will.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness import _explorer
from harness.explore import EVERY, Model
from harness.explore.subject import subject_of
from harness.explore.trace import lanes
from harness.operation import NO_TIMEOUT, Kind, Status, message_value
from harness.program import Program, operations
from harness.stateful.explored import columns

__all__ = [
    "Found",
    "Interleaving",
    "InterleavingMachine",
    "NotAsGuaranteed",
    "Setting",
    "describe_interleaving",
    "find_interleaving",
    "interleaving_machine",
    "run_interleavings",
]

MESSAGE_BYTES = 8
MOST_STEPS = 2_000
"""Of all workers in one execution: what needs more does not end, and is reported as such."""

_LONGEST_TURN = 12  # steps, of one that does not finish the call; a call has about twice as many
_OLDEST = 3  # stores that a stale read goes back, at most
_ROUNDS = 2  # of a wait that does not end, before it is believed
_LATER = 3  # reads that could have been stale and are not, before one that is
_CALLS = (Kind.TRY_READ, Kind.READ, Kind.PEEK, Kind.SKIP, Kind.SKIP_FORCE)
STEP_COUNT = 30
"""Rules of one example."""


@dataclass(frozen=True)
class Setting:
    """What an interleaving is of.

    Attributes:
        workers: that call. capacities: bytes, one of which is drawn; 48 hold two messages, 32 hold one.
        kinds: of calls, besides try_write; an example has one or two of them.
        most_calls: of all workers. most_kills: in one execution.
        mutant: planted bug of the channel. every: period of those that strike every n-th call.
        model: ``rc11`` or ``sc``.
    """

    workers: int = 3
    capacities: tuple[int, ...] = (48, 32)
    kinds: tuple[Kind, ...] = _CALLS
    most_calls: int = 6
    most_kills: int = 0
    mutant: str = ""
    every: int = EVERY
    model: Model = "rc11"


@dataclass(frozen=True)
class Found:
    """An interleaving in which the channel breaks a guarantee.

    Attributes:
        setting: as asked for. program: the calls that were begun. kills: (worker, access) before which it was killed.
        fault, what: as of the explorer. schedule: replays it. stale: reads of an older store. switches: steps made by
            another worker than the step before. trace: of the execution, as lanes of workers.
    """

    setting: Setting
    program: Program
    kills: tuple[tuple[int, int], ...]
    fault: str
    what: str
    schedule: str
    stale: int
    switches: int
    trace: str

    @property
    def calls(self) -> int:
        return sum(len(script) for script in self.program.workers)


class NotAsGuaranteed(AssertionError):
    """The channel broke a guarantee; the message shows in which interleaving."""

    def __init__(self, found: Found) -> None:
        super().__init__(describe_interleaving(found))
        self.found = found


class Interleaving:
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

    def enabled(self) -> list[int]:
        return [] if self._stepper.over else self._stepper.enabled()

    def about_to_choose(self) -> list[int]:
        """Workers for which time could pass."""
        stepper = self._stepper
        return [worker for worker in self.enabled() if stepper.next(worker) == "choice" and stepper.choices(worker) > 1]

    def killable(self) -> list[int]:
        return [worker for worker in self.enabled() if self._stepper.is_killable(worker)]

    # ---- the rules

    def start(self, worker: int, kind: Kind) -> None:
        script = self._scripts[worker]
        row = {"kind": kind.value, "timeout": NO_TIMEOUT}
        if kind.writes:
            row |= {"value": message_value(worker, len(script)), "size": MESSAGE_BYTES}
        script.append(row)
        self._stepper.start(worker, row["kind"], row.get("value", 0), row.get("size", 0), row["timeout"])
        self._last = worker

    def go(self, worker: int, steps: int | None = None) -> None:
        """The worker makes its next steps, to the end of its call at most, or to where time would have to pass."""
        self._last = worker
        made = 0
        while self._can_go(worker) and (made == 0 or self._stepper.next(worker) != "choice") and made != steps:
            self._stepper.step(worker)
            made += 1

    def read_older(self, worker: int, age: int, later: int) -> None:
        """The worker goes on to a read that need not take the newest store, and takes an older one.

        Args:
            worker: whose turn it is. age: how much older, at most. later: so many such reads take the newest before.
        """
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

    def kill(self, worker: int) -> None:
        self._stepper.kill(worker)

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
        """Everybody who is alive runs to the end, and whoever then waits for a message gets one."""
        for _ in range(self.setting.workers + 1):
            if not self._settle():
                return None
            if self._stepper.over or not self._waiting_rightly():
                break
            self.start(self.setting.workers, Kind.TRY_WRITE)
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

    def _waiting_rightly(self) -> bool:
        """Does somebody wait for a message, and is there none?"""
        written = sum(Kind(kind).writes and status == Status.OK for _, kind, _, status, _ in self._stepper.calls)
        removed = sum(Kind(kind).removes and status == Status.OK for _, kind, _, status, _ in self._stepper.calls)
        waiting = [kind for _, kind, _, status, _ in self._stepper.calls if status == Status.PENDING]
        return Kind.READ in waiting and written <= removed

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
        cut = failure.fault == "unbounded"  # after more steps than a replay is content with
        if not cut and (again is None or again.fault != failure.fault):
            raise RuntimeError(f"{failure.fault}: {failure.what}: not so when replayed with {schedule}")
        return Found(
            setting,
            program,
            kills,
            failure.fault,
            failure.what,
            schedule,
            sum(step.stale > 0 for step in steps if step.kind == "read" or not step.exclusive),
            sum(one.worker != two.worker for one, two in pairwise(steps)),
            lanes(steps, again or failure),
        )


def _of(values: Callable[[InterleavingMachine], Sequence[Any]]) -> st.SearchStrategy[Any]:
    """One of what the machine that is running has; the first is the simplest."""
    return st.runner().flatmap(lambda machine: st.sampled_from(values(machine)))


def _worker(can: Callable[[Interleaving], list[int]]) -> st.SearchStrategy[int]:
    """One of the workers that can do something."""
    return _of(lambda machine: can(machine.run))  # type: ignore[arg-type]  # its rules' preconditions say that it runs


class InterleavingMachine(RuleBasedStateMachine):
    """The machine; `interleaving_machine` says of what.

    Attributes:
        setting: of what. executed: examples that were begun, over all runs of this class.
    """

    setting: ClassVar[Setting]
    executed: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        type(self).executed += 1
        self.run: Interleaving | None = None
        self.kinds: tuple[Kind, ...] = ()
        self._failed = False

    @initialize(
        capacity=_of(lambda machine: machine.setting.capacities),
        kinds=st.runner().flatmap(
            lambda machine: st.lists(st.sampled_from(machine.setting.kinds), min_size=1, max_size=2, unique=True)
        ),
    )
    def create(self, capacity: int, kinds: list[Kind]) -> None:
        """Few kinds in one example: some bugs need many calls of one (Groce et al., Swarm Testing, ISSTA 2012)."""
        self.run = Interleaving(self.setting, capacity)
        self.kinds = (Kind.TRY_WRITE, *kinds)

    def _may_start(self) -> bool:
        return self.run is not None and self.run.calls < self.setting.most_calls and bool(self.run.idle())

    def _may_go(self) -> bool:
        return self.run is not None and bool(self.run.enabled())

    def _may_pass(self) -> bool:
        return self.run is not None and bool(self.run.about_to_choose())

    def _may_kill(self) -> bool:
        return self.run is not None and self.setting.most_kills > 0 and bool(self.run.killable())

    @precondition(_may_start)
    @rule(worker=_worker(Interleaving.idle), kind=_of(lambda machine: machine.kinds))
    def start_an_operation(self, worker: int, kind: Kind) -> None:
        self._do(lambda run: run.start(worker, kind))

    @precondition(_may_start)
    @rule(worker=_worker(Interleaving.idle), kind=_of(lambda machine: machine.kinds))
    def perform_an_operation(self, worker: int, kind: Kind) -> None:
        """Start it, and make all its steps."""
        self._do(lambda run: run.start(worker, kind))
        self._do(lambda run: run.go(worker))

    @precondition(_may_go)
    @rule(worker=_worker(Interleaving.enabled), steps=st.integers(1, _LONGEST_TURN))
    def take_the_next_steps(self, worker: int, steps: int) -> None:
        self._do(lambda run: run.go(worker, steps))

    @precondition(_may_go)
    @rule(worker=_worker(Interleaving.enabled))
    def finish_the_operation(self, worker: int) -> None:
        self._do(lambda run: run.go(worker))

    @precondition(_may_go)
    @rule(worker=_worker(Interleaving.enabled), age=st.integers(1, _OLDEST), later=st.integers(0, _LATER))
    def read_an_older_store(self, worker: int, age: int, later: int) -> None:
        self._do(lambda run: run.read_older(worker, age, later))

    @precondition(_may_pass)
    @rule(worker=_worker(Interleaving.about_to_choose))
    def let_time_pass(self, worker: int) -> None:
        self._do(lambda run: run.pass_time(worker))

    @precondition(_may_kill)
    @rule(worker=_worker(Interleaving.killable))
    def kill_a_worker(self, worker: int) -> None:
        self._do(lambda run: run.kill(worker))

    @precondition(lambda self: not self._may_start() and not self._may_go())
    @rule()
    def nothing_more_happens(self) -> None:
        """All calls have been made, or everybody waits for a message."""

    def _do(self, what: Callable[[Interleaving], None]) -> None:
        assert self.run is not None
        what(self.run)
        self._expect_no(self.run.failure())

    def teardown(self) -> None:
        if self.run is not None and not self._failed:
            self._expect_no(self.run.end())

    def _expect_no(self, failure: _explorer.Failure | None) -> None:
        if failure is not None:
            assert self.run is not None
            self._failed = True
            raise NotAsGuaranteed(self.run.found(failure))


def interleaving_machine(setting: Setting | None = None) -> type[InterleavingMachine]:
    """The machine of a setting; with kills, of calls that wait for nobody's message."""
    setting = Setting() if setting is None else setting
    if setting.most_kills and Kind.READ in setting.kinds:
        setting = replace(setting, kinds=tuple(kind for kind in setting.kinds if kind is not Kind.READ))
    attributes = {"setting": setting, "executed": 0}
    return type(f"Interleaving[{setting.mutant or 'core'}]", (InterleavingMachine,), attributes)


def run_interleavings(machine: type[InterleavingMachine], chosen: settings) -> int:
    """Run a machine as a test; returns how many examples were executed.

    Raises:
        NotAsGuaranteed: with the shrunk interleaving.
    """
    before = machine.executed
    run_state_machine_as_test(machine, settings=chosen)
    return machine.executed - before


def find_interleaving(setting: Setting, *, max_examples: int) -> Found | None:
    """The smallest interleaving that Hypothesis finds in so many examples; the same in every run."""
    chosen = settings(
        deadline=None,
        max_examples=max_examples,
        stateful_step_count=STEP_COUNT,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_interleavings(interleaving_machine(setting), chosen)
    except NotAsGuaranteed as error:
        return error.found
    return None


def describe_interleaving(found: Found) -> str:
    """In this order: the fact; the program, a column per worker; the interleaving; the replay line."""
    setting = found.setting
    planted = f", mutant={setting.mutant!r}" if setting.mutant else ""
    period = f", every={setting.every}" if setting.every != EVERY else ""
    model = f", model={setting.model!r}" if setting.model != "rc11" else ""
    killed = f", kills={found.kills!r}" if found.kills else ""
    reckoned = f", reckoned={setting.most_kills}" if setting.most_kills > len(found.kills) else ""
    lines = [
        f"{found.fault}: {found.what}",
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
    return "\n".join(lines)
