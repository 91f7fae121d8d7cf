"""Is this machine fit to run the harness, and if not, why."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

__all__ = ["Finding", "Level", "examine"]

_SHM = Path("/dev/shm")
_LEAST_SHM_BYTES = 64 << 20


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    UNFIT = "unfit"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: ok, warning (results are weaker), unfit (the harness cannot run).
        subject: what was looked at. detail: what was found, and for a problem what would help.
    """

    level: Level
    subject: str
    detail: str


def examine() -> Iterator[Finding]:
    """All findings, cheap ones first. Takes about a second; leaves nothing behind."""
    for look in (_platform, _cores, _shared_memory, _leftovers, _channel, _recovery, _clock, _wake_up, _tools):
        try:
            yield look()
        except Exception as error:
            yield Finding(Level.UNFIT, look.__name__.strip("_").replace("_", " "), f"{type(error).__name__}: {error}")


def _platform() -> Finding:
    version = sys.version.split()[0]
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    system = os.uname()
    text = f"{system.sysname} {system.release}, {system.machine}, Python {version}, GIL {'on' if gil else 'off'}"
    if sys.platform != "linux":
        return Finding(Level.UNFIT, "platform", f"{text}; the channel needs Linux (futex, OFD locks, /dev/shm)")
    return Finding(Level.OK, "platform", text)


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    text = f"{cores} usable, load {load:.2f}"
    if cores < 2:
        return Finding(Level.WARNING, "cores", f"{text}; on one core operations hardly overlap, so races hide")
    if load > cores:
        return Finding(Level.WARNING, "cores", f"{text}; the machine is busy, timings will be poor")
    return Finding(Level.OK, "cores", text)


def _shared_memory() -> Finding:
    usage = shutil.disk_usage(_SHM)
    text = f"{_SHM}: {usage.free >> 20:,} MiB free"
    if not os.access(_SHM, os.W_OK):
        return Finding(Level.UNFIT, "shared memory", f"{_SHM} is not writable")
    if usage.free < _LEAST_SHM_BYTES:
        return Finding(Level.WARNING, "shared memory", f"{text}; {_LEAST_SHM_BYTES >> 20} MiB are wanted")
    return Finding(Level.OK, "shared memory", text)


def _leftovers() -> Finding:
    """Channels that may have been left by processes that were killed, or may wait for their next user."""
    from channel import _core

    names = sorted(_core.unattached_segments())
    if not names:
        return Finding(Level.OK, "leftovers", f"no channel in {_SHM} is without anybody attached to it")
    return Finding(
        Level.OK, "leftovers", f"nobody is attached to {', '.join(names)}; if nobody will connect to it, rm {_SHM}/NAME"
    )


def _channel() -> Finding:
    from channel import COMPILER, COMPILER_FLAGS, Channel

    with Channel.create(capacity=4096) as channel:
        channel.write(b"examined")
        entry = channel.read(timeout=1.0)
    if entry.data != b"examined":
        return Finding(Level.UNFIT, "channel", f"wrote b'examined', read {entry.data!r}")
    return Finding(Level.OK, "channel", f"core built by {COMPILER} with{COMPILER_FLAGS}")


def _recovery() -> Finding:
    """The kernel must tell a dead participant from a live one (OFD locks on /dev/shm)."""
    from channel import Channel

    with Channel.create(capacity=4096) as channel:
        child = os.fork()
        if child == 0:  # dies as a participant: the fork attached it
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        before = {participant.slot for participant in channel.state().participants}
        grandchild = os.fork()
        if grandchild == 0:  # takes the first slot whose lock is free: the dead child's
            after = {participant.slot for participant in channel.state().participants}
            os._exit(0 if after == before and len(after) == 2 else 1)
        _, status = os.waitpid(grandchild, 0)
    if status != 0:
        return Finding(Level.UNFIT, "recovery", "OFD locks do not work on /dev/shm; killed writers cannot be recovered")
    return Finding(Level.OK, "recovery", "OFD locks work: killed participants are recovered")


def _clock() -> Finding:
    stamps = [time.monotonic_ns() for _ in range(2000)]
    steps = sorted(after - before for before, after in itertools.pairwise(stamps))
    resolution = time.clock_getres(time.CLOCK_MONOTONIC)
    text = f"CLOCK_MONOTONIC, resolution {resolution * 1e9:.0f} ns, a reading costs {steps[len(steps) // 2]} ns"
    if steps[0] < 0:
        return Finding(Level.UNFIT, "clock", f"{text}; it runs backwards")
    if resolution > 1e-6:
        return Finding(Level.WARNING, "clock", f"{text}; coarse stamps make operations overlap that did not")
    return Finding(Level.OK, "clock", text)


def _wake_up() -> Finding:
    latencies = sorted(wake_up_latencies(50))
    median, worst = latencies[len(latencies) // 2] / 1e3, latencies[-1] / 1e3
    text = f"a sleeping reader wakes in {median:,.0f} us (median), {worst:,.0f} us (worst of {len(latencies)})"
    if median > 5_000:
        return Finding(Level.WARNING, "wake-up", f"{text}; timeliness can hardly be judged here")
    return Finding(Level.OK, "wake-up", text)


def wake_up_latencies(count: int) -> list[int]:
    """ns from the call of a write to the return of a read that slept for it in another thread."""
    from channel import Channel, ChannelConfig

    latencies: list[int] = []
    with Channel.create(capacity=4096, config=ChannelConfig(spins=0)) as channel:

        def reader() -> None:
            for _ in range(count):
                sent = int.from_bytes(channel.read(timeout=10.0).data, "little")
                latencies.append(time.monotonic_ns() - sent)

        thread = threading.Thread(target=reader)
        thread.start()
        for _ in range(count):
            # A sleep is counted when it is over, so that it has begun cannot be seen. Too short a pause makes the
            # latency too small, which only makes the harness stricter.
            threading.Event().wait(0.002)
            channel.write(time.monotonic_ns().to_bytes(8, "little"))
        thread.join(timeout=30.0)
    return latencies


def _tools() -> Finding:
    found = {tool: shutil.which(tool) for tool in ("strace", "chromium")}
    missing = [tool for tool, path in found.items() if path is None]
    if missing:
        return Finding(Level.OK, "tools", f"not here, needed only by tests of their own: {', '.join(missing)}")
    return Finding(Level.OK, "tools", "strace and chromium are here")
