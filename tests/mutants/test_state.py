"""state() beside traffic: what it answers fits together, and does not where its second look at head is left out."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import channel
from harness._native import Attachment
from harness.mutants import parse
from harness.systems.channel import planted_class

MESSAGES = 200_000
SIZE = 8
ENTRY_BYTES = 16
CAPACITY = 64
POLICY = channel.ChannelConfig().policy()
PATIENCE_NS = 60_000_000_000


@contextmanager
def traffic(name: str) -> Iterator[threading.Thread]:
    """A writer and a reader of small messages, without the GIL; the thread that reads ends with the last of them."""
    give_up = time.monotonic_ns() + PATIENCE_NS
    sending = threading.Thread(target=Attachment.segment(name).send, args=(MESSAGES, SIZE, 1, POLICY, give_up))
    receiving = threading.Thread(target=Attachment.segment(name).receive, args=(MESSAGES, 1, POLICY, give_up))
    sending.start()
    receiving.start()
    yield receiving
    sending.join()
    receiving.join()


def strange_states(watched: type[channel.Channel]) -> int:
    """How many answers of state() beside traffic do not fit together."""
    name = f"state-{uuid.uuid4().hex[:12]}"
    with channel.Channel.create(name, capacity=CAPACITY) as made:
        try:
            with watched.connect(name) as looking, traffic(name) as receiving:
                strange = 0
                while receiving.is_alive():
                    try:
                        seen = looking.state()
                    except channel.ChannelCorrupted:
                        strange += 1
                        continue
                    strange += seen.bytes != seen.entries * ENTRY_BYTES or seen.bytes > CAPACITY - ENTRY_BYTES
                return strange
        finally:
            made.unlink()


def test_the_faithful_channel_answers_what_fits_together() -> None:
    assert strange_states(channel.Channel) == 0


def test_a_state_without_its_second_look_is_convicted_within_a_few_runs() -> None:
    watched = planted_class(parse("unchecked-state"))
    if not any(strange_states(watched) for _ in range(10)):
        pytest.fail("unchecked-state got away ten times")
