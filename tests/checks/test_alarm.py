"""Code that does not return is cut, and the alarms of others go on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from harness.checks.alarm import cut_after
from harness.checks.specifications.operation import OutOfTime


@pytest.fixture
def rung() -> Iterator[threading.Event]:
    """An alarm of somebody else's; set when it rings."""
    event = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: event.set())
    yield event
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def spin() -> None:
    while True:
        pass


def test_what_does_not_return_is_cut() -> None:
    with pytest.raises(OutOfTime), cut_after(0.05):
        spin()


def test_an_alarm_that_was_set_before_is_set_again(rung: threading.Event) -> None:
    signal.setitimer(signal.ITIMER_REAL, 100.0, 7.0)
    with cut_after(50.0):
        pass
    left_s, again_s = signal.setitimer(signal.ITIMER_REAL, 0)
    assert 50.0 < left_s <= 100.0
    assert again_s == 7.0
    assert not rung.is_set()


def test_an_alarm_that_should_have_rung_meanwhile_rings_then(rung: threading.Event) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    begun = time.monotonic()
    with cut_after(50.0):
        while time.monotonic() < begun + 0.1:
            pass
        assert not rung.is_set()
    assert rung.wait(30.0)


def test_an_alarm_that_rings_at_the_end_does_not_stay_set(rung: threading.Event) -> None:
    """As many bodies end a little before their time as after it; at none does the next alarm belong to it."""
    handler = signal.getsignal(signal.SIGALRM)
    cut = 0
    for number in range(10_000):
        try:
            with cut_after(10e-6 + number % 50 * 1e-6):
                end = time.perf_counter() + 25e-6
                while time.perf_counter() < end:
                    pass
        except OutOfTime:
            cut += 1
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert 0 < cut < 10_000
    assert not rung.is_set()
