"""The performance gate: is this tree slower than a reference? See docs/gate.md."""
