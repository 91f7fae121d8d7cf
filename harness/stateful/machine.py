"""A state machine over the whole public API of the channel: every answer is compared with the specification's.

Sequential: one thread calls, on several handles of one channel, in a buffer or in a named segment. Hypothesis draws the
calls; it also switches random subsets of the rules off, example by example, so that long runs of one kind occur (Groce
et al., *Swarm Testing*, 2012). What each call does and what is due stands in `harness.stateful.session`.

`machine_of` makes the machine of a class of channels; the one with a planted bug must fail it.
"""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any, ClassVar

from hypothesis import event, target
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from harness.stateful.confined import ConfinedSession, Confinement
from harness.stateful.sequence import NO_TIMEOUT, CallSequence, Start, Step
from harness.stateful.session import MOST_HANDLES

__all__ = ["ChannelMachine", "machine_of"]

_WAIT_MS = 4  # long enough for a time-out at half its time to be seen on a busy machine
_SEVERAL = 5  # messages at a time
_CALLS_BEFORE_THE_END = 12  # of the stream: little can happen afterwards

# by its place among those that are open, modulo their number: a call that is left out takes no handle from the others
_handles = st.integers(0, MOST_HANDLES - 1)
_seeds = st.integers(0, 255)
# small ones, and ones around the largest that fits: counted from one beyond it
_small = st.integers(0, 41)
_sizes = st.one_of(_small, st.integers(-17, -1))
_batches = st.one_of(st.lists(_sizes, max_size=6), st.lists(_small, min_size=3, max_size=6))  # often too many
_limits = st.one_of(st.integers(1, 2), st.integers(1, 8))
_timeouts = st.sampled_from([0, _WAIT_MS])
_waits = st.one_of(st.just(NO_TIMEOUT), _timeouts)


class ChannelMachine(RuleBasedStateMachine):
    """The machine; `machine_of` fills in what it runs on.

    Attributes:
        confinement: where the calls are made.
        executed: examples that were begun, over all runs of this class.
        outcomes: (call, what came of it): how often, over all runs of this class.
        failed: the shortest sequence of calls whose answers the specification does not allow, and the error.
    """

    confinement: ClassVar[Confinement]
    executed: ClassVar[int]
    outcomes: ClassVar[Counter[tuple[str, str]]]
    failed: ClassVar[tuple[CallSequence, Exception] | None]

    def __init__(self) -> None:
        super().__init__()
        type(self).executed += 1
        self._session: ConfinedSession | None = None

    def _applies(self, name: str) -> bool:
        return self._session is not None and self._session.applies(name)

    def _may_end(self) -> bool:
        return (
            self._session is not None
            and self._applies("shutdown")
            and len(self._session.performed) >= _CALLS_BEFORE_THE_END
        )

    def _perform(self, name: str, **arguments: Any) -> None:
        assert self._session is not None, "rules come after create"
        try:
            outcome = self._session.perform(Step(name, arguments))
        except Exception as error:
            self._remember(self._session.sequence, error)
            raise
        if not self.outcomes[name, outcome]:
            event(name, outcome)
        self.outcomes[name, outcome] += 1

    @classmethod
    def forget(cls) -> None:
        """A new run begins."""
        cls.failed = None

    def _remember(self, sequence: CallSequence, error: Exception) -> None:
        known = type(self).failed
        if known is None or len(sequence.steps) < len(known[0].steps):
            type(self).failed = (sequence, error)

    @initialize(
        capacity=st.one_of(st.integers(64, 200), st.integers(201, 2000)),
        in_segment=st.booleans(),
        limited=st.booleans(),
        spare=st.integers(0, 15),
    )
    def create(self, capacity: int, in_segment: bool, limited: bool, spare: int) -> None:
        start = Start(capacity, in_segment, limited, spare)
        try:
            self._session = self.confinement.begin(start)
        except Exception as error:
            self._remember(CallSequence(start, ()), error)
            raise

    @precondition(lambda self: self._applies("connect"))
    @rule(limited=st.booleans())
    def connect(self, limited: bool) -> None:
        self._perform("connect", limited=limited)

    @precondition(lambda self: self._applies("send_by_pickle"))
    @rule(handle=_handles)
    def send_by_pickle(self, handle: int) -> None:
        self._perform("send_by_pickle", handle=handle)

    @precondition(lambda self: self._applies("create_again"))
    @rule(capacity=st.integers(64, 200))
    def create_again(self, capacity: int) -> None:
        self._perform("create_again", capacity=capacity)

    @precondition(lambda self: self._applies("unlink"))
    @rule(handle=_handles)
    def unlink(self, handle: int) -> None:
        self._perform("unlink", handle=handle)

    @precondition(lambda self: self._applies("close"))
    @rule(handle=_handles)
    def close(self, handle: int) -> None:
        self._perform("close", handle=handle)

    @precondition(lambda self: self._applies("reopen"))
    @rule(handle=_handles)
    def reopen(self, handle: int) -> None:
        self._perform("reopen", handle=handle)

    @precondition(lambda self: self._applies("try_write"))
    @rule(handle=_handles, seed=_seeds, size=_sizes)
    def try_write(self, handle: int, seed: int, size: int) -> None:
        self._perform("try_write", handle=handle, seed=seed, size=size)

    @precondition(lambda self: self._applies("try_write"))
    @rule(handle=_handles, seed=_seeds, size=_small, count=st.integers(2, _SEVERAL))
    def several(self, handle: int, seed: int, size: int, count: int) -> None:
        """Most calls take a message; without this the channel would be empty most of the time."""
        for number in range(count):
            self._perform("try_write", handle=handle, seed=seed + number, size=size)

    @precondition(lambda self: self._applies("write"))
    @rule(handle=_handles, seed=_seeds, size=_sizes, timeout=_waits)
    def write(self, handle: int, seed: int, size: int, timeout: int | str) -> None:
        self._perform("write", handle=handle, seed=seed, size=size, timeout=timeout)

    @precondition(lambda self: self._applies("write_many"))
    @rule(handle=_handles, seed=_seeds, sizes=_batches, timeout=_waits)
    def write_many(self, handle: int, seed: int, sizes: list[int], timeout: int | str) -> None:
        self._perform("write_many", handle=handle, seed=seed, sizes=sizes, timeout=timeout)

    @precondition(lambda self: self._may_end())
    @rule(handle=_handles, immediate=st.booleans())
    def shutdown(self, handle: int, immediate: bool) -> None:
        self._perform("shutdown", handle=handle, immediate=immediate)

    @precondition(lambda self: self._applies("try_read"))
    @rule(handle=_handles)
    def try_read(self, handle: int) -> None:
        self._perform("try_read", handle=handle)

    @precondition(lambda self: self._applies("peek"))
    @rule(handle=_handles)
    def peek(self, handle: int) -> None:
        self._perform("peek", handle=handle)

    @precondition(lambda self: self._applies("read"))
    @rule(handle=_handles, timeout=_waits)
    def read(self, handle: int, timeout: int | str) -> None:
        self._perform("read", handle=handle, timeout=timeout)

    @precondition(lambda self: self._applies("read_into"))
    @rule(handle=_handles, room=_sizes, timeout=_waits)
    def read_into(self, handle: int, room: int, timeout: int | str) -> None:
        self._perform("read_into", handle=handle, room=room, timeout=timeout)

    @precondition(lambda self: self._applies("try_read_many"))
    @rule(handle=_handles, limit=_limits)
    def try_read_many(self, handle: int, limit: int) -> None:
        self._perform("try_read_many", handle=handle, limit=limit)

    @precondition(lambda self: self._applies("read_many"))
    @rule(handle=_handles, limit=_limits, timeout=_waits)
    def read_many(self, handle: int, limit: int, timeout: int | str) -> None:
        self._perform("read_many", handle=handle, limit=limit, timeout=timeout)

    @precondition(lambda self: self._may_end())
    @rule(handle=_handles)
    def iterate(self, handle: int) -> None:
        self._perform("iterate", handle=handle)

    @precondition(lambda self: self._applies("skip_the_head"))
    @rule(handle=_handles)
    def skip_the_head(self, handle: int) -> None:
        self._perform("skip_the_head", handle=handle)

    @precondition(lambda self: self._applies("skip_another"))
    @rule(handle=_handles, offset=st.integers(-4, 12).filter(bool))
    def skip_another(self, handle: int, offset: int) -> None:
        self._perform("skip_another", handle=handle, offset=offset)

    @precondition(lambda self: self._applies("skip_nonsense"))
    @rule(handle=_handles, entry_id=st.sampled_from([1, 8, 2**63, 2**64 - 1]))
    def skip_nonsense(self, handle: int, entry_id: int) -> None:
        self._perform("skip_nonsense", handle=handle, entry_id=entry_id)

    @precondition(lambda self: self._applies("skip_force"))
    @rule(handle=_handles)
    def skip_force(self, handle: int) -> None:
        self._perform("skip_force", handle=handle)

    def teardown(self) -> None:
        session = self._session
        if session is None:
            return
        try:
            # many laps around a small ring are what wrap-around bugs need; a ring fuller than by chance, accounting
            target(min(session.tail / session.capacity, 8.0), label="laps around the ring")
            target(session.used / session.capacity, label="share of the ring in use at the end")
        finally:
            session.close_all()


def machine_of(channel_class: type, library: ModuleType) -> type[ChannelMachine]:
    """The machine of a class of channels; arguments as of `Session`."""
    attributes = {
        "confinement": Confinement(channel_class, library),
        "executed": 0,
        "outcomes": Counter(),
        "failed": None,
    }
    return type(f"Machine[{channel_class.__name__}]", (ChannelMachine,), attributes)
