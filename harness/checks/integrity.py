"""Is every message delivered once, whole, and only if it was written?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from harness.checks.model import NEVER, NOT, Ints, Model, among, intact, model_of
from harness.history import OWN_HEAD, History
from harness.operation import NO_ID, Kind, Status
from harness.verdict import Verdict, Witness
from harness.words import counted

__all__ = ["check_integrity"]

PROPERTY = "integrity"
_PAYLOADS = [Kind.READ.value, Kind.TRY_READ.value, Kind.READ_MANY.value, Kind.PEEK.value]
_WRITES = [kind.value for kind in Kind if kind.writes]
_SKIPS = [Kind.SKIP.value, Kind.SKIP_FORCE.value]


def check_integrity(history: History, *, drained: bool, model: Model | None = None) -> Verdict:
    """Look at every message by itself.

    Rules: *torn*: a payload is not bit for bit what its identity says, or has another size than was written;
    *invented*: a message came out that nobody wrote; *skipped-and-delivered*, *duplicated*: it came out twice; *lost*:
    its write returned, the channel was drained, and it never came out (more often than pending removals can explain).
    What the channel says of itself: *corrupted*: that its memory is damaged; *shared id*, *other id*: one entry id for
    two messages, two for one; *own mismatch*: the entry that a skip asked for is not the one it asked for; *after the
    end*, *before the end*: a write that began when the stream had ended; an end that nobody had begun.

    Args:
        history: to judge.
        drained: was the channel seen empty at the end? Else messages that remain are not lost.
        model: ``model_of(history)``, where the caller has it already.
    """
    model = model or model_of(history)
    rows = history.operations
    ok = rows["status"] == Status.OK.value
    payload_rows = np.flatnonzero(np.isin(rows["kind"], _PAYLOADS) & ok)
    assertions = _assertions(model, payload_rows, drained)
    told = (rows["id"] != NO_ID) & (rows["target"] != NO_ID) & (rows["id"] != rows["target"])
    other = np.flatnonzero(told & ok & (rows["kind"] == Kind.SKIP.value))
    if len(other):
        sentence = "a skip is OK and names another entry than the one that it was asked to remove"
        return _failed("other entry", sentence, other[:1], assertions)
    torn = payload_rows[~intact(history)[payload_rows]]
    if len(torn):
        return _failed("torn", "a payload is not what its writer wrote, bit for bit", torn[:1], assertions)

    unknown = np.flatnonzero(model.write_row == NOT)
    if len(unknown):
        of_unknown = np.concatenate([model.removal_row[unknown], model.peeks.row[np.isin(model.peeks.value, unknown)]])
        return _failed(
            "invented", "a message came out that nobody wrote", of_unknown[of_unknown != NOT][:1], assertions
        )

    removed = np.flatnonzero(model.removal_row != NOT)
    resized = removed[rows["size"][model.removal_row[removed]] != rows["size"][model.write_row[removed]]]
    if len(resized):
        pair = np.array([model.write_row[resized[0]], model.removal_row[resized[0]]])
        return _failed("torn", "a message came out with another size than it was written with", pair, assertions)

    if len(model.extra_removals):
        row = int(model.extra_removals[0])
        value = int(np.flatnonzero(rows["value"][model.write_row] == rows["value"][row])[0])
        trio = np.array([model.write_row[value], model.removal_row[value], row])
        kinds = np.isin(rows["kind"][trio[1:]], _SKIPS)
        mixed = kinds.any() and not kinds.all()
        rule = "skipped-and-delivered" if mixed else "duplicated"
        return _failed(
            rule,
            "one message was both skipped and delivered" if mixed else "one message came out twice",
            trio,
            assertions,
        )

    if drained:
        missing = np.flatnonzero((model.removal_row == NOT) & (model.write_ret != NEVER))
        taken = np.isin(missing, model.pending_skips[0])
        unexplained = missing[~taken]
        if len(unexplained) > len(model.anonymous):
            sentence = f"{counted(len(unexplained), 'message')} written, and never came out"
            if len(model.anonymous):
                sentence += f"; {counted(len(model.anonymous), 'pending removal')} can explain as many of them at most"
            return _failed("lost", sentence, model.write_row[unexplained][:3], assertions)

    # what it did to messages says more than what it says of itself
    for rule, sentence, broken in (*_statements(history), *_other_ids(model), *_ends(history)):
        if len(broken):
            return _failed(rule, sentence, broken, assertions)
    reason = f"{counted(len(removed), 'message')}, each once and whole"
    if inside := model.count - len(removed):
        reason += f"; {counted(inside, 'other')} did not come out"
    return Verdict.passed(PROPERTY, reason, assertions)


def _statements(history: History) -> Iterator[tuple[str, str, Ints]]:
    """What the channel says of itself that cannot be: rule, sentence, and the rows that show it."""
    rows = history.operations
    kind, status, entry = rows["kind"], rows["status"], rows["id"]
    ok = status == Status.OK.value
    damaged = np.flatnonzero(status == Status.CORRUPTED.value)
    yield "corrupted", "the channel says that its memory is damaged", damaged[:1]

    same_entry = (entry != NO_ID) & (entry == rows["target"])
    own = same_entry | ((rows["flags"] & OWN_HEAD) != 0)
    denied = np.flatnonzero((status == Status.MISMATCH.value) & own)
    yield (
        "own mismatch",
        "a skip was refused because of another entry at the head, and names the one it meant",
        denied[:1],
    )

    writes = np.flatnonzero(among(kind, _WRITES) & ok & (entry != NO_ID))
    writes = writes[np.argsort(entry[writes], kind="stable")]
    same = np.flatnonzero(entry[writes][1:] == entry[writes][:-1])[:1]
    yield "shared id", "two messages were written under one entry id", np.concatenate([writes[same], writes[same + 1]])


def _other_ids(model: Model) -> Iterator[tuple[str, str, Ints]]:
    """Messages that came out under another entry id than they were written under: somebody else's, or nobody's."""
    rows = model.history.operations
    kind, entry = rows["kind"], rows["id"]
    told = (rows["status"] == Status.OK.value) & (entry != NO_ID)
    writes, seen = np.flatnonzero(among(kind, _WRITES) & told), np.flatnonzero(among(kind, _PAYLOADS) & told)
    if len(writes) and len(seen):
        writes = writes[np.argsort(entry[writes], kind="stable")]
        origin = writes[np.minimum(np.searchsorted(entry[writes], entry[seen]), len(writes) - 1)]
        other = np.flatnonzero((entry[origin] == entry[seen]) & (rows["value"][origin] != rows["value"][seen]))[:1]
        pair = np.concatenate([origin[other], seen[other]])
        yield "other id", "a message came out under the entry id of another one", pair

    values = np.concatenate([np.arange(model.count), model.peeks.value])
    seen = np.concatenate([model.removal_row, model.peeks.row])
    written = model.write_row[values]
    both = (seen != NOT) & (written != NOT)
    both &= told[seen] & told[written] & among(kind[seen], _PAYLOADS)
    other = np.flatnonzero(both & (entry[seen] != entry[written]))[:1]
    pair = np.concatenate([written[other], seen[other]])
    yield "other id", "a message came out under another entry id than it was written under", pair


def _ends(history: History) -> Iterator[tuple[str, str, Ints]]:
    """The end of the stream: what came after it, or told of it too early."""
    rows = history.operations
    invoked, returned = rows["invoked"], rows["returned"]
    told = np.flatnonzero(rows["status"] == Status.CLOSED.value)
    written = np.flatnonzero(among(rows["kind"], _WRITES) & (rows["status"] == Status.OK.value))
    if history.shutdown is not None:
        begun, done = history.shutdown
        early = told[returned[told] < begun]
        yield "before the end", "CLOSED was told before anybody ended the stream", early[:1]
        late = written[invoked[written] > done]
        yield "after the end", "a write is OK that began after the stream had been ended", late[:1]
    if len(told):
        # who hears CLOSED knows that the stream has ended, whenever that was
        first = told[np.argmin(returned[told])]
        late = written[invoked[written] > returned[first]][:1]
        witness = np.append(late, first) if len(late) else late
        yield "after the end", "a write is OK that began after CLOSED had been told", witness


def _failed(rule: str, sentence: str, rows: Ints, assertions: dict[str, int]) -> Verdict:
    witness = Witness(sentence, tuple(int(row) for row in rows))
    return Verdict.failed(PROPERTY, rule, witness, assertions)


def _assertions(model: Model, payload_rows: Ints, drained: bool) -> dict[str, int]:
    kinds = model.history.operations["kind"]

    def by_kind(prefix: str, rows: Ints) -> dict[str, int]:
        counted = Counter(kinds[rows[rows != NOT]].tolist())
        return {f"{prefix} {Kind(kind).name.lower()}": count for kind, count in counted.items()}

    written = model.write_row[model.write_row != NOT]
    rows = model.history.operations
    named = np.flatnonzero((rows["id"] != NO_ID) & (rows["status"] == Status.OK.value))
    ended = np.flatnonzero(rows["status"] == Status.CLOSED.value)
    return {
        **by_kind("one message an entry id:", named),
        **by_kind("ended when it said so:", ended),
        **by_kind("payload intact in", payload_rows),
        **by_kind("written before, and with that size:", model.removal_row),
        **by_kind("not duplicated:", model.removal_row),
        **(by_kind("not lost:", written) if drained else {}),
    }
