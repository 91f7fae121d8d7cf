"""How much memory a history takes: said before it is read, and held to while it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.history import HistoryError
from harness.words import counted

__all__ = ["CALL_BYTES", "ROW_BYTES", "Memory", "available", "in_words"]

ROW_BYTES = 250
"""A row of a History with its line (85), and what judging it takes at its peak."""
CALL_BYTES = 2_000
"""A Call, and what the general search keeps of it, not counting the configurations that it visits."""

_MEMORY_INFORMATION = Path("/proc/meminfo")


def available() -> int:
    """Bytes that this machine could give without swapping."""
    for line in _MEMORY_INFORMATION.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_MEMORY_INFORMATION} has no MemAvailable")


@dataclass
class Memory:
    """A limit for one history.

    Attributes:
        limit: bytes. each: bytes that one call takes.
    """

    limit: int
    each: int

    def foresee(self, name: str, calls: int) -> str:
        """One sentence about a history of about so many calls.

        Raises:
            HistoryError: it would take more than the limit.
        """
        sentence = (
            f"{name}: about {counted(calls, 'operation')}; judging them takes about {in_words(calls * self.each)}"
        )
        if calls * self.each > self.limit:
            raise HistoryError(f"{sentence}, but only {in_words(self.limit)} may be used (--memory)")
        return sentence

    def hold(self, name: str, line: int, calls: int) -> None:
        """Refuse to read on beyond the limit."""
        if calls * self.each > self.limit:
            counts = f"judging {counted(calls, 'operation')} takes more than the {in_words(self.limit)}"
            raise HistoryError(f"{name}:{line}: {counts} that may be used (--memory), and there are more to come")


def in_words(size: int) -> str:
    """Bytes for a person."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{counted(size, 'byte')}"
