"""What a worker process runs. Light on imports: sixteen of them start at once."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from harness import _native

__all__ = ["DISTURB", "main"]

DISTURB = signal.SIGTERM
"""The run is over: a call through the Python API that waits is to raise. Native scripts notice it themselves."""


def main() -> None:
    """Run the job in ``sys.argv[1]``; see ``ProcessCrew.launch``."""
    job: dict[str, Any] = json.loads(sys.argv[1])
    if not _native.die_with_parent(job["parent"]):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the executor's, which then ends its workers
    signal.signal(DISTURB, signal.SIG_IGN)
    run = _native.Run.open(job["run"])
    if "native" in job:
        _run_native(run, job)
    else:
        _run_api(run, job)
    sys.stderr.flush()
    os._exit(0)  # what the interpreter would tidy up, the kernel does


def _run_native(run: _native.Run, job: dict[str, Any]) -> None:
    target = job["native"]
    name, _, every = target["mutant"].partition(":")
    design = _native.planted(name, int(every or 0)) if name else None
    attachment = _native.Attachment.segment(target["segment"])
    attachment.run_script(run, job["worker"], tuple(target["policy"]), design, job["give_up"])


def _run_api(run: _native.Run, job: dict[str, Any]) -> None:
    import pickle
    from base64 import b64decode

    from harness.worker.api_script import run_script

    system, address = pickle.loads(b64decode(job["api"]))
    endpoint = system.attach(address)
    signal.signal(DISTURB, _raise_run_over)
    run_script(run, job["worker"], endpoint, job["give_up"], told_end=job["told_end"], kill_after=job["kill_after"])


class _RunOver(BaseException):
    pass


def _raise_run_over(_number: int, _frame: object) -> None:
    signal.signal(DISTURB, signal.SIG_IGN)
    raise _RunOver
