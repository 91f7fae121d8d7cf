"""Counting histories that differ, a million of them in one exploration."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.explore.subject import Kills

__all__ = ["Distinct"]

WORTHWHILE = 1 << 16
"""So many new digests are sorted in at once, or as many as there are already."""


class Distinct:
    """How many different digests have been added, those of each kill plan being different ones. 8 bytes for each."""

    def __init__(self) -> None:
        self._sorted: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._new: list[npt.NDArray[np.uint64]] = []
        self._new_count = 0

    def add(self, digests: bytes, kills: Kills) -> None:
        """Digests of 8 bytes each, of executions in which these workers were killed."""
        if not digests:
            return
        of_plan = np.uint64(hash(kills) & (1 << 64) - 1) if kills else np.uint64(0)
        self._new.append(np.frombuffer(digests, np.uint64) ^ of_plan)
        self._new_count += len(self._new[-1])
        if self._new_count > max(WORTHWHILE, len(self._sorted)):
            self._merge()

    def __len__(self) -> int:
        self._merge()
        return len(self._sorted)

    def _merge(self) -> None:
        if self._new:
            self._sorted = np.unique(np.concatenate([self._sorted, *self._new]))
            self._new, self._new_count = [], 0
