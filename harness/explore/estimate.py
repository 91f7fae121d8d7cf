"""The size of a program that was too large to exhaust, as people can use it: an order of magnitude, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from harness import _explorer

__all__ = ["WIDTH", "Size", "about", "estimate_size"]

WIDTH = 1_000
"""Nodes in the front of a probe, where time allows: wide enough for a median near the mean, up to 1e6 executions."""

_UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86_400.0, "days"), (365.25 * 86_400.0, "years"))


@dataclass(frozen=True)
class Size:
    """How many executions a program has, about.

    Attributes:
        executions: however they end: the median of the probes. Their mean is unbiased, but of a large program it
            is the largest probe's and little else.
        lowest, highest: of the probes. probes: how many.
        seconds: to explore what is left, at the rate so far.
    """

    executions: float
    lowest: float
    highest: float
    probes: int
    seconds: float

    def __str__(self) -> str:
        if not self.probes:
            return "how large the program is could not be estimated in this time"
        spread = f"{self.probes} probes from {_power(self.lowest)} to {_power(self.highest)}"
        if self.probes == 1:
            spread = "one probe"
        return (
            f"the program has about {_power(self.executions)} executions ({spread}), {about(self.seconds)} at this rate"
        )


def estimate_size(subject: _explorer.Subject, *, model: str, seen: int, taken: float, seconds: float) -> Size:
    """Estimate the size of a program of which `seen` executions took `taken` seconds.

    Args:
        seconds: the estimate may take, about; where probes would take longer, they are narrower, and guess lower; where
            even a narrow one does, there is none. Nor is there one that `seen` has already shown to be too low.
    """
    estimate = _explorer.estimate(subject, model=model, width=WIDTH, seconds=seconds)
    if estimate.median < seen:
        return Size(0.0, 0.0, 0.0, 0, 0.0)
    rate = max(seen, 1) / max(taken, 1e-6)
    left = (estimate.median - seen) / rate
    return Size(estimate.median, estimate.lowest, estimate.highest, estimate.probes, left)


def about(seconds: float) -> str:
    """A duration to one digit or two, in the largest unit of which it has one: ``about 40 min``."""
    size, unit = next((size, unit) for size, unit in reversed(_UNITS) if seconds >= size or size == 1.0)
    number = seconds / size
    return f"about {_power(number) if number >= 10_000 else f'{number:,.0f}'} {unit}"


def _power(number: float) -> str:
    """3e+09 as people write it: 3e9; plain below ten thousand."""
    if number < 10_000:
        return f"{number:,.0f}"
    digits, exponent = f"{number:.0e}".split("e")
    return f"{digits}e{int(exponent)}"
