"""``python -m harness`` and the console script ``channel-harness``."""

from __future__ import annotations

import sys

from harness.cli import cli

__all__ = ["main"]


def main() -> None:
    """Run the command line; exits with the code that ``docs/cli.md`` lists."""
    sys.exit(cli())


if __name__ == "__main__":
    main()
