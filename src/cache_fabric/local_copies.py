"""What a process remembers of prompts and answers beside those that it serves.

The last lookups, texts that were compared, words that were read: none of it is told apart by whose
it is, so after an erasure each process lets go of all of it. It hears of one through the change
log, in a note that names nobody.
"""

from __future__ import annotations

import asyncio
import contextlib

from cache_fabric.context_view import note_of_erased
from cache_fabric.contexts import Contexts
from cache_fabric.decisions import Decisions
from cache_fabric.errors import CacheFabricError
from cache_fabric.kept_sums import KeptSums
from cache_fabric.kept_values import KeptValues
from cache_fabric.matcher.texts import forget_texts
from cache_fabric.part import Part
from cache_fabric.similar import SimilarSearch
from cache_fabric.stores.base import Store
from cache_fabric.subject import Subject
from cache_fabric.taken_back import Erased

__all__ = ["LocalCopies"]


class LocalCopies:
    """The copies of one process, and the way to those of the others.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        secret: Authenticates the notes of the log.
        contexts: Follow the change log.
        values, decisions, similar: Hold copies.
        sums: Tell what was saved by the names of tenants.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        secret: bytes,
        *,
        contexts: Contexts,
        values: KeptValues,
        decisions: Decisions,
        similar: SimilarSearch,
        sums: KeptSums,
    ) -> None:
        self._store = store
        self._records = records
        self._secret = secret
        self._live = contexts.live
        self._values = values
        self._decisions = decisions
        self._similar = similar
        self._sums = sums
        self._clearing: set[asyncio.Task[None]] = set()
        self._live.listeners["erased"].append(lambda _, erased: self._hear(erased))

    async def erase(self, subject: Subject) -> None:
        """Have every process let go of its copies, this one before it returns.

        Raises `BackendError`.
        """
        places = self._values.places(subject)
        whole = subject.tenant is not None and subject.user is None
        mark = self._sums.mark(subject.tenant) if whole and subject.tenant else None
        note = note_of_erased(Erased(places, mark), self._secret)
        revision = await self._store.demand(lambda: self._records.commit([], note=note))
        await self._live.catch_up(revision)

    def _hear(self, erased: Erased) -> None:
        self._decisions.clear()
        self._similar.forget()
        forget_texts()
        task = asyncio.get_running_loop().create_task(self._clear(erased))
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def _clear(self, erased: Erased) -> None:
        """Delete what this process may have written after the values were erased."""
        for place in erased.places:
            with contextlib.suppress(CacheFabricError):
                await self._values.clear_place(place)
        if erased.tenant is not None:
            with contextlib.suppress(CacheFabricError):
                await self._sums.forget(erased.tenant)
