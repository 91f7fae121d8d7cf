"""Systems under test: how the harness makes and calls a channel. `harness.systems.base` tells how to bring your own."""
