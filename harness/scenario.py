"""A scenario: a named way to make a program from a few parameters, and what it is meant to show.

Scenarios declare; they run and measure nothing. The modules of the package ``scenarios`` are such declarations.

The scripts are drawn with numpy from one seed: the same parameters and seed give the same program, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.operation import NO_TIMEOUT, Kind, message_value
from harness.program import OPERATION, Program

__all__ = ["MIN_PAYLOAD", "Parameters", "Scenario", "ScenarioError", "reader_script", "share", "writer_script"]

MIN_PAYLOAD = 8
"""Bytes of the smallest payload: every message carries its identity."""

SLICE_NS = 4_000_000_000
"""How long a sleeping reader sleeps before it looks again unwoken. Far longer than by default: a periodic look hides a
lost wake-up, and half of this is what the timeliness check takes for one."""

MAX_WORKERS = 64
READER_SCRIPT = 4096
"""Operations of a reader's script; it is repeated until the stream has ended."""


class ScenarioError(ValueError):
    """A parameter is out of range; the message says what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What a scenario may be asked for.

    Attributes:
        writers, readers: workers.
        messages: written by all writers together.
        payload_min, payload_max: bytes; each message's size is drawn from this range.
        capacity: ring bytes of the channel.
        max_round_trips, start_sleep_ns, max_sleep_ns: retry policy, as in ``channel.ChannelConfig``.
        seed: the programs are drawn from it.
    """

    writers: int
    readers: int
    messages: int
    payload_min: int = 8
    payload_max: int = 256
    capacity: int = 16_384
    max_round_trips: int | None = None
    start_sleep_ns: int = 1_000
    max_sleep_ns: int = 100_000
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("writers", "readers"):
            count = getattr(self, name)
            if not 1 <= count <= MAX_WORKERS:
                raise ScenarioError(f"{name} is from 1 to {MAX_WORKERS}; got {count}")
        if not self.writers <= self.messages <= 10**9:
            raise ScenarioError(f"messages is from the number of writers to 10^9; got {self.messages}")
        if not 64 <= self.capacity <= 2**32:
            raise ScenarioError(f"capacity is from 64 to {2**32} bytes; got {self.capacity}")
        largest = self.capacity // 16 * 16 - 24
        if not MIN_PAYLOAD <= self.payload_min <= self.payload_max <= largest:
            raise ScenarioError(
                f"payload is a size or MIN-MAX from {MIN_PAYLOAD} to {largest} bytes (capacity - 24); "
                f"got {self.payload_min}-{self.payload_max}"
            )
        if self.max_round_trips is not None and not 1 <= self.max_round_trips < 2**32:
            raise ScenarioError(f"max_round_trips is from 1 to {2**32 - 1}; got {self.max_round_trips}")
        if self.seed < 0:
            raise ScenarioError(f"seed is a whole number from 0; got {self.seed}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Scenario:
    """One way to put workers against each other.

    Attributes:
        name: as on the command line. title: for people. claim: what a pass shows.
        defaults: parameters that fit two cores.
        build: makes the scripts of all workers, writers first.
        fixed: parameters that belong to the scenario and cannot be changed.
        exercises: what a run must have met to be more than a run: statuses and events by name, counted by
            ``harness.coverage``.
    """

    name: str
    title: str
    claim: str
    defaults: Parameters
    build: Callable[[Parameters, np.random.Generator], list[npt.NDArray[np.void]]]
    fixed: Mapping[str, int]
    exercises: tuple[str, ...]

    def parameters(self, **changes: Any) -> Parameters:
        """The defaults with some changes (None: unchanged).

        Raises:
            ScenarioError: a value out of range, or one that the scenario fixes.
        """
        wanted = {name: value for name, value in changes.items() if value is not None}
        for name, value in self.fixed.items():
            if wanted.get(name, value) != value:
                raise ScenarioError(f"{self.name} has {value} {name[:-1] if value == 1 else name}; got {wanted[name]}")
        if "messages" not in wanted and wanted.get("writers", 0) > self.defaults.messages:
            wanted["messages"] = wanted["writers"]
        return replace(self.defaults, **wanted)

    def program(self, parameters: Parameters) -> Program:
        """The scripts for these parameters; the same for the same parameters, wherever it is drawn."""
        generator = np.random.Generator(np.random.PCG64(parameters.seed))
        config = {
            "max_round_trips": parameters.max_round_trips,
            "start_sleep_ns": parameters.start_sleep_ns,
            "max_sleep_ns": parameters.max_sleep_ns,
            "slice_ns": SLICE_NS,
        }
        return Program(
            name=self.name,
            workers=tuple(self.build(parameters, generator)),
            capacity=parameters.capacity,
            config=config,
            seed=parameters.seed,
            parameters=parameters.to_json(),
        )


def share(total: int, workers: int) -> list[int]:
    """`total` dealt to workers as evenly as it goes."""
    return [total // workers + (index < total % workers) for index in range(workers)]


def writer_script(
    generator: np.random.Generator, worker: int, messages: int, parameters: Parameters
) -> npt.NDArray[np.void]:
    """Writes `messages` messages: most with a plain write, the rest with time-outs, in batches, and by try_write.

    Now and then the writer thinks, so that the readers drain the channel and go to sleep.
    """
    kinds = np.array([Kind.WRITE, Kind.TRY_WRITE, Kind.WRITE_MANY], np.uint8)
    drawn = generator.choice(kinds, size=messages, p=[0.80, 0.10, 0.10])
    counts = np.where(drawn == Kind.WRITE_MANY, generator.integers(2, 17, messages), 1)
    first = np.cumsum(counts) - counts
    used = int(np.searchsorted(first, messages))
    script = np.zeros(used, OPERATION)
    script["kind"] = drawn[:used]
    script["count"] = np.minimum(counts[:used], messages - first[:used])
    script["value"] = message_value(worker, 0) + first[:used].astype(np.uint64)
    script["size"] = _sizes(generator, used, parameters)
    script["timeout"] = _timeouts(generator, used, patient=0.7)
    script["timeout"][script["kind"] == Kind.TRY_WRITE] = NO_TIMEOUT
    script["think"] = np.where(generator.random(used) < 0.002, generator.integers(1_000, 200_000, used), 0)
    return script


def reader_script(
    generator: np.random.Generator, mix: Mapping[Kind, float], length: int = READER_SCRIPT
) -> npt.NDArray[np.void]:
    """`length` operations drawn by weight; every SKIP has a PEEK before it more often than not.

    Now and then the reader thinks, so that the writers fill the channel.
    """
    weights = np.array(list(mix.values()))
    script = np.zeros(length, OPERATION)
    script["kind"] = generator.choice(np.array(list(mix), np.uint8), size=length, p=weights / weights.sum())
    # a skip straight after its peek has a chance to find that entry still at the head
    follows_skip = np.flatnonzero(script["kind"][1:] == Kind.SKIP)
    peeks = follows_skip[generator.random(len(follows_skip)) < 0.8]
    script["kind"][peeks] = Kind.PEEK
    script["count"] = np.where(script["kind"] == Kind.READ_MANY, generator.integers(2, 17, length), 1)
    script["timeout"] = NO_TIMEOUT
    waits = np.isin(script["kind"], [Kind.READ, Kind.READ_MANY])
    script["timeout"][waits] = _timeouts(generator, int(waits.sum()), patient=0.2)
    script["think"] = np.where(generator.random(length) < 0.002, generator.integers(1_000, 200_000, length), 0)
    return script


def _sizes(generator: np.random.Generator, count: int, parameters: Parameters) -> npt.NDArray[np.uint32]:
    """Log-uniform over the range, so that small messages are as common as large ones; both ends occur."""
    low, high = parameters.payload_min, parameters.payload_max
    drawn = np.exp(generator.uniform(np.log(low), np.log(high + 1), count)).astype(np.int64)
    sizes = np.clip(drawn, low, high).astype(np.uint32)
    sizes[generator.random(count) < 0.01] = high
    return sizes


def _timeouts(generator: np.random.Generator, count: int, patient: float) -> npt.NDArray[np.int64]:
    """NO_TIMEOUT for a share of `patient`, else log-uniform from 1 us to 5 ms; some are 0."""
    drawn = np.exp(generator.uniform(np.log(1e3), np.log(5e6), count)).astype(np.int64)
    drawn[generator.random(count) < 0.02] = 0
    drawn[generator.random(count) < patient] = NO_TIMEOUT
    return drawn
