"""Which message an entry id names.

A skip learns ids, not payloads: OK says that the entry asked for is gone, MISMATCH which one stood at the head instead.
Who wrote an entry, or read or peeked it, knows both; from these records the value of every skipped message follows. An
entry that a killed writer published is found through the id that the native script stored before the publication, or,
where there is none, among the writes that are still pending.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from harness.operation import NO_ID, Kind, Status

__all__ = ["UNKNOWN_VALUE", "named_by_id", "other_guesses", "resolve_by_reports", "resolve_skips"]

UNKNOWN_VALUE = 2**64 - 1
"""Value of a message whose id nobody wrote: no message of a program has it."""

_WRITES = [kind.value for kind in Kind if kind.writes]
_PAYLOADS = [Kind.READ.value, Kind.TRY_READ.value, Kind.READ_MANY.value, Kind.PEEK.value]
_SKIPS = [Kind.SKIP.value, Kind.SKIP_FORCE.value]


def resolve_skips(operations: npt.NDArray[np.void]) -> None:
    """Fill in ``value`` (and the ``size`` that was written) of every skip that reports an id, in place."""
    wanted, ids = resolve_by_reports(operations)
    if not len(wanted):
        return
    kind, pending = operations["kind"], operations["status"] == Status.PENDING.value
    written = np.isin(kind, _WRITES) & pending
    wanted = wanted[_look_up(operations, ids, wanted, np.flatnonzero(written & (ids != NO_ID)))]
    if len(wanted):
        _assign_pending(operations, ids, wanted, np.flatnonzero(written))


def resolve_by_reports(
    operations: npt.NDArray[np.void],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64]]:
    """Fill in what operations that returned say for certain, in place.

    Returns:
        The skips whose entry none of them names (UNKNOWN_VALUE until one does); the id that each row is about.
    """
    kind, status = operations["kind"], operations["status"]
    ids = _ids(operations)
    wanted = np.flatnonzero(named_by_id(operations))
    if len(wanted):
        operations["value"][wanted] = UNKNOWN_VALUE
        reported = (status == Status.OK.value) & (ids != NO_ID)
        for source in (np.isin(kind, _WRITES), np.isin(kind, _PAYLOADS)):
            wanted = wanted[_look_up(operations, ids, wanted, np.flatnonzero(source & reported))]
    return wanted, ids


def other_guesses(
    operations: npt.NDArray[np.void],
) -> tuple[npt.NDArray[np.intp], Iterator[npt.NDArray[np.void]]]:
    """The skips of entries that no record names, and every way to give them to pending writes that nothing else saw.

    `resolve_skips` takes the order of their ids for that of the invocations, which only this channel promises.
    """
    resolved = operations.copy()
    wanted, ids = resolve_by_reports(resolved)
    writes = np.isin(resolved["kind"], _WRITES) & (resolved["status"] == Status.PENDING.value)
    wanted = wanted[_look_up(resolved, ids, wanted, np.flatnonzero(writes & (ids != NO_ID)))]
    return wanted, _ways(resolved, wanted, ids, _unseen(resolved, np.flatnonzero(writes)))


def _ways(
    resolved: npt.NDArray[np.void],
    wanted: npt.NDArray[np.intp],
    ids: npt.NDArray[np.uint64],
    unseen: npt.NDArray[np.intp],
) -> Iterator[npt.NDArray[np.void]]:
    entries = np.unique(ids[wanted])
    for chosen in itertools.permutations(unseen.tolist(), len(entries)) if len(entries) else ():
        told = resolved.copy()
        for entry, row in zip(entries, chosen, strict=True):
            same = wanted[ids[wanted] == entry]
            told["value"][same], told["size"][same] = told["value"][row], told["size"][row]
        yield told


def named_by_id(operations: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """The skips that returned and say by an entry id alone which message they are about."""
    told = np.isin(operations["status"], [Status.OK.value, Status.MISMATCH.value])
    named: npt.NDArray[np.bool_] = np.isin(operations["kind"], _SKIPS) & told & (_ids(operations) != NO_ID)
    return named


def _ids(operations: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """The entry id that each row is about."""
    # what a skip(id) that is OK removed is the entry that it was asked for, whatever else it says
    asked = (operations["kind"] == Kind.SKIP.value) & (operations["status"] == Status.OK.value)
    ids: npt.NDArray[np.uint64] = np.where(asked, operations["target"], operations["id"])
    return ids


def _look_up(
    operations: npt.NDArray[np.void],
    ids: npt.NDArray[np.uint64],
    wanted: npt.NDArray[np.intp],
    sources: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    """Resolve what `sources` can; True for the wanted rows that they cannot."""
    if not len(sources) or not len(wanted):
        return np.ones(len(wanted), np.bool_)
    # of several that claim one id (only a broken channel has such) the last
    order = np.lexsort((operations["invoked"][sources], ids[sources]))
    sources = sources[order]
    source_ids = ids[sources]
    place = np.searchsorted(source_ids, ids[wanted], side="right") - 1
    found = (place >= 0) & (source_ids[place] == ids[wanted])
    origin = sources[place[found]]
    operations["value"][wanted[found]] = operations["value"][origin]
    operations["size"][wanted[found]] = operations["size"][origin]
    missing: npt.NDArray[np.bool_] = ~found
    return missing


def _assign_pending(
    operations: npt.NDArray[np.void],
    ids: npt.NDArray[np.uint64],
    wanted: npt.NDArray[np.intp],
    pending: npt.NDArray[np.intp],
) -> None:
    """Ids that no record names, in order, to pending writes that nothing else saw, in order of invocation."""
    pending = _unseen(operations, pending)
    for entry_id, row in zip(np.unique(ids[wanted]), pending, strict=False):
        same = wanted[ids[wanted] == entry_id]
        operations["value"][same] = operations["value"][row]
        operations["size"][same] = operations["size"][row]


def _unseen(operations: npt.NDArray[np.void], pending: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Those pending writes that no answer shows, in order of invocation."""
    seen = np.isin(operations["kind"], _PAYLOADS + _SKIPS) & (operations["status"] == Status.OK.value)
    pending = pending[~np.isin(operations["value"][pending], operations["value"][seen])]
    unseen: npt.NDArray[np.intp] = pending[np.argsort(operations["invoked"][pending], kind="stable")]
    return unseen
