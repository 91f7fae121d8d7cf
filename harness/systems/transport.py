"""This project's channel as the benchmark sees it: bound methods of the public API, nothing in between."""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from channel import Channel, ChannelConfig, Counters, suggest_size
from harness import _native
from harness.bench.transport import End, Reach
from harness.operation import NO_TIMEOUT, Kind
from harness.program import OPERATION

__all__ = ["ChannelTransport", "NativeTransport", "native_pair_ns"]

_NATIVE_PAIRS = 50_000
_PATIENCE_NS = 60_000_000_000


@dataclass
class ChannelTransport:
    """The channel in a segment.

    Attributes:
        name: in tables. spins: looks at an empty channel before a read sleeps (`ChannelConfig.spins`).
    """

    name: str = "channel"
    spins: int = ChannelConfig().spins
    reach: Reach = field(default_factory=partial(Reach, batches=True))
    _channel: Channel | None = None

    def open(self, capacity: int, size: int) -> None:
        self._channel = Channel.create(
            capacity=max(capacity, 4 * (size + 64)), config=ChannelConfig(spins=self.spins), participants=80
        )

    def sender(self) -> End:
        return self._end()

    def receiver(self) -> End:
        return self._end()

    def _end(self) -> End:
        if self._channel is None:
            raise ValueError("open() comes first")
        channel = Channel.connect(self._channel.name, self._channel.config)

        def counters() -> dict[str, int]:
            total = sum(channel.state().counters.values(), Counters())
            return {name: getattr(total, name) for name in ("conflicts", "retries", "sleeps", "wakeups")}

        return End(channel.write, channel.read, channel.write_many, channel.read_many, counters)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.unlink()
            self._channel.close()
            self._channel = None


@dataclass
class NativeTransport(ChannelTransport):
    """The same channel, its slices in native loops without the GIL: what the core carries."""

    name: str = "channel, native"

    def _end(self) -> End:
        if self._channel is None:
            raise ValueError("open() comes first")
        attachment = _native.Attachment.segment(self._channel.name)
        policy = self._channel.config.policy()

        def send_all(count: int, size: int, batch: int) -> None:
            attachment.send(count, size, batch, policy, time.monotonic_ns() + _PATIENCE_NS)

        def receive_all(count: int, batch: int) -> None:
            attachment.receive(count, batch, policy, time.monotonic_ns() + _PATIENCE_NS)

        return replace(super()._end(), send_all=send_all, receive_all=receive_all)


def native_pair_ns(size: int) -> float:
    """ns of a write and a read of `size` bytes in a native script, one thread, nothing recorded."""
    script = np.zeros(2 * _NATIVE_PAIRS, OPERATION)
    script["timeout"], script["count"], script["size"] = NO_TIMEOUT, 1, size
    script["kind"][0::2], script["kind"][1::2] = Kind.TRY_WRITE, Kind.TRY_READ
    capacity = max(1 << 16, 4 * (size + 64))
    with (
        mmap.mmap(-1, suggest_size(capacity, 2), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory,
        Channel.create_in(memory, participants=2),
    ):
        attachment = _native.Attachment.buffer(memory)
        taken = attachment.run_bare(script.tobytes(), ChannelConfig().policy()) / _NATIVE_PAIRS
        del attachment  # it holds the memory
    return taken
