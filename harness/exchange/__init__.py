"""Histories that others recorded, and that others will read: JSON Lines, .npz, Jepsen's EDN and its log."""

from __future__ import annotations

from harness.exchange.calls import Call, Recording
from harness.exchange.files import Reading, load_history, load_recording, open_reading, save_history
from harness.exchange.from_history import events_of

__all__ = [
    "Call",
    "Reading",
    "Recording",
    "events_of",
    "load_history",
    "load_recording",
    "open_reading",
    "save_history",
]
