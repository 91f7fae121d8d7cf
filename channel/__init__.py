"""A shared-memory IPC channel: a bounded multi-producer multi-consumer FIFO of byte messages.

    from channel import Channel

    with Channel.create(capacity=1 << 20) as channel:
        channel.write(b"hello")
        entry = channel.read(timeout=1.0)

See `Channel` for the operations, `ChannelConfig` for the retry policy, `channel.errors` for what can go wrong.
"""

from __future__ import annotations

import sys

if sys.platform != "linux":
    raise ImportError(f"channel needs Linux (futex, OFD locks, /dev/shm); this is {sys.platform}")

try:
    from channel import _core
except ImportError as error:
    raise ImportError(
        "channel._core is not here: this is the source tree, not an installation. Install the project "
        "(pip install .) and run Python with -P or PYTHONSAFEPATH=1, or from another folder."
    ) from error

from channel._api import DEFAULT_CAPACITY, DEFAULT_PARTICIPANTS, Channel, suggest_size
from channel._core import Entry
from channel.config import ChannelConfig
from channel.errors import (
    BufferTooSmall,
    ChannelClosed,
    ChannelCorrupted,
    ChannelError,
    ChannelExists,
    ChannelFull,
    ChannelNotFound,
    ChannelRetryLimit,
    ChannelTimeout,
    ForeignMemory,
    HandleClosed,
    MessageTooLarge,
    NoParticipantSlot,
    NotAParticipant,
)
from channel.facade import ChannelQueue
from channel.state import ChannelState, Counters, Participant, SkipResult

__all__ = [
    "DEFAULT_CAPACITY",
    "DEFAULT_PARTICIPANTS",
    "BufferTooSmall",
    "Channel",
    "ChannelClosed",
    "ChannelConfig",
    "ChannelCorrupted",
    "ChannelError",
    "ChannelExists",
    "ChannelFull",
    "ChannelNotFound",
    "ChannelQueue",
    "ChannelRetryLimit",
    "ChannelState",
    "ChannelTimeout",
    "Counters",
    "Entry",
    "ForeignMemory",
    "HandleClosed",
    "MessageTooLarge",
    "NoParticipantSlot",
    "NotAParticipant",
    "Participant",
    "SkipResult",
    "suggest_size",
]

COMPILER = _core.COMPILER
"""Compiler of the native core, and the flags it was given."""
COMPILER_FLAGS = _core.COMPILER_FLAGS
