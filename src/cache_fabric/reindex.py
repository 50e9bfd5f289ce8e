"""The index made anew from the store, which is the authority.

After another embedder was chosen, after the index was lost (a deleted folder, a new server), or
to move to another kind of index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cache_fabric.engine import Engine
from cache_fabric.exact_tier import ANSWERS
from cache_fabric.stores.base import Store

__all__ = ["Progress", "Reindexed", "reindex"]

_BATCH = 256
Progress: TypeAlias = Callable[[int, int], object]
"""Is told how many entries are done, of how many."""


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What became of the entries.

    Attributes:
        entries: Entries that the store held.
        indexed: Entries that are found by meaning now.
        other_embedder: Of these, how many were stored under another embedder. Their partition
            names it, so a lookup never comes to them; `search_similar` does.
        no_question: Entries that have no question by itself: found by their exact request only.
        unreadable: Entries that are expired, corrupt, or of another secret.
    """

    entries: int
    indexed: int
    other_embedder: int
    no_question: int
    unreadable: int


async def reindex(engine: Engine, records: Store, progress: Progress | None = None) -> Reindexed:
    """Empty the index and fill it from the store; lookups go on, with fewer hits meanwhile.

    Args:
        engine: Over the store and the index; knows the pinned answers.
        records: Its store.
        progress: Called on the home loop after each batch.

    Raises:
        BackendError: Store, embedder or index failed; what was indexed until then stays, and it
            can be run again.
    """
    await engine.queue.write_now()
    await engine.store.open()
    total = len([key async for key, _ in records.scan(ANSWERS)]) + len(engine.verdicts.pinned)
    await engine.semantic.start_empty()
    done = Reindexed(0, 0, 0, 0, 0)
    batch: list[bytes] = []
    # A scan is as patient as the store is, where the reads of a lookup are not.
    async for _, data in records.scan(ANSWERS):
        batch.append(data)
        if len(batch) == _BATCH:
            done = await _added(engine, batch, done)
            batch = []
            if progress is not None:
                progress(done.entries, max(total, done.entries))
    done = await _added(engine, batch, done)
    done = await _added(engine, list(engine.verdicts.pinned.values()), done)
    if progress is not None:
        progress(done.entries, done.entries)
    return done


async def _added(engine: Engine, batch: Sequence[bytes], before: Reindexed) -> Reindexed:
    """Index a batch of envelopes; returns the sums with them."""
    entries = [entry for entry in map(engine.exact.read, batch) if entry is not None]
    asked = [entry for entry in entries if entry.question is not None]
    if asked:
        await engine.semantic.add_entries(asked)
    other = sum(entry.embedder != engine.semantic.identity for entry in asked)
    return Reindexed(
        entries=before.entries + len(batch),
        indexed=before.indexed + len(asked),
        other_embedder=before.other_embedder + other,
        no_question=before.no_question + len(entries) - len(asked),
        unreadable=before.unreadable + len(batch) - len(entries),
    )
