"""The retry policy of a handle."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ChannelConfig"]

_LONGEST_NS = 10**12


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    """How an operation retries. A property of the handle, not of the memory: two handles may differ.

    An operation that meets a conflict retries at once, then backs off exponentially. A write also retries while the
    channel is full, a read while it is empty.

    Attributes:
        max_round_trips: rounds of a call without a time-out, after which it raises ChannelRetryLimit (or ChannelFull).
            None waits as ``queue.Queue`` does. With a time-out the deadline ends the call instead.
        start_sleep_ns: first pause of the back-off, ns.
        max_sleep_ns: longest pause of the back-off, ns.
        slice_ns: a sleeping reader looks again after so long, woken or not: a writer that is killed between publishing
            and waking would else leave it asleep beside a message.
        spins: looks at an empty channel before a read goes to sleep. 0: it sleeps at once, and leaves no lead to the
            writer of a stream that it caught up with (1 us, after four reads of which only the first may have waited).
    """

    max_round_trips: int | None = None
    start_sleep_ns: int = 1_000
    max_sleep_ns: int = 100_000
    slice_ns: int = 50_000_000
    spins: int = 128

    def __post_init__(self) -> None:
        for name in ("max_round_trips", "start_sleep_ns", "max_sleep_ns", "slice_ns", "spins"):
            value = getattr(self, name)
            if name == "max_round_trips" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} is a whole number; got {value!r}")
        if self.max_round_trips is not None and not 1 <= self.max_round_trips < 2**32:
            raise ValueError(f"max_round_trips is None or from 1 to {2**32 - 1}; got {self.max_round_trips}")
        if not 1 <= self.start_sleep_ns <= self.max_sleep_ns <= _LONGEST_NS:
            raise ValueError(
                f"1 <= start_sleep_ns <= max_sleep_ns <= {_LONGEST_NS} must hold; "
                f"got {self.start_sleep_ns} and {self.max_sleep_ns}"
            )
        if not 1 <= self.slice_ns <= _LONGEST_NS:
            raise ValueError(f"slice_ns is from 1 to {_LONGEST_NS}; got {self.slice_ns}")
        if not 0 <= self.spins < 2**32:
            raise ValueError(f"spins is from 0 to {2**32 - 1}; got {self.spins}")

    def policy(self) -> tuple[int, int, int, int, int]:
        """The numbers in the order in which the native core takes them."""
        return self.max_round_trips or 0, self.start_sleep_ns, self.max_sleep_ns, self.slice_ns, self.spins
