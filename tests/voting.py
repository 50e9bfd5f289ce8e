"""Votes as feedback makes them of what a run was given."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any

from cache_fabric import CacheFabric, CacheRequest, Hit, Miss
from cache_fabric.policy.base import Asked, Decision, Refuse, Serve
from cache_fabric.provenance import provenance, served_in
from cache_fabric.types import Candidate, LookupResult
from cache_fabric.votes import Effect, Vote

_runs = itertools.count(1)


class Nearest:
    """A policy that serves whatever is near: it makes the mistakes that people complain of."""

    name, semantic, floor = "nearest", True, 0.6

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        best = max(candidates, key=lambda one: one.similarity, default=None)
        return Refuse("nothing near") if best is None else Serve(best, "near")

    def new_state(self, embedder: str) -> Any:
        return None


def a_vote(
    result: LookupResult,
    verdict: str | None = "bad",
    *,
    run: str | None = None,
    by: str = "ann",
    **fields: Any,
) -> Vote:
    """What somebody says of the answer that a run was given."""
    (served,) = served_in({"cache": provenance(result)})
    run = run or f"run-{next(_runs)}"
    known: dict[str, Any] = {
        "feedback_id": f"{run}/quality/{by}",
        "execution_id": run,
        "served": served,
        "verdict": verdict,
        "annotator": by,
        "kind": "HUMAN",
        "trusted": True,
        "at": time.time(),
        "why": "because",
    }
    return Vote(**{**known, **fields})


async def cast(fabric: CacheFabric, *votes: Vote) -> list[Effect]:
    return await fabric._run(lambda life: life.verdicts.vote(votes))


async def answered(fabric: CacheFabric, request: CacheRequest, answer: Any = "By post.") -> str:
    """Answer a request that misses; returns the id of the entry."""
    missed = await looked_up(fabric, request)
    assert isinstance(missed, Miss), missed
    entry_id = await fabric.store(missed.ticket, answer)
    assert entry_id is not None
    await fabric.flush()
    return entry_id


async def hit(fabric: CacheFabric, request: CacheRequest) -> Hit:
    found = await looked_up(fabric, request)
    assert isinstance(found, Hit), found
    return found


async def missed(fabric: CacheFabric, request: CacheRequest) -> bool:
    """Whether a request misses; nothing is left waiting."""
    found = await looked_up(fabric, request)
    if isinstance(found, Miss):
        await fabric.release(found.ticket)
    return isinstance(found, Miss)


async def looked_up(fabric: CacheFabric, request: CacheRequest) -> LookupResult:
    """What a store says that has the time: on a busy machine it may miss its budget at first."""
    deadline = time.monotonic() + 30
    while True:
        found = await fabric.lookup(request)
        if not isinstance(found, Miss) or found.degraded is None or time.monotonic() > deadline:
            return found
        await fabric.release(found.ticket)
        await asyncio.sleep(0.05)
