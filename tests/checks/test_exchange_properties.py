"""Reading by columns against reading one event at a time, on drawn files cut into pieces anywhere."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.exchange import lines, load_history, load_recording, save_history
from harness.history import PENDING_RETURN, History, HistoryError, operation_record
from harness.operation import Kind, Status

RUN = [kind for kind in Kind if kind.runs]
drawn = settings(max_examples=300, deadline=None)

Event = dict[str, Any]
# what a call says of itself: process, f, invoked, argument, type, returned, result, line
Paired = tuple[Any, ...]


def pair_one_by_one(events: list[Event]) -> list[Paired] | int:
    """The calls in order of invocation, or the line of the first event that breaks a rule."""
    waiting: dict[Any, list[tuple[int, Event]]] = {}
    clock: dict[Any, int] = {}
    retired: set[Any] = set()
    calls: list[Paired] = []

    def call(line: int, begun: Event, done: Event | None) -> None:
        kind = "info" if done is None else done["type"]
        returned = PENDING_RETURN if done is None or kind == "info" else done["time"]
        result = None if done is None else done.get("value")
        calls.append((begun["process"], begun["f"], begun["time"], begun.get("value"), kind, returned, result, line))

    for line, event in enumerate(events, 1):
        process = event["process"]
        mine = waiting.setdefault(process, [])
        if event["time"] < clock.get(process, 0):
            return line
        clock[process] = event["time"]
        if event["type"] == "invoke":
            same_batch = mine and event.get("batch") is not None and mine[0][1].get("batch") == event["batch"]
            if mine and not (same_batch and mine[0][1]["f"] == event["f"]):
                return line
            if not mine and process in retired:
                return line
            mine.append((line, event))
            continue
        if not mine or event["f"] != mine[0][1]["f"]:
            return line
        value = event.get("value")
        named = [entry for entry in mine if value is not None and repr(entry[1].get("value")) == repr(value)]
        chosen = named[0] if named else mine[0]
        mine.remove(chosen)
        call(*chosen, event)
        if event["type"] == "info":
            retired.add(process)
    for mine in waiting.values():
        for line, begun in mine:
            call(line, begun, None)
    return sorted(calls, key=lambda call: (call[2], call[-1]))


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    """Mostly well-formed: processes of their own pace, with batches; now and then a rule is broken."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    breaks = draw(st.sampled_from([0.0, 0.0, 0.05]))
    values = st.one_of(st.integers(-3, 3), st.sampled_from(["a", "b", 2**70, None, True, 1.5, [1, "x"]]))
    time = 0
    open_calls: dict[Any, list[Event]] = {}
    gone: set[Any] = set()
    events: list[Event] = []
    for _ in range(draw(st.integers(0, 25))):
        time += generator.choice([0, 1, 3])
        process = generator.choice([0, 1, "p"])
        mine = open_calls.setdefault(process, [])
        event: Event = {"time": time, "process": process}
        if process in gone and not mine and generator.random() >= breaks:
            continue
        batched = bool(mine) and "batch" in mine[0] and len(mine) < 3 and process not in gone
        begins = not mine or (batched and generator.random() < 0.5)
        if generator.random() < breaks:
            begins = not begins
        if begins:
            event |= {"type": "invoke", "f": generator.choice(["write", "read"]), "value": draw(values)}
            if mine and batched and generator.random() >= breaks:
                event |= {"f": mine[0]["f"], "batch": mine[0]["batch"]}
            elif generator.random() < 0.4:
                event["batch"] = generator.choice([1, 2])
            mine.append(event)
        else:
            begun = mine.pop(generator.randrange(len(mine))) if mine else {"f": "read"}
            kind = generator.choice(["ok", "ok", "fail", "info"])
            value = begun.get("value") if generator.random() < 0.5 else draw(values)
            event |= {"type": kind, "f": begun["f"], "value": value}
            if kind == "info":
                gone.add(process)
        if generator.random() < breaks:
            event["time"] = max(0, time - 2)
        if event["value"] is None and generator.random() < 0.5:
            del event["value"]
        events.append(event)
    return events


@given(event_lists(), st.integers(1, 400), st.sampled_from([(", ", ": "), (",", ":"), (" , ", " : ")]))
@drawn
def test_pairing_by_columns_is_pairing_one_by_one(events: list[Event], piece: int, separators: tuple[str, str]) -> None:
    expected = pair_one_by_one(events)
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(lines, "PIECE_BYTES", piece):
        path = Path(folder) / "history.jsonl"
        first = '{"history": 1}\n' if not events else ""
        path.write_text(first + "".join(json.dumps(event, separators=separators) + "\n" for event in events))
        if isinstance(expected, int):
            with pytest.raises(HistoryError, match=rf"history\.jsonl:{expected}: "):
                load_recording(path)
            return
        calls = load_recording(path).calls
    found = [
        (call.process, call.f, call.invoked, call.argument, call.type, call.returned, call.result, call.line)
        for call in calls
    ]
    assert list(map(repr, found)) == list(map(repr, expected))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Any rows that one worker after the other could have made, batches and pending calls included."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows: list[Any] = []
    value = 0
    for worker in range(int(generator.integers(1, 4))):
        time = int(generator.integers(0, 5))
        for call in range(int(generator.integers(0, 6))):
            kind = RUN[int(generator.integers(len(RUN)))]
            last = call == 5 and generator.random() < 0.5
            end = time + int(generator.integers(0, 6))
            many = int(generator.integers(1, 4)) if kind in (Kind.WRITE_MANY, Kind.READ_MANY) else 1
            for _ in range(many):
                refusals = [Status.FULL] if kind.writes else [Status.EMPTY]
                if kind not in (Kind.PEEK, Kind.SKIP, Kind.SKIP_FORCE):
                    refusals.append(Status.TIMEOUT)
                refusals += [Status.TOO_LARGE, Status.RETRY_LIMIT, Status.CLOSED]
                status = Status.OK if generator.random() < 0.35 else refusals[int(generator.integers(len(refusals)))]
                if kind is Kind.SKIP and generator.random() < 0.3:
                    status = Status.MISMATCH
                status = Status.PENDING if last else status
                row = operation_record(kind, status, time, PENDING_RETURN if last else end, worker=worker)
                row["batch"] = call + 1 if many > 1 else 0
                row["size"] = 8
                if kind.writes or status is Status.OK:
                    row["value"] = value
                if status in (Status.OK, Status.MISMATCH):
                    row["id"] = 16 * value
                if kind is Kind.SKIP:
                    row["target"] = 16 * value if status is Status.OK else int(generator.integers(100))
                if status is Status.TIMEOUT or generator.random() < 0.2:
                    row["timeout"] = int(generator.integers(100))
                row["retries"], row["slept"] = generator.integers(0, 3, 2)
                value += 1
                rows.append(row)
            time = end + int(generator.integers(0, 3))
    rows.sort(key=lambda row: int(row["invoked"]))
    return History.of(rows, capacity=draw(st.sampled_from([None, 4096])), info={"seed": 1})


@given(histories(), st.integers(1, 500), st.sampled_from(["h.jsonl", "h.npz", "h.jsonl.gz", "h.npz.gz"]))
@drawn
def test_what_is_saved_comes_back(history: History, piece: int, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(lines, "PIECE_BYTES", piece):
        save_history(history, Path(folder) / name)
        back = load_history(Path(folder) / name)
    assert (back.capacity, back.shutdown, dict(back.info)) == (history.capacity, history.shutdown, dict(history.info))
    told = ("invoked", "returned", "worker", "kind", "status", "target", "timeout", "id")

    def sorted_rows(one: History) -> list[tuple[int, ...]]:
        return sorted(tuple(int(row[field]) for field in told) for row in one.operations)

    assert sorted_rows(back) == sorted_rows(history)

    def batches(one: History) -> list[list[int]]:
        """Values of every batch, in order of the rows."""
        found: dict[tuple[int, int], list[int]] = {}
        for row in one.operations[one.operations["batch"] > 0]:
            found.setdefault((int(row["worker"]), int(row["batch"])), []).append(int(row["id"]))
        return sorted(found.values())

    assert batches(back) == batches(history)
