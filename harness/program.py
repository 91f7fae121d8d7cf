"""A program: what every worker will ask of the channel, decided before anything runs.

A worker is an array of operations, executed in order on one handle. The same program runs on threads, on processes, in
native scripts, through the public Python API, and under the explorer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.operation import NO_TIMEOUT, Kind
from harness.words import counted

__all__ = ["OPERATION", "Program", "ProgramError", "operations"]

OPERATION = np.dtype(
    [
        ("value", np.uint64),  # writes: identity of the message (message_value), the first of a batch
        ("timeout", np.int64),  # ns; NO_TIMEOUT: as long as the retry policy allows
        ("size", np.uint32),  # writes: payload bytes (each message of a batch)
        ("think", np.uint32),  # ns to let pass before the call
        ("count", np.uint32),  # WRITE_MANY, READ_MANY: messages at most; else 1
        ("kind", np.uint8),  # Kind
        ("pad", np.uint8, 3),
    ],
)
"""One operation of a script. 32 bytes; ``harness/native/record.hpp`` has the same layout.

SKIP takes the entry id that this worker saw in its last PEEK (or in its last MISMATCH): a script cannot know ids
beforehand.
"""


MOST_MESSAGES = 1 << 24
"""Operations of a saved program, messages of batches counted singly: some gigabytes of history."""

_RANGES = {
    "value": (0, 2**64 - 1),
    "size": (0, 2**32 - 1),
    "timeout": (NO_TIMEOUT, 2**63 - 1),
    "think": (0, 2**32 - 1),
    "count": (1, MOST_MESSAGES),
}


_CONFIG = {
    "max_round_trips": (1, 2**32 - 1),
    "start_sleep_ns": (1, 10**12),
    "max_sleep_ns": (1, 10**12),
    "slice_ns": (1, 10**12),
    "spins": (0, 2**32 - 1),
}
"""Fields of ``channel.ChannelConfig``, which a saved program names without knowing the channel."""


class ProgramError(ValueError):
    """The program cannot be run; the message says why and what would be right."""


def operations(rows: Iterable[Mapping[str, int]]) -> npt.NDArray[np.void]:
    """A script from single operations; fields as in OPERATION, the rest gets its neutral value."""
    collected = list(rows)
    script = np.zeros(len(collected), OPERATION)
    script["timeout"], script["count"] = NO_TIMEOUT, 1
    for index, row in enumerate(collected):
        for name, content in row.items():
            script[name][index] = content
    return script


@dataclass(frozen=True)
class Program:
    """The scripts of all workers and the channel they meet on.

    Attributes:
        name: of the scenario, or anything short.
        workers: one array of OPERATION per worker.
        capacity: ring bytes of the channel.
        config: keyword arguments of ``channel.ChannelConfig``.
        seed: what the scripts were drawn from.
        parameters: the scenario's parameters, for people.
    """

    name: str
    workers: tuple[npt.NDArray[np.void], ...]
    capacity: int
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.workers:
            raise ProgramError("a program needs at least one worker")
        for number, script in enumerate(self.workers):
            if script.dtype != OPERATION:
                raise ProgramError(f"worker {number} has dtype {script.dtype}; expected OPERATION")
            known = np.isin(script["kind"], [kind.value for kind in Kind])
            if not known.all():
                raise ProgramError(f"worker {number} has an unknown kind {int(script['kind'][~known][0])}")
        values = self.written_values()
        if len(np.unique(values)) != len(values):
            raise ProgramError("two writes carry the same value; every message needs its own identity")

    def written_values(self) -> npt.NDArray[np.uint64]:
        """The identity of every message that the program tries to write, batches unrolled."""
        parts: list[npt.NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
        for script in self.workers:
            writes = script[np.isin(script["kind"], [kind.value for kind in Kind if kind.writes])]
            count = writes["count"].astype(np.int64)
            offsets = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
            parts.append(np.repeat(writes["value"], count) + offsets.astype(np.uint64))
        return np.concatenate(parts)

    @property
    def size(self) -> int:
        """How many operations all workers have together, messages of batches counted singly."""
        return sum(int(script["count"].sum()) for script in self.workers)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that two programs share only if they do the same."""
        state = hashlib.blake2b(digest_size=8)
        state.update(json.dumps([self.capacity, sorted(self.config.items())]).encode())
        for script in self.workers:
            state.update(len(script).to_bytes(8, "little"))
            state.update(np.ascontiguousarray(script).tobytes())
        return state.hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "program": 1,
            "name": self.name,
            "capacity": self.capacity,
            "config": dict(self.config),
            "seed": self.seed,
            "parameters": dict(self.parameters),
            "workers": [[_operation_to_json(row) for row in script] for script in self.workers],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Program:
        """Inverse of `to_json`.

        Raises:
            ProgramError: unknown version, kind or field, or something that is out of its range.
        """
        if not isinstance(data, Mapping):
            raise ProgramError(f"a program is a JSON object; got {_shown(data)}")
        if data.get("program") != 1:
            raise ProgramError(f"program version {_shown(data.get('program'))}; this program reads version 1")
        missing = [name for name in ("name", "capacity", "config", "seed", "workers") if name not in data]
        if missing:
            raise ProgramError(f"malformed program: it lacks {', '.join(missing)}")
        scripts = data["workers"]
        if not isinstance(scripts, list) or not all(isinstance(script, list) for script in scripts):
            raise ProgramError(f"workers is a list of lists of operations; got {_shown(scripts)}")
        if scripts and not any(scripts):
            raise ProgramError("a program needs at least one operation")
        rows = [[_operation_from_json(row) for row in script] for script in scripts]
        messages = sum(row.get("count", 1) for script in rows for row in script)
        if messages > MOST_MESSAGES:
            raise ProgramError(f"a saved program has at most {MOST_MESSAGES} operations and messages; got {messages}")
        parameters = data.get("parameters", {})
        if not isinstance(data["name"], str) or not isinstance(parameters, Mapping):
            raise ProgramError("malformed program: name is a string and parameters is an object")
        capacity = _whole("capacity", data["capacity"], 32, 2**40)
        seed = _whole("seed", data["seed"], -(2**63), 2**64 - 1)
        _check_config(data["config"])
        return cls(data["name"], tuple(map(operations, rows)), capacity, data["config"], seed, parameters)

    def save(self, path: Path | str) -> None:
        Path(path).write_text(json.dumps(self.to_json()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Program:
        """What `save` wrote.

        Raises:
            ProgramError: not UTF-8, not JSON, or no program.
            OSError: it cannot be read.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ProgramError(f"{path}: not UTF-8: {error}") from error
        except RecursionError as error:
            raise ProgramError(f"{path}: nested too deeply for a program") from error
        except ValueError as error:  # of the syntax, or of a number with thousands of digits
            raise ProgramError(f"{path}: not JSON: {error}") from error
        try:
            return cls.from_json(data)
        except ProgramError as error:
            raise ProgramError(f"{path}: {error}") from error

    def __str__(self) -> str:
        workers = counted(len(self.workers), "worker")
        lines = [f"program {self.name}: {workers}, capacity {self.capacity} bytes, seed {self.seed}"]
        for number, script in enumerate(self.workers):
            shown = ", ".join(_operation_to_text(row) for row in script[:12])
            more = f", ... ({counted(len(script), 'operation')})" if len(script) > 12 else ""
            lines.append(f"  worker {number}: {shown}{more}")
        return "\n".join(lines)


def _operation_to_json(row: np.void) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": Kind(int(row["kind"])).name.lower()}
    neutral: Sequence[tuple[str, int]] = [
        ("value", 0),
        ("size", 0),
        ("timeout", NO_TIMEOUT),
        ("think", 0),
        ("count", 1),
    ]
    entry.update({name: int(row[name]) for name, default in neutral if int(row[name]) != default})
    return entry


def _shown(value: object) -> str:
    """In a line of an error."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _whole(name: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ProgramError(f"{name} is a whole number from {least} to {most}; got {_shown(value)}")
    return value


def _check_config(config: object) -> None:
    if not isinstance(config, Mapping):
        raise ProgramError(f"config is an object with fields of ChannelConfig; got {_shown(config)}")
    unknown = sorted(set(config) - set(_CONFIG))
    if unknown:
        raise ProgramError(f"unknown fields {_shown(unknown)} in config; there are {', '.join(_CONFIG)}")
    for name, value in config.items():
        if name != "max_round_trips" or value is not None:
            _whole(f"config: {name}", value, *_CONFIG[name])


def _operation_from_json(data: object) -> dict[str, int]:
    if not isinstance(data, Mapping):
        raise ProgramError(f"an operation is an object with a kind; got {_shown(data)}")
    unknown = set(data) - {"kind", "value", "size", "timeout", "think", "count"}
    if unknown:
        raise ProgramError(f"unknown fields {_shown(sorted(unknown))} in operation {_shown(dict(data))}")
    try:
        kind = Kind[str(data["kind"]).upper()]
    except KeyError as error:
        allowed = ", ".join(kind.name.lower() for kind in Kind)
        raise ProgramError(f"unknown kind {_shown(data.get('kind'))}; allowed: {allowed}") from error
    row = {name: _whole(name, data[name], *_RANGES[name]) for name in _RANGES if name in data}
    return {**row, "kind": kind.value}


def _operation_to_text(row: np.void) -> str:
    entry = _operation_to_json(row)
    rest = " ".join(f"{name}={content}" for name, content in entry.items() if name != "kind")
    return f"{entry['kind']}({rest})"
