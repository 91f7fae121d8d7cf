"""Throughput and latency of the channel and of its peers, side by side in one run. See docs/gate.md."""
