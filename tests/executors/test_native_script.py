"""A native script, run by hand."""

from __future__ import annotations

import threading
import time

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


def test_a_script_that_the_run_does_not_start_gives_up() -> None:
    run = _native.Run.create([(b"", 1, 0)])
    assert run.arrive(0, time.monotonic_ns() + 1_000_000) is False
