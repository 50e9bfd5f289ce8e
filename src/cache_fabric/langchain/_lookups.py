"""How the cache took a model run, when that was not by a hit.

LangChain has no word for it: a miss ends like a call that no cache looked at. The callback names
the run that asks in a context variable; the cache, which LangChain calls in that context, tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from cache_fabric.provenance import provenance
from cache_fabric.types import Bypass, CacheRequest, Hit, LookupResult, Miss

__all__ = ["Asking", "asking", "foretold", "graph_asking", "tell"]


@dataclass(slots=True, eq=False)
class Asking:
    """One model run that may ask a cache.

    Attributes:
        told: What came of it, as an execution holds it; ``None`` while no cache was asked.
        hit: The same of a hit, should its answer be the one that the run ends with.
        request: What was asked for, of a miss.
        tenant, user: Whose call it was.
        graph: Of the execution, while this run goes on.
    """

    told: dict[str, Any] | None = None
    hit: dict[str, Any] | None = None
    request: CacheRequest | None = field(default=None, repr=False)
    tenant: str | None = None
    user: str | None = None
    graph: str | None = None


_asking: ContextVar[Asking | None] = ContextVar("cache_fabric_asking", default=None)


_foretold: ContextVar[LookupResult | None] = ContextVar("cache_fabric_foretold", default=None)


def asking(one: Asking | None) -> None:
    """Name the run that asks next; ``None`` where several ask at once and cannot be told apart."""
    _asking.set(one)
    result = _foretold.get()
    if result is not None:
        tell(result)


def graph_asking() -> str | None:
    """Return the graph of the run that asks in this context, ``None`` if none is followed."""
    one = _asking.get()
    return None if one is None else one.graph


@contextmanager
def foretold(result: LookupResult | None) -> Iterator[None]:
    """Say what came of the lookup before the run that asks for it has begun: a middleware's."""
    token = _foretold.set(result)
    try:
        yield
    finally:
        _foretold.reset(token)


def tell(result: LookupResult) -> None:
    """Tell the run that asks in this context, if there is one.

    A hit marks its answer; should the answer turn out unreadable, the model is called after all.
    """
    one = _asking.get()
    if one is None:
        return
    if isinstance(result, Hit):
        one.told = {"outcome": "miss", "reason": "the answer could not be read"}
        one.hit = provenance(result)
    else:
        one.told = provenance(result)
    one.request = result.ticket.request if isinstance(result, Miss) else None
    if not isinstance(result, Bypass):
        asked = result.entry if isinstance(result, Hit) else result.ticket.request
        one.tenant, one.user = asked.tenant, asked.user
