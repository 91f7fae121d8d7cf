"""A dask.distributed cluster as an engine: parts go to other machines, and those of a worker that dies to the others.

Every worker needs this package, of the same build, and the extra ``dask``. The scheduler of the cluster gives out again
what a lost worker had; what it gives up itself (``distributed.scheduler.allowed-failures``) is a death like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.engine import Engine, EngineError, EngineUnreachable

__all__ = ["connect"]

CONNECT_S = 10.0


@contextmanager
def connect(address: str, jobs: int | None = None) -> Iterator[Engine]:
    """The cluster whose scheduler listens at ``dask://HOST:PORT``.

    Args:
        jobs: parts at a time; None: as many as the cluster has threads.

    Raises:
        EngineError: malformed address, or the extra is not installed.
        EngineUnreachable: no scheduler answers there within CONNECT_S, or it has no workers.
    """
    matched = re.fullmatch(r"dask://([^\s/:]+|\[[0-9a-fA-F:]+\]):(\d{1,5})", address)
    if matched is None:
        raise EngineError(f"a cluster's address is dask://HOST:PORT; got {address!r}")
    try:
        import distributed
    except ImportError as error:
        raise EngineError(
            f"the engine {address} needs dask.distributed ({error}); install the extra: "
            "pip install 'ipc-channel-harness[dask]' (in a clone: pip install -e '.[dask]')"
        ) from error
    try:
        client = distributed.Client(
            f"tcp://{matched[1]}:{matched[2]}", timeout=CONNECT_S, set_as_default=False, name="channel-harness"
        )
    except OSError as error:
        raise EngineUnreachable(f"no dask scheduler answers at {address} within {CONNECT_S:.0f} s: {error}") from error
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise EngineUnreachable(f"the cluster at {address} has no workers; start some: dask worker HOST:PORT")

        def lost() -> str:
            if client.status in ("running", "connecting"):
                return ""
            return f"the scheduler of the cluster at {address} is gone"

        engine = Engine(
            address,
            jobs or threads,
            lambda: client.get_executor(pure=False),
            died=(distributed.scheduler.KilledWorker,),
            lost=lost,
        )

        def on_event(event: tuple[float, Any]) -> None:
            message = event[1]
            if isinstance(message, dict) and message.get("action") == "remove-worker":
                lost = {*message["processing-tasks"], *message["lost-computed-tasks"]}
                engine.resubmitted += len(lost & set(client.futures))

        client.subscribe_topic("all", on_event)
        yield engine
    finally:
        client.close(timeout=CONNECT_S)
