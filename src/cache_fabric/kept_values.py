"""Values that hosts keep beside the answers, by name: the vectors of texts, for one.

They share store, envelope and secret with the answers and nothing else. A value is found by its key
alone, it is written behind, and the bounds of `FabricConfig` hold for all values together on their
own account, so that a corpus of vectors displaces no answer.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cache_fabric import codec
from cache_fabric.capacity import Capacity
from cache_fabric.config import FabricConfig
from cache_fabric.errors import CodecError
from cache_fabric.instrumentation.events import Event, StoreEvent, ValueEvent, ValueOutcome
from cache_fabric.keys import canonical
from cache_fabric.part import Degraded, Part
from cache_fabric.stores.base import Store, Write
from cache_fabric.subject import Subject
from cache_fabric.write_behind import PendingWrite, WriteBehind

__all__ = ["KeptValues"]

_FORMAT = "cache-fabric/values/1"
_PREFIX = "k/"
_PAGE = 128
"""Values in one read of the store: each page has the whole budget, so a large batch is not taken
for a slow store, and a hanging store costs the budget once."""
_STEP = 8  # bytes
_OF_TENANTS = ("nodes",)
"""Kinds whose values are made by ``(tenant, ...)``; those of others are everybody's."""
_PATIENCE = 10.0  # seconds for work that no caller waits for


class KeptValues:
    """Values of one namespace; lives on the home loop, but for `keys`, `read` and `pack`.

    Args:
        store: The store behind its part.
        records: The same store, for the calls.
        config: Limits and budgets.
        emit: Hears of every value that is asked for, kept, or lost.
    """

    def __init__(
        self, store: Part, records: Store, config: FabricConfig, emit: Callable[[Event], None]
    ) -> None:
        self._store = store
        self._records = records
        self._config = config
        self._emit = emit
        self._queue = WriteBehind(
            self._write,
            lambda item, _: self._tell(item.model, "dropped", 1),
            max_entries=config.queue_entries,
            max_bytes=config.queue_bytes,
        )
        self._capacity = Capacity(
            store, records, _PREFIX, lambda _: None, self._delete, self._evicted, config
        )

    def keys(self, kind: str, whose: Any, names: Sequence[str]) -> list[str | None]:
        """Return a keyed hash for each name; ``None`` for text that is not Unicode.

        Raises:
            NotCacheable: ``whose`` has no canonical form.
        """
        mark, place = self._mark(kind, whose), self._place(kind, whose)
        return [_key(self._config.secret, mark, place, name) for name in names]

    async def find(self, keys: Sequence[str | None]) -> tuple[dict[str, bytes], str | None]:
        """Return envelopes by key; and the part that failed, if one did, before all were found."""
        wanted = [key for key in dict.fromkeys(keys) if key is not None]
        found = {key: data for key in wanted if (data := self._queue.get(key)) is not None}
        asked = [key for key in wanted if key not in found]
        for start in range(0, len(asked), _PAGE):
            page = asked[start : start + _PAGE]
            try:
                stored = await self._page(page)
            except Degraded as fault:
                return found, fault.part
            found |= {k: data for k, data in zip(page, stored, strict=True) if data is not None}
        return found, None

    def read(
        self,
        kind: str,
        keys: Sequence[str | None],
        found: Mapping[str, bytes],
        degraded: str | None,
    ) -> list[Any | None]:
        """Return a private copy of each value, ``None`` for what is absent or unreadable."""
        values = [None if key is None else self._unpacked(key, found.get(key)) for key in keys]
        for key, value in zip(keys, values, strict=True):
            if key is not None and value is not None:
                self._capacity.used(key)
        missing = values.count(None)
        self._tell(kind, "hit", len(values) - missing)
        self._tell(kind, "miss", missing, degraded)
        return values

    def pack(
        self, kind: str, whose: Any, values: Mapping[str, Any], ttl: float | None
    ) -> list[PendingWrite]:
        """Return what to write; raises `NotCacheable` for what is not plain data."""
        writes = []
        keys = self.keys(kind, whose, list(values))
        for key, value in zip(keys, values.values(), strict=True):
            data = codec.pack([key, value], self._config.secret)
            if key is not None and len(data) <= self._config.max_entry_bytes:
                writes.append(PendingWrite(key, data, ttl, model=kind, partition=""))
        self._tell(kind, "stored", len(writes))
        self._tell(kind, "refused", len(values) - len(writes))
        return writes

    def put(self, writes: Sequence[PendingWrite]) -> None:
        """Queue values for the store; they can be found at once."""
        for write in writes:
            self._queue.put(write)

    async def clear(self, kind: str, whose: Any) -> int:
        """Delete what lies at and below a place; returns how much of it the store held."""
        return await self.clear_place(self._place(kind, whose))

    def places(self, subject: Subject) -> tuple[str, ...]:
        """Return what the keys of a tenant's values begin with; a user has none."""
        if subject.tenant is None or subject.user is not None:
            return ()
        return tuple(self._place(kind, (subject.tenant,)) for kind in _OF_TENANTS)

    async def clear_place(self, place: str) -> int:
        """Delete all values below a place; returns how many the store held."""
        self._queue.discard_prefix(place)
        await self._queue.flush()
        count = await self._store.demand(lambda: self._records.clear(_PREFIX + place))
        self._capacity.count_soon()
        return count

    async def count_place(self, place: str) -> int:
        """Return how many values the store holds below a place."""
        await self._queue.flush()
        await self._store.open()
        return len([key async for key, _ in self._records.scan(_PREFIX + place)])

    async def flush(self) -> None:
        """Wait until everything queued so far has been written or dropped."""
        await self._queue.flush()

    async def stop(self) -> None:
        """End what goes on in the background; idempotent."""
        await self._capacity.stop()

    def _mark(self, kind: str, *whose: Any) -> bytes:
        space = canonical((_FORMAT, self._config.namespace, kind, *whose))
        return hmac.digest(self._config.secret, space, "sha256")

    def _place(self, kind: str, whose: Any) -> str:
        """Return what the keys of these values begin with: one step for each part of ``whose``.

        The steps only say what is cleared together; a key ends in a hash of all of it.
        """
        path = whose if isinstance(whose, tuple) else (whose,)
        steps = (self._mark(kind, *path[:depth]) for depth in range(len(path) + 1))
        return "".join(f"{step[:_STEP].hex()}/" for step in steps)

    async def _page(self, keys: Sequence[str]) -> list[bytes | None]:
        return await self._store.attempt(
            lambda: self._records.get_many([_PREFIX + key for key in keys]),
            self._config.exact_timeout,
        )

    async def _write(self, batch: Sequence[PendingWrite]) -> None:
        batch = await self._capacity.make_room(batch)
        writes = [Write(_PREFIX + item.key, item.data, item.ttl) for item in batch]
        try:
            await self._store.attempt(lambda: self._records.set_many(writes), _PATIENCE)
        except Degraded:
            self._capacity.failed(batch)
            raise

    async def _delete(self, keys: Sequence[str]) -> None:
        self._capacity.forget(keys)
        with contextlib.suppress(Degraded):
            await self._store.attempt(
                lambda: self._records.delete([_PREFIX + key for key in keys]), _PATIENCE
            )

    def _unpacked(self, key: str, data: bytes | None) -> Any | None:
        """Return the value of an envelope if it was made under this key."""
        if data is None:
            return None
        with contextlib.suppress(CodecError, TypeError, ValueError):
            made_under, value = codec.unpack(data, self._config.secret)
            return value if made_under == key else None
        return None

    def _evicted(self, event: Event) -> None:
        if isinstance(event, StoreEvent):  # a value that a count took up does not say its kind
            self._tell(event.model or "unknown", "evicted", 1)

    def _tell(
        self, kind: str, outcome: ValueOutcome, count: int, degraded: str | None = None
    ) -> None:
        if count:
            self._emit(ValueEvent(kind=kind, outcome=outcome, count=count, degraded=degraded))


def _key(secret: bytes, mark: bytes, place: str, name: str) -> str | None:
    try:
        return place + hmac.digest(secret, mark + name.encode(), "sha256").hex()
    except UnicodeEncodeError:
        return None
