"""Recipes of the answers that were given under a context, kept once a partition beside them.

Made after the answer was handed on, in the caller's thread, for its request may change as soon as
it goes on; written behind, like everything. A recipe that is missing costs a replay, nothing else.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from cache_fabric.capacity import Capacity
from cache_fabric.config import FabricConfig
from cache_fabric.errors import CodecError, NotCacheable
from cache_fabric.fault_place import place_of
from cache_fabric.keys import Known
from cache_fabric.part import Degraded, Part
from cache_fabric.recipe_form import Recipe, read_recipe, recipe_of
from cache_fabric.stores.base import Store, Write
from cache_fabric.subject import Subject
from cache_fabric.types import CacheEntry, CacheRequest
from cache_fabric.write_behind import PendingWrite, WriteBehind

__all__ = ["RECIPES", "Recipes"]

RECIPES = "r/"
_REMEMBERED = 10_000
_PATIENCE = 10.0  # seconds for work that no caller waits for
_PAGE = 256
_log = logging.getLogger("cache_fabric")


class Recipes:
    """Recipes by partition; lives on the home loop, but for `keep`.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        config: Limits.
        post: Runs a function on the home loop soon.
    """

    def __init__(
        self,
        store: Part,
        records: Store,
        config: FabricConfig,
        post: Callable[[Callable[[PendingWrite], None], PendingWrite], object],
    ) -> None:
        self._store = store
        self._records = records
        self._secret = config.secret
        self._post = post
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()
        self._queue = WriteBehind(
            self._write,
            lambda item, _: self._forget([item.key]),
            max_entries=config.queue_entries,
            max_bytes=config.queue_bytes,
        )
        self._capacity = Capacity(
            store, records, RECIPES, lambda _: None, self._delete, lambda _: None, config
        )

    def keep(self, request: CacheRequest, entry: CacheEntry, known: Known | None) -> None:
        """Keep the recipe of an answer if this process has not done so yet; from any thread.

        A request that cannot be kept as one (see `recipe_of`) is left out.
        """
        with self._lock:
            is_new = entry.partition not in self._kept
            self._kept[entry.partition] = None
            self._kept.move_to_end(entry.partition)
            if len(self._kept) > _REMEMBERED:
                self._kept.popitem(last=False)
        if not is_new:
            return
        try:
            data = recipe_of(request, entry, known, self._secret)
        except NotCacheable:
            return
        except Exception as error:  # noqa: BLE001 - the answer is on its way to its caller
            _log.error("a recipe was not kept: %s", place_of(error))
            return
        place = entry.partition
        self._post(
            self._queue.put, PendingWrite(place, data, None, model=entry.model, partition=place)
        )

    async def get(self, partition: str) -> Recipe | None:
        """Return the recipe of a partition, ``None`` where there is none or it cannot be read."""
        data = self._queue.get(partition)
        if data is None:
            data = await self._store.demand(lambda: self._records.get(RECIPES + partition))
        with contextlib.suppress(CodecError):
            return None if data is None else read_recipe(data, self._secret)
        return None

    async def erase(self, subject: Subject) -> int:
        """Delete the recipes of a subject's requests; returns how many there were."""
        await self.flush()
        await self._store.open()
        gone = []
        async for stored, data in self._records.scan(RECIPES):
            with contextlib.suppress(CodecError):
                recipe = read_recipe(data, self._secret)
                if subject.owns(recipe.tenant, recipe.user):
                    gone.append(stored.removeprefix(RECIPES))
        for start in range(0, len(gone), _PAGE):
            keys = gone[start : start + _PAGE]
            await self._records.delete([RECIPES + key for key in keys])
            self._capacity.forget(keys)
        self._forget(gone)
        return len(gone)

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped."""
        await self._queue.flush()

    async def stop(self) -> None:
        """End what goes on in the background; idempotent."""
        await self._capacity.stop()

    async def _write(self, batch: Sequence[PendingWrite]) -> None:
        admitted = await self._capacity.make_room(batch)
        writes = [Write(RECIPES + item.key, item.data) for item in admitted]
        try:
            await self._store.attempt(lambda: self._records.set_many(writes), _PATIENCE)
        except Degraded:
            self._capacity.failed(admitted)
            raise

    async def _delete(self, partitions: Sequence[str]) -> None:
        self._capacity.forget(partitions)
        self._forget(partitions)
        with contextlib.suppress(Degraded):
            await self._store.attempt(
                lambda: self._records.delete([RECIPES + key for key in partitions]), _PATIENCE
            )

    def _forget(self, partitions: Sequence[str]) -> None:
        """Let them be kept again when they are next seen."""
        with self._lock:
            for partition in partitions:
                self._kept.pop(partition, None)
