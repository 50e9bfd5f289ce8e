"""Where the hosts of LangChain fail open, and which of them has asked for a call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from cache_fabric import seam
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._lookups import tell
from cache_fabric.seam import FailOpen, mark_of
from cache_fabric.types import Bypass

__all__ = ["FailOpen", "Seam", "asked_above", "asking", "mark_of"]

_asking: ContextVar[CacheFabric | None] = ContextVar("cache_fabric_asking", default=None)


@contextlib.contextmanager
def asking(fabric: CacheFabric) -> Iterator[None]:
    """Say that a fabric has been asked for what is called in this block.

    A host inside (the global cache under a middleware) knows less of the call, the tenant for one:
    it must not answer what the host around it has just refused.
    """
    token = _asking.set(fabric)
    try:
        yield
    finally:
        _asking.reset(token)


def asked_above(fabric: CacheFabric) -> bool:
    """Return whether a host around this call has asked the fabric and will tell it the answer."""
    return _asking.get() is fabric


class Seam(seam.Seam):
    """Tells the run that asks of a bypass, too."""

    def _counted(self, bypass: Bypass) -> None:
        tell(bypass)
