"""Channels for the tests: each in a segment of its own that is gone afterwards, or in a buffer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from channel import Channel, suggest_size


@pytest.fixture(params=["segment", "buffer"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    """A channel of 256 bytes."""
    made = (
        Channel.create(capacity=256) if request.param == "segment" else Channel.create_in(bytearray(suggest_size(256)))
    )
    yield made
    made.close()


@pytest.fixture
def name() -> Iterator[str]:
    """A segment name of this test's own; its segment is removed afterwards."""
    chosen = f"test-channel-{os.getpid()}-{os.urandom(4).hex()}"
    yield chosen
    Path("/dev/shm", chosen).unlink(missing_ok=True)
