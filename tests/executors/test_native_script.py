"""A native script, run by hand."""

from __future__ import annotations

import threading
import time

import pytest

from channel import Channel, ChannelConfig, suggest_size
from harness import _native
from harness.operation import Kind
from tests.executors.programs import script

PATIENCE_NS = 30_000_000_000


def test_the_channel_s_counters_include_what_a_script_did() -> None:
    rows = script(
        *({"kind": Kind.WRITE, "value": i, "size": 8} for i in range(20)),
        *({"kind": Kind.TRY_READ} for _ in range(5)),
        {"kind": Kind.READ_MANY, "count": 10},
        {"kind": Kind.PEEK},
        {"kind": Kind.SKIP},
        {"kind": Kind.SKIP_FORCE},
    )
    memory = bytearray(suggest_size(4096, 4))
    with Channel.create_in(memory, participants=4) as channel:
        attachment = _native.Attachment.buffer(memory)
        run = _native.Run.create([(rows.tobytes(), 100, 0)])
        give_up = time.monotonic_ns() + PATIENCE_NS
        worker = threading.Thread(target=attachment.run_script, args=(run, 0, ChannelConfig().policy(), None, give_up))
        worker.start()
        assert run.await_arrivals(1, give_up)
        run.start(0, PATIENCE_NS)
        worker.join()
        counters = channel.state().counters
    assert {name: counter.calls for name, counter in counters.items()} == {
        "write": 20,
        "read": 6,
        "peek": 1,
        "skip": 2,
    }
    assert not any(counter.retries for counter in counters.values())  # nobody was in the way


def test_loops_count_their_calls_and_no_retry_where_nobody_is_in_the_way() -> None:
    memory = bytearray(suggest_size(8192, 4))
    policy, give_up = ChannelConfig().policy(), time.monotonic_ns() + PATIENCE_NS
    with Channel.create_in(memory, participants=4) as channel:
        attachment = _native.Attachment.buffer(memory)
        attachment.send(100, 8, 1, policy, give_up)
        attachment.send(128, 8, 64, policy, give_up)
        attachment.receive(100, 1, policy, give_up)
        attachment.receive(128, 1_000, policy, give_up)
        counters = channel.state().counters
    assert {name: (counter.calls, counter.retries) for name, counter in counters.items() if counter.calls} == {
        "write": (102, 0),
        "read": (101, 0),
    }


def test_a_script_that_the_run_does_not_start_gives_up() -> None:
    run = _native.Run.create([(b"", 1, 0)])
    assert run.arrive(0, time.monotonic_ns() + 1_000_000) is False


def test_calls_whose_cost_is_added_up_have_a_limit_of_rounds_each() -> None:
    """Two messages are read in a round each; a third read still has three, and two pauses between them."""
    memory = bytearray(suggest_size(4096, 4))
    policy = ChannelConfig(max_round_trips=3, start_sleep_ns=30_000_000, max_sleep_ns=60_000_000).policy()
    endless = 2**63 - 1
    with Channel.create_in(memory, participants=4) as channel:
        channel.write_many([b"one", b"two"])
        begun = time.monotonic_ns()
        with pytest.raises(RuntimeError, match="did not succeed"):
            _native.Attachment.buffer(memory).receive(3, 1, policy, endless)
        assert time.monotonic_ns() - begun >= 90_000_000
        assert channel.try_read() is None
