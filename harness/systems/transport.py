"""This project's channel as the benchmark sees it: bound methods of the public API, nothing in between."""

from __future__ import annotations

from dataclasses import dataclass, field

from channel import Channel, ChannelConfig
from harness.bench.transport import End, Reach

__all__ = ["ChannelTransport"]


@dataclass
class ChannelTransport:
    """The channel in a segment.

    Attributes:
        name: in tables. spins: looks at an empty channel before a read sleeps (`ChannelConfig.spins`).
    """

    name: str = "channel"
    spins: int = ChannelConfig().spins
    reach: Reach = field(default_factory=Reach)
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
        channel = (
            self._channel if self._channel.name == "" else Channel.connect(self._channel.name, self._channel.config)
        )

        def system_calls() -> int:
            return sum(
                counters.sleeps + counters.wakeups
                for participant in channel.state().participants
                for counters in participant.counters.values()
            )

        return End(channel.write, channel.read, channel.write_many, channel.read_many, system_calls)

    def close(self) -> None:
        if self._channel is not None:
            self._channel.unlink()
            self._channel.close()
            self._channel = None
