"""How the harness knows a channel: a system that makes one, and endpoints that workers call.

To bring a channel of your own, write a class with the members of `System`, and one with those members of `Endpoint`
that your channel has; ``operations`` says which. An endpoint turns whatever the channel returns or raises into an
`Answer`. Everything else (scripts, records, barriers, kills, checks) works unchanged, in mode ``"api"``. `QueueSystem`
(``harness.systems.queues``) is an example of forty lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from harness.operation import NO_ID, Kind, Status

__all__ = ["Answer", "Endpoint", "NativeTarget", "Setup", "System"]


class Answer(NamedTuple):
    """What a channel answered to one call.

    Attributes:
        status: never PENDING.
        id: entry id of the message, or of the head that a MISMATCH saw; NO_ID where the system has none.
        data: payload of a read or peek that is OK.
        retries: rounds after the first; slept: ns in back-off and waiting. 0 where the system does not tell.
    """

    status: Status
    id: int = NO_ID
    data: bytes | None = None
    retries: int = 0
    slept: int = 0


class Endpoint(Protocol):
    """What one worker calls. Time-outs are ns, None waits for ever. Only the members in ``System.operations`` are used.

    An exception that leaves a method is no answer: the worker ends with it, and its operation stays pending.
    """

    def write(self, data: bytes, timeout: int | None) -> Answer: ...

    def try_write(self, data: bytes) -> Answer: ...

    def write_many(self, messages: Sequence[bytes], timeout: int | None) -> tuple[list[int], Answer]:
        """Ids of the messages that were written, in order, and what was answered to the first that was not (or OK)."""
        ...

    def read(self, timeout: int | None) -> Answer: ...

    def try_read(self) -> Answer: ...

    def read_many(self, limit: int, timeout: int | None) -> tuple[list[tuple[int, bytes]], Answer]:
        """(id, payload) of the messages read, and OK; or none and what was answered instead."""
        ...

    def peek(self) -> Answer: ...

    def skip(self, entry_id: int) -> Answer: ...

    def skip_force(self) -> Answer: ...

    def shutdown(self) -> bool:
        """End the stream; False if it could not be ended."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Setup:
    """What a run needs of a system.

    Attributes:
        capacity: ring bytes; config: keyword arguments of ``channel.ChannelConfig``, as the program has them.
        participants: how many workers attach.
        processes: will the address be sent to other processes?
    """

    capacity: int
    config: dict[str, Any]
    participants: int
    processes: bool


class NativeTarget(NamedTuple):
    """Where a native script finds its channel. Plain values: they are sent to a child as JSON.

    Attributes:
        segment: name of the segment; empty: the address itself is a buffer.
        policy: as ``ChannelConfig.policy()``. mutant: planted bug (``harness.mutants``), or empty.
    """

    segment: str
    policy: tuple[int, int, int, int, int]
    mutant: str


@runtime_checkable
class System(Protocol):
    """Makes channels of one kind. Sent to child processes by pickle, with the address.

    Attributes:
        name: for people.
        operations: what its endpoints offer.
        ends: can the stream be ended (`Endpoint.shutdown`), so that readers are told that nothing will come any more?
    """

    @property
    def name(self) -> str: ...

    @property
    def operations(self) -> frozenset[Kind]: ...

    @property
    def ends(self) -> bool: ...

    def create(self, setup: Setup) -> Any:
        """A new, empty channel; returns its address, from which `attach` gets endpoints."""
        ...

    def attach(self, address: Any) -> Endpoint: ...

    def native(self, address: Any) -> NativeTarget | None:
        """Where native scripts find the channel; None: the system has only its Python API."""
        ...

    def accounted_capacity(self, setup: Setup) -> int | None:
        """What messages may occupy together, in the unit of ``round_up_16(8 + size)``; None: unknown."""
        ...

    def wake(self, address: Any) -> None:
        """Disturb workers that wait inside the channel, so that they notice that the run is over."""
        ...

    def hide(self, address: Any) -> None:
        """Everybody is attached: remove the name, if there is one, so that nothing is left whoever is killed now."""
        ...

    def destroy(self, address: Any) -> None:
        """Remove what is left. Called once, whatever happened before."""
        ...
