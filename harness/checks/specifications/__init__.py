"""Sequential specifications: what a history may be linearizable as."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

from harness.checks.specifications.operation import Operation, Specification, SpecificationError, asking
from harness.checks.specifications.queues import (
    BoundedFifo,
    ByteBoundedFifo,
    Fifo,
    LossyFifo,
    Multiset,
    PerWriterOrder,
)
from harness.checks.specifications.registers import KeyValue, LatestValue, Register

__all__ = ["SPECIFICATIONS", "Operation", "Specification", "SpecificationError", "find"]

SPECIFICATIONS: dict[str, type[Specification]] = {
    "fifo": Fifo,
    "fifo-messages": BoundedFifo,
    "fifo-bytes": ByteBoundedFifo,
    "per-writer-order": PerWriterOrder,
    "lossy": LossyFifo,
    "latest-value": LatestValue,
    "multiset": Multiset,
    "register": Register,
    "key-value": KeyValue,
}


def find(name: str) -> type[Specification]:
    """A specification by its name, or by ``module:Class``.

    Raises:
        SpecificationError: there is none.
    """
    if name in SPECIFICATIONS:
        return SPECIFICATIONS[name]
    module, colon, member = name.partition(":")
    if not colon:
        known = ", ".join(SPECIFICATIONS)
        raise SpecificationError(f"no specification {name!r}; there are: {known}, or module:Class of your own")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # a file beside the histories is found, as by python -m
    with asking(f"{name}: import"):
        found = getattr(importlib.import_module(module), member)
    missing = [method for method in ("init", "step") if not callable(getattr(found, method, None))]
    if not isinstance(found, type) or missing:
        raise SpecificationError(f"{name}: expected a class with methods init and step")
    arguments = {"init": (None,), "step": (None, None, None)}
    for method, given in arguments.items():
        try:
            inspect.signature(getattr(found, method)).bind(*given)
        except TypeError as error:
            words = "init(self)" if method == "init" else "step(self, state, operation)"
            raise SpecificationError(f"{name}: {method}: {error}; expected {words}") from error
    return found
