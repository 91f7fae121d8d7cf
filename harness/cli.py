"""The command line: one group whose commands are imported only when they are called, so that ``--help`` is quick."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import Any

import click

from harness.termination import tidy_on_termination

__all__ = ["EXIT_ENVIRONMENT", "EXIT_INTERRUPTED", "EXIT_PIPE", "EXIT_USAGE", "cli"]

EXIT_USAGE = 2
EXIT_ENVIRONMENT = 5
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""Of 128 + SIGPIPE, as a shell tells it."""

_COMMANDS = {
    "run": ("harness.commands.run", "Run scenarios on threads and processes and judge them."),
    "explore": (
        "harness.explore.command",
        "Explore a scenario exhaustively, or by samples, under a deterministic scheduler.",
    ),
    "replay": ("harness.explore.replay_command", "Replay one schedule of the explorer, with its trace."),
    "check": ("harness.checks.command", "Judge recorded histories, whoever recorded them."),
    "report": ("reports.command", "Make one report from run records."),
    "bench": ("harness.commands.bench", "Measure the channel, and its peers in the same run."),
    "gate": ("harness.commands.gate", "Has this revision become slower than another?"),
    "doctor": ("harness.commands.doctor", "Is this machine fit, and if not, why?"),
    "completion": ("harness.commands.completion", "Print the completion script for a shell."),
}


class _NobodyReads(Exception):
    """Standard output, or standard error, is closed."""


class _NotWrittenError(Exception):
    """What was to be said could not be written."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What writing ends with, and opening does not."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(_COMMANDS[name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        # click itself would exit with 1, which is a violation here
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _NobodyReads from error
        except OSError as error:
            if error.errno not in _NO_ROOM or error.filename is not None:
                raise
            raise _NotWrittenError(error.strerror) from error
        return result

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> int:  # type: ignore[override]
        """Like click's, but errors are one line and exit codes are the project's."""
        _open_standard_descriptors()
        if not (sys.argv[1:] if args is None else args):
            click.echo(self.get_help(click.Context(self, info_name="channel-harness")), err=True)
            return EXIT_USAGE
        if threading.current_thread() is threading.main_thread():  # signals are its alone
            tidy_on_termination()
        try:
            result = super().main(args, prog_name="channel-harness", standalone_mode=False)
        except click.UsageError as error:
            context = error.ctx.command_path if error.ctx is not None else "channel-harness"
            message = " ".join(line.strip() for line in error.format_message().splitlines())
            click.echo(f"{context}: {message}", err=True)
            return EXIT_USAGE
        except click.ClickException as error:
            click.echo(f"channel-harness: {error.format_message()}", err=True)
            return error.exit_code
        except (KeyboardInterrupt, click.Abort):
            click.echo("interrupted", err=True)
            return EXIT_INTERRUPTED
        except _NobodyReads:
            _silence()
            return EXIT_PIPE
        except _NotWrittenError as error:
            _silence()
            click.echo(f"channel-harness: the output could not be written: {error}", err=True)
            return EXIT_ENVIRONMENT
        except OSError as error:
            click.echo(f"channel-harness: {error}", err=True)
            return EXIT_ENVIRONMENT
        except Exception:
            traceback.print_exc()
            click.echo("channel-harness: internal error (above); please report it", err=True)
            return EXIT_ENVIRONMENT
        return result if isinstance(result, int) else 0


def _open_standard_descriptors() -> None:
    """What is closed is the null device from now on, lest a file of ours be taken for the standard output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def _silence() -> None:
    """What is still to be flushed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"channel-harness {version('ipc-channel-harness')} (Python {sys.version.split()[0]})")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Prove a shared-memory channel correct on this machine.

    Exit codes: 0 pass, 1 violation, 2 usage, 3 performance regression, 4 inconclusive, 5 environment or internal
    error, 130 interrupted, 141 nobody reads the output, 143 terminated.
    """
