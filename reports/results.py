"""``results.json``: all run records of a report, and what they come to together. Schema: ``schema/results.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.record import RecordError, RunRecord
from harness.verdict import Outcome

__all__ = ["assertions", "label", "load_records", "operations", "overall", "to_json", "variant", "write_json"]

VERSION = 1


def label(record: RunRecord) -> str:
    if record.kind in ("gate", "bench"):
        return record.scenario
    on = record.executor if record.executor in ("explored", "recorded") else f"on {record.executor}"
    return f"{record.scenario} {on} ({variant(record)})"


def operations(record: RunRecord) -> int:
    """In the history that was judged."""
    return record.metrics.operations if record.metrics else int(record.details.get("operations", 0))


def variant(record: RunRecord) -> str:
    """What tells a run from the others of the same scenario and executor."""
    return str(record.details.get("driver", "")) or record.mode


def overall(records: Iterable[RunRecord]) -> tuple[Outcome, str]:
    """A failure outweighs all, anything inconclusive outweighs a pass. Without an assertion there is none."""
    records = list(records)
    for outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE):
        found = [record for record in records if record.outcome is outcome]
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            return outcome, f"{label(found[0])}: {found[0].reason}{more}"
    if not any(assertions(records).values()):
        return Outcome.INCONCLUSIVE, "nothing was checked"
    hollow = [record for record in records if not any(record.assertions.values())]
    if hollow:
        return Outcome.INCONCLUSIVE, f"{label(hollow[0])}: nothing was checked"
    kinds = {record.kind for record in records}
    # a gate and a benchmark say what they compared and measured: that is no assertion that holds
    return Outcome.PASS, "; ".join(r.reason for r in records) if kinds <= {"gate", "bench"} else "every assertion holds"


def assertions(records: Iterable[RunRecord]) -> dict[str, int]:
    """By property and name, over all records."""
    total: dict[str, int] = {}
    for record in records:
        for verdict in record.verdicts:
            for name, count in verdict.assertions.items():
                key = f"{verdict.property}: {name}"
                total[key] = total.get(key, 0) + count
    return total


def to_json(records: Sequence[RunRecord]) -> dict[str, Any]:
    outcome, reason = overall(records)
    return {
        "results": VERSION,
        "outcome": outcome.value,
        "reason": reason,
        "duration": sum(record.duration for record in records),
        "operations": sum(operations(record) for record in records),
        "assertions": assertions(records),
        "records": [record.to_json() for record in records],
    }


def write_json(records: Sequence[RunRecord], path: Path) -> None:
    """Write results.json; the path ``-`` is standard output."""
    text = json.dumps(to_json(records), indent=1) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def load_records(path: Path) -> list[RunRecord]:
    """The records of a saved run record, or of a results.json.

    Raises:
        RecordError: it is neither; the message names the file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RecordError(f"{path}: neither a run record nor a results.json: {error}") from error
    if not isinstance(data, dict) or not {"results", "run_record"} & set(data):
        raise RecordError(f"{path}: neither a run record (key 'run_record') nor a results.json (key 'results')")
    if "results" in data and data["results"] != VERSION:
        raise RecordError(f"{path}: results version {data['results']!r}; this program reads version {VERSION}")
    try:
        return [RunRecord.from_json(entry) for entry in (data["records"] if "results" in data else [data])]
    except (RecordError, KeyError, TypeError) as error:
        raise RecordError(f"{path}: {error}") from error
