"""Programs small enough to explore: the four scenarios in the size of a few messages, and those that convict mutants.

A ring of 48 bytes holds two messages of 8 bytes, one of 32 bytes a single one; so three messages wrap around. A program
here must be able to end in every execution: as many reads that wait as messages, and a write that waits only where
somebody makes room.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from harness.explore.subject import MOST_WORKERS
from harness.operation import NO_TIMEOUT, Kind, message_value
from harness.program import Program, ProgramError, operations
from harness.scenario import share

__all__ = ["CONVICTING", "SMALL", "WITH_DEAD", "named_program", "small_scenario"]

MESSAGE_BYTES = 8

MOST_MESSAGES = 1_000
"""Of a scenario; a history that the explorer judges has far fewer calls."""

BATCH = 2
"""Messages of a batch."""

TIMEOUT_NS = 1_000_000

_LETTERS = {
    "w": Kind.WRITE,
    "W": Kind.TRY_WRITE,
    "o": Kind.WRITE,
    "m": Kind.WRITE_MANY,
    "M": Kind.WRITE_MANY,
    "r": Kind.READ,
    "R": Kind.TRY_READ,
    "i": Kind.READ,
    "n": Kind.READ_MANY,
    "N": Kind.READ_MANY,
    "p": Kind.PEEK,
    "s": Kind.SKIP,
    "S": Kind.SKIP_FORCE,
    "l": Kind.STATE,
    "x": Kind.SHUTDOWN,
}


_TIMEOUTS = {"o": TIMEOUT_NS, "i": TIMEOUT_NS, "M": 0, "N": 0}


def script(worker: int, calls: str) -> npt.NDArray[np.void]:
    """A script from letters, each followed by the size of its message, or by the messages of its batch, if not 8 or 2.

    Behind the messages of a batch that is written may stand a colon and their size: ``m3:24``.

    w write, W try_write, o write with a time-out, m write_many, M write_many with a time-out of 0; r read, R try_read,
    i read with a time-out, n read_many, N read_many with a time-out of 0; p peek, s skip, S skip_force; l look at the
    state, x shutdown.
    """
    rows: list[dict[str, int]] = []
    messages = 0
    for letter, number, of_each in re.findall(r"([a-zA-Z])(\d*)(?::(\d+))?", calls):
        kind = _LETTERS[letter]
        batch = kind in (Kind.WRITE_MANY, Kind.READ_MANY)
        row = {"kind": kind.value, "timeout": _TIMEOUTS.get(letter, NO_TIMEOUT)}
        row["count"] = int(number or BATCH) if batch else 1
        if kind.writes:
            size = int((of_each if batch else number) or MESSAGE_BYTES)
            row |= {"value": message_value(worker, messages + 1), "size": size}
            messages += row["count"]
        rows.append(row)
    return operations(rows)


def program(name: str, capacity: int, calls: Sequence[str], max_round_trips: int | None = None) -> Program:
    """A program from one string of letters a worker (`script`)."""
    config = {} if max_round_trips is None else {"max_round_trips": max_round_trips}
    return Program(name, tuple(script(worker, text) for worker, text in enumerate(calls)), capacity, config)


def small_scenario(
    name: str, writers: int | None = None, readers: int | None = None, messages: int | None = None
) -> Program:
    """A scenario in explorable size: the messages are dealt to the writers, and reads that wait to the readers.

    Raises:
        ProgramError: no such scenario, or numbers that do not fit it.
    """
    defaults = {"swsr": (1, 1, 3), "mwsr": (2, 1, 2), "mwmr": (2, 2, 2), "skip-vs-read": (1, 3, 2)}
    if name not in defaults:
        raise ProgramError(f"unknown scenario {name!r}; there are {', '.join(defaults)}")
    given = (writers, readers, messages)
    chosen = [default if value is None else value for default, value in zip(defaults[name], given, strict=True)]
    writers, readers, messages = chosen
    if writers < 1 or readers < 1 or messages < max(writers, 1):
        raise ProgramError(
            f"{name} needs a writer, a reader and a message per writer; got {writers}, {readers}, {messages}"
        )
    single = {"swsr": (writers, readers), "mwsr": (readers,)}.get(name, ())
    if any(number != 1 for number in single):
        raise ProgramError(f"{name} has one reader{' and one writer' * (name == 'swsr')}; others are free in mwmr")
    if writers + readers > MOST_WORKERS:
        raise ProgramError(f"at most {MOST_WORKERS} workers can be explored; got {writers} writers, {readers} readers")
    if messages > MOST_MESSAGES:
        raise ProgramError(f"{messages} messages are too large to explore; at most {MOST_MESSAGES}")
    if name == "skip-vs-read":
        removers = ["ps", "R", "S"]
        readers_calls = [removers[index % len(removers)] for index in range(readers)]
        # nobody waits here: a skip may find another head, and then nobody would make room
        return program(name, 48, [*("W" * count for count in share(messages, writers)), *readers_calls])
    return program(
        name,
        48,
        [*("w" * count for count in share(messages, writers)), *("r" * count for count in share(messages, readers))],
    )


SMALL = {name: small_scenario(name) for name in ("swsr", "mwsr", "mwmr", "skip-vs-read")}
"""The four scenarios, each exhausted within seconds."""

CONVICTING = {
    "alone 48": program("alone 48", 48, ["WWRW", "pR"]),
    "alone 32": program("alone 32", 32, ["WRWRW", "ps"]),
    "full": program("full", 32, ["W", "W", "W"]),
    "reuse": program("reuse", 32, ["WW", "R", "Rp"]),
    "sleep": program("sleep", 48, ["w", "w", "rr"]),
    "two sleepers": program("two sleepers", 48, ["ww", "r", "r"]),
    "skips": program("skips", 48, ["WW", "psR", "SR"]),
    "hidden": program("hidden", 48, ["WWRW", "R"]),
    "looking": program("looking", 48, ["W", "l"]),
    "batches": program("batches", 48, ["m", "m", "nn"]),
    "closing": program("closing", 48, ["Wx", "W", "rrl"]),
    "closing twice": program("closing twice", 48, ["Wx", "xWWl"]),
    # the end of the stream stands where the reader met a message
    "closing after a lap": program("closing after a lap", 48, ["WRWRWx", "R"]),
    "timeouts": program("timeouts", 32, ["oo", "ii"]),
    # its last entry begins 16 bytes before the end of the ring: the payload goes on at the beginning
    "straddling": program("straddling", 64, ["W24W8RRW24R"]),
    # ... and ends with the first word there
    "straddling by a word": program("straddling by a word", 64, ["W24W8RRW16R"]),
    # a payload stands where another message's payload was, and no barrier between the read of that one and this write
    "overwritten": program("overwritten", 64, ["W24RW40", "p"]),
    "looking at sizes": program("looking at sizes", 96, ["W24W8", "lRl"]),
    "skipped sizes": program("skipped sizes", 96, ["W24W8", "psR"]),
    "empty batch": program("empty batch", 48, ["WWRW", "pN"]),
    "looking at a lap": program("looking at a lap", 48, ["WRW", "l"]),
    "skipping alone": program("skipping alone", 48, ["WWR", "ps", "pS"]),
    "more than asked": program("more than asked", 64, ["WWWn", "R"]),
    # whoever closes knows that it is closed: each kind of call that can say so
    "closed to all": program("closed to all", 48, ["WW", "nxNNpsSMW"]),
    "closing a full ring": program("closing a full ring", 32, ["Wx", "wW"]),
    "partial batch": program("partial batch", 48, ["m3", "rrr"]),
    # the second message of the batch stands where a message of the lap before stood
    "batch of a lap": program("batch of a lap", 48, ["WRWRm", "rr"]),
    # payload of the second message stands where a header stood, whose removal the first did not need
    "batch over a lap": program("batch over a lap", 96, ["WW24M2:24", "RR", "p"]),
    # the index of a message that is not the first of its group counts what stands in front of it
    "looking into a batch": program("looking into a batch", 64, ["M3", "Rl"]),
    # the third of a group meets a full ring: two of it appear
    "group cut short": program("group cut short", 96, ["WWWM3", "R"]),
    "limit 1": program("limit 1", 32, ["ww", "w", "r"], max_round_trips=1),
    "limit 2": program("limit 2", 32, ["ww", "w", "r"], max_round_trips=2),
    # rounds that found nothing and rounds that were lost use up one limit, and a deadline has none
    "limit 2 of readers": program("limit 2 of readers", 48, ["WW", "r", "R"], max_round_trips=2),
    "limit 1 beside a deadline": program("limit 1 beside a deadline", 48, ["WW", "i", "R"], max_round_trips=1),
    # the largest message that there can be, and one that is larger
    "beyond the ring": program("beyond the ring", 48, ["W32W24", "R"]),
}
"""Programs that between them convict every mutant that shows while everybody lives; mutants.hpp says which does which.

Rounds that only wait are not gone round again, so that a limit of rounds is met only where it counts them: in programs
with a limit of 1 and 2.
"""

WITH_DEAD = {
    "dead writer": program("dead writer", 64, ["W", "WRR"]),
    "dead writer of sizes": program("dead writer of sizes", 96, ["W24", "W24RR"]),
    "dead in the middle": program("dead in the middle", 64, ["WW", "WR"]),
    "dead reader": program("dead reader", 48, ["WW", "R", "RW"]),
    "recoverer": program("recoverer", 48, ["W", "W", "W"]),
    "dead skipper": program("dead skipper", 48, ["WW", "ps", "SR"]),
    "dead batch": program("dead batch", 48, ["m", "nW"]),
    "dead batch of three": program("dead batch of three", 48, ["M3", "RRW"]),
    "dead closer": program("dead closer", 48, ["Wx", "WRl"]),
    "dead closer beside a sleeper": program("dead closer beside a sleeper", 48, ["x", "W", "r"]),
    # a single message fills the ring: whoever replaces its dead writer publishes nothing himself, and wakes the reader
    "dead waker": program("dead waker", 32, ["W", "W", "r"]),
    "dead waker of a batch": program("dead waker of a batch", 48, ["M", "W", "iN"]),
}
"""Programs for the crash driver: nobody waits for what a dead worker would have done, but for a message."""


def named_program(
    name: str, writers: int | None = None, readers: int | None = None, messages: int | None = None
) -> Program:
    """A scenario in explorable size, another program of this module (spaces as '-'), or a saved program (``*.json``).

    Raises:
        ProgramError: there is no such program, or it has no such parameters.
    """
    if name in SMALL:
        return small_scenario(name, writers, readers, messages)
    if (writers, readers, messages) != (None, None, None):
        raise ProgramError(f"writers, readers and messages belong to a scenario ({', '.join(SMALL)}); {name} is none")
    others = {program.name.replace(" ", "-"): program for program in (*CONVICTING.values(), *WITH_DEAD.values())}
    if name in others:
        return others[name]
    if name.endswith(".json"):
        try:
            return Program.load(name)
        except OSError as error:
            raise ProgramError(f"{name}: {error.strerror}") from error
    raise ProgramError(f"no program {name!r}; there are {', '.join([*SMALL, *others])}, or a saved PROGRAM.json")
