"""The index made anew from the store, which is the authority.

After another embedder was chosen, after the index was lost (a deleted folder, a new server), or
to move to another kind of index.
"""

from __future__ import annotations

from collections.abc import Callable
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
        engine: Over the store and the index.
        records: Its store.
        progress: Called on the home loop after each batch.

    Raises:
        BackendError: Store, embedder or index failed; what was indexed until then stays, and it
            can be run again.
    """
    await engine.queue.flush()
    await engine.store.open()
    keys = [key async for key, _ in records.scan(ANSWERS)]
    await engine.semantic.start_empty()
    indexed = other = no_question = 0
    unreadable = 0
    for start in range(0, len(keys), _BATCH):
        batch = await records.get_many(keys[start : start + _BATCH])
        entries = [entry for entry in map(engine.exact.read, batch) if entry is not None]
        asked = [entry for entry in entries if entry.question is not None]
        await engine.semantic.add_entries(asked)
        indexed += len(asked)
        other += sum(entry.embedder != engine.semantic.identity for entry in asked)
        no_question += len(entries) - len(asked)
        unreadable += len(batch) - len(entries)
        if progress is not None:
            progress(start + len(batch), len(keys))
    return Reindexed(len(keys), indexed, other, no_question, unreadable)
