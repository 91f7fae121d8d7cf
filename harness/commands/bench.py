"""``bench``: throughput and latency of the channel, with its peers in the same run."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]


@click.command("bench")
@click.option("--on", type=click.Choice(["threads", "processes", "both"]), default="both", show_default=True)
@click.option("--full", is_flag=True, help="All sizes to 64 KiB, all worker counts to 16x16; minutes.")
@click.option("--no-peers", is_flag=True, help="The channel alone.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write the run record as JSON; '-': standard output.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write index.html, results.json and junit.xml.",
)
def command(**options: Any) -> int:
    """Measure the channel through its Python API: by workers, by size, in batches, near full, and beside its peers.

    Rounds of all transports alternate; figures are medians with 95 % intervals. It judges nothing: see gate.
    """
    from harness.bench.cache_line import cache_line_ns
    from harness.bench.plan import FULL, QUICK, run_bench
    from harness.bench.record import bench_record, lines
    from harness.commands.outputs import open_outputs
    from harness.commands.talk import Talk
    from harness.environment import environment
    from harness.systems.transport import ChannelTransport, NativeTransport, native_pair_ns
    from harness.words import before_and_after

    def channel(name: str, spins: int | None) -> ChannelTransport:
        return ChannelTransport(name) if spins is None else ChannelTransport(name, spins)

    open_outputs(options["json_file"], report=options["report"])
    started, began, load = datetime.now(UTC), time.monotonic(), os.getloadavg()[0]
    on = ("processes", "threads") if options["on"] == "both" else (options["on"],)
    effort = FULL if options["full"] else QUICK
    cache_line = {"before": cache_line_ns()}
    with Talk(1) as talk:
        talk.begin("bench")
        run = run_bench(channel, NativeTransport, native_pair_ns, effort, on, not options["no_peers"], talk.say)
    cache_line["after"] = cache_line_ns()
    record = bench_record(
        run,
        started=started.isoformat(timespec="seconds"),
        duration=time.monotonic() - began,
        environment={**environment(), "load_before": load, "cache_line_ns": cache_line},
        command=shlex.join(["channel-harness", *sys.argv[1:]]),
    )
    to_stderr = options["json_file"] is not None and str(options["json_file"]) == "-"
    for line in lines(run):
        click.echo(line, err=to_stderr)
    click.echo(f"a cache line, core to core: {before_and_after(cache_line)}", err=to_stderr)
    if options["json_file"] is not None:
        text = json.dumps(record.to_json(), indent=1) + "\n"
        if to_stderr:
            click.echo(text, nl=False)
        else:
            options["json_file"].write_text(text, encoding="utf-8")
    if options["report"] is not None:
        from reports import write_report

        click.echo(f"report: {write_report([record], options['report'])}", err=True)
    return record.outcome.exit_code
