"""A fresh answer as an entry. Pure, but for the clock."""

from __future__ import annotations

import time

from cache_fabric.config import FabricConfig
from cache_fabric.freshness import expiry, ttl_of
from cache_fabric.instrumentation.events import StoreEvent
from cache_fabric.types import Answer, CacheEntry, CacheRequest, KeySet, Ticket, new_entry_id

__all__ = ["fresh_entry"]


def fresh_entry(
    of: Ticket | KeySet,
    request: CacheRequest,
    answer: Answer,
    event: StoreEvent,
    config: FabricConfig,
    embedder: str,
) -> CacheEntry:
    """Return what is kept of an answer that came just now.

    Args:
        of: The ticket of its lookup, or the keys of a request that had none.
        request: That was answered.
        answer: To it.
        event: Of it: what the call cost and took.
        config: How long answers live.
        embedder: Identity of the one whose vectors find it.
    """
    keys = of.keys if isinstance(of, Ticket) else of
    entry_id = of.entry_id if isinstance(of, Ticket) else new_entry_id(of)
    now, nonce = time.time(), entry_id.rpartition(".")[2]
    ttl = ttl_of(keys.question, request.options, config)
    return CacheEntry(
        id=entry_id,
        exact=keys.exact,
        partition=keys.partition,
        question=keys.question,
        payload=answer.payload,
        text=answer.text,
        model=request.model,
        created=now,
        expires=expiry(now, ttl, config.ttl_jitter, nonce),
        embedder=embedder,
        tenant=request.tenant,
        user=request.user,
        usage=event.usage,
        cost_micros=event.cost_micros,
        latency=event.seconds,
        contexts=keys.contexts,
        tags=request.options.tags,
    )
