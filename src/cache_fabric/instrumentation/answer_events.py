"""The events of a model call: its lookup, its answer, and what it was embedded for.

Every lookup makes one, so they are msgspec structs: frozen dataclasses of this size take ten times
as long to make.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cache_fabric.types import Answer, CacheRequest, Hit, Miss, Ticket, Tier, Usage

__all__ = ["EmbeddingEvent", "LookupEvent", "StoreEvent", "event_of", "failure_of", "said_in"]


class LookupEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One lookup ended; exactly one of these per lookup.

    Attributes:
        outcome: ``hit``, ``miss`` or ``bypass``; the last also of a caller who did not wait.
        tier: Of a hit.
        reason: Of a miss or bypass, or why a hit was served.
        stale: True for a hit past its time.
        degraded: The part of ours that failed, for a miss that might have been a hit.
        seconds: What the lookup took the caller.
        original_seconds: Of a hit: what the model took for this answer, ``None`` if not known.
        usage: Of a hit: the tokens that were not spent.
        saved_micros: Of a hit: what those tokens cost now, ``None`` if not priced.
        born: Of a hit: when the model gave the answer, in seconds since the epoch.
        lookup_id: Names the lookup for ``explain``; ``None`` of a bypass.
        tenant, graph, tags, contexts: Of the request; contexts are path and behaviour.
    """

    outcome: Literal["hit", "miss", "bypass"]
    model: str
    reason: str
    seconds: float
    tier: Tier | None = None
    similarity: float | None = None
    degraded: str | None = None
    entry_id: str | None = None
    partition: str | None = None
    original_seconds: float | None = None
    usage: Usage | None = None
    saved_micros: int | None = None
    born: float | None = None
    stale: bool = False
    lookup_id: str | None = None
    tenant: str | None = None
    graph: str | None = None
    tags: tuple[str, ...] = ()
    contexts: tuple[tuple[str, int], ...] = ()

    @property
    def result(self) -> str:
        """The outcome; of a hit also ``stale``, or ``coalesced`` for one of tier ``flight``."""
        if self.stale:
            return "stale"
        return "coalesced" if self.tier == "flight" else self.outcome


class StoreEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An answer was handed in after a miss, or its write behind ended badly.

    Attributes:
        outcome: ``stored``, ``refused`` (not fit to be kept, see reason), ``dropped`` (queue full
            or backend fault), ``released`` (the model gave no answer), ``stale`` (it gave none, and
            an expired one stood in) or ``evicted`` (left the store or was not let in, because
            others save more; see reason).
        lookup_seconds: What the lookup before it took.
        seconds: What the model took, ``None`` if not known.
        cost_micros: What the call cost, ``None`` if not priced.
        provider_saved_micros: What it would have cost more without the provider's prompt cache.
        explored: True of a call that was made to check an answer that would have been served.
        size: Bytes of an evicted answer.
        kind: Of the request: ``chat`` or ``completion``.
        lookup_id: Of the lookup before it; ``None`` of a request that had none, and of what is
            told of an answer later.
        tenant, graph, tags, contexts: Of the request of a call that gave no answer.
    """

    outcome: Literal["stored", "refused", "dropped", "released", "stale", "evicted"]
    model: str
    reason: str = ""
    lookup_seconds: float = 0.0
    seconds: float | None = None
    usage: Usage | None = None
    cost_micros: int | None = None
    provider_saved_micros: int = 0
    explored: bool = False
    entry_id: str | None = None
    size: int | None = None
    kind: Literal["chat", "completion"] = "chat"
    lookup_id: str | None = None
    tenant: str | None = None
    graph: str | None = None
    tags: tuple[str, ...] = ()
    contexts: tuple[tuple[str, int], ...] = ()


class EmbeddingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Texts were embedded by a model that is paid for.

    Attributes:
        model: That embedded them.
        texts: How many.
        tokens: Of them all, as they are estimated: embedders do not say.
        cost_micros: What that cost, ``None`` if not priced.
    """

    model: str
    texts: int
    tokens: int
    cost_micros: int | None


def event_of(ticket: Ticket, result: Hit | Miss) -> LookupEvent:
    """Return the event of a lookup that ended in a hit or a miss."""
    request, keys = ticket.request, ticket.keys
    if isinstance(result, Miss):
        return LookupEvent(
            outcome="miss",
            model=request.model,
            reason=result.reason,
            seconds=result.seconds,
            degraded=result.degraded,
            similarity=result.nearest.similarity if result.nearest else None,
            partition=keys.partition,
            lookup_id=ticket.id,
            tenant=request.tenant,
            graph=request.options.graph,
            tags=request.options.tags,
            contexts=keys.contexts,
        )
    entry = result.entry
    return LookupEvent(
        outcome="hit",
        model=request.model,
        reason=result.reason,
        seconds=result.seconds,
        tier=result.tier,
        similarity=result.similarity,
        entry_id=entry.id,
        partition=keys.partition,
        lookup_id=ticket.id,
        stale=result.stale,
        original_seconds=entry.latency,
        usage=entry.usage,
        saved_micros=result.saved_micros,
        born=entry.created,
        tenant=request.tenant,
        graph=request.options.graph,
        tags=request.options.tags,
        contexts=keys.contexts,
    )


def failure_of(ticket: Ticket, outcome: Literal["released", "stale"]) -> StoreEvent:
    """Return the event of a call that gave no answer."""
    request = ticket.request
    return StoreEvent(
        outcome=outcome,
        model=request.model,
        lookup_seconds=ticket.lookup_seconds,
        kind=request.kind,
        lookup_id=ticket.id,
        tenant=request.tenant,
        graph=request.options.graph,
        tags=request.options.tags,
        contexts=ticket.keys.contexts,
    )


def said_in(request: CacheRequest, answer: Hit | Miss | Answer) -> dict[str, Any]:
    """Return what was asked and answered, for hooks that were given leave to hear it."""
    asked: dict[str, Any] = {"messages": request.messages}
    if isinstance(answer, Miss):
        return asked
    return {**asked, "answer": answer.entry.text if isinstance(answer, Hit) else answer.text}
