"""Histories that others recorded, and that others will read: JSON Lines, .npz, Jepsen's EDN and its log."""

from __future__ import annotations

from harness.exchange.calls import Call, Recording
from harness.exchange.convert import events_of, history_of
from harness.exchange.files import load_history, load_recording, save_history

__all__ = ["Call", "Recording", "events_of", "history_of", "load_history", "load_recording", "save_history"]
