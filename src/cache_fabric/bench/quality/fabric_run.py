"""A fabric over a stream: its public API, one request at a time, on one loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cache_fabric.bench.quality.vectors import KnownEmbedder
from cache_fabric.config import FabricConfig
from cache_fabric.drivers import make_embedder
from cache_fabric.factory import create_cache_fabric
from cache_fabric.policy.base import Policy
from cache_fabric.types import CacheRequest, Hit, Miss

if TYPE_CHECKING:
    from cache_fabric.bench.quality.streams import Stream
    from cache_fabric.embedders.base import Matrix

__all__ = ["PATIENT", "run_fabric"]

_MODEL = "simulated"
# A busy machine must not turn a decision into a timeout.
PATIENT = FabricConfig(exact_timeout=60.0, semantic_timeout=60.0, queue_entries=1_000_000)


def run_fabric(
    stream: Stream,
    vectors: Matrix,
    policy: Policy,
    *,
    embedder: str,
    tick: Callable[[int], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Return one decision a row: ``ms`` is the whole lookup without the embedding."""
    return asyncio.run(_run(stream, vectors, policy, embedder, tick))


async def _run(
    stream: Stream, vectors: Matrix, policy: Policy, embedder: str, tick: Callable[[int], None]
) -> list[dict[str, Any]]:
    known = KnownEmbedder(make_embedder(embedder), stream.texts, vectors)
    fabric = create_cache_fabric("memory", embedder=known, policy=policy, config=PATIENT)
    row_of: dict[str | None, int] = {}
    decisions: list[dict[str, Any]] = []
    async with fabric:
        for row, (text, scope) in enumerate(zip(stream.texts, stream.scopes, strict=True)):
            request = CacheRequest(
                model=_MODEL, messages=[{"role": "user", "content": text}], tenant=scope
            )
            started = time.perf_counter()
            result = await fabric.lookup(request)
            decision: dict[str, Any] = {"i": row, "ms": 1e3 * (time.perf_counter() - started)}
            if isinstance(result, Hit):
                decision |= {"hit": 1, "src": row_of[result.entry.id], "tier": result.tier}
                probability = getattr(result, "probability", None)
                if probability is not None:
                    decision["p"] = probability
            else:
                decision["hit"] = 0
            decisions.append(decision)
            if isinstance(result, Miss):
                if vectors[row].any():
                    _undisturbed(result)
                row_of[await fabric.store(result.ticket, stream.answers[row])] = row
                # Nothing in memory ever waits, so the queue needs a turn of the loop to drain.
                await fabric.flush()
            tick(1)
    await known.aclose()
    return decisions


def _undisturbed(miss: Miss) -> None:
    """A part that failed would be measured as a decision."""
    if miss.degraded is not None:
        raise RuntimeError(f"the {miss.degraded} failed during the run: {miss.reason}")
