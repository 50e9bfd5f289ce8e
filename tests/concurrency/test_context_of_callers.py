"""A caller's context variables go with its own call, and stay out of what serves everybody."""

from __future__ import annotations

import contextvars
from collections.abc import Sequence

import pytest

from cache_fabric import CacheRequest, create_cache_fabric
from cache_fabric.execution_documents import EXECUTIONS
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Document
from cache_fabric.stores.memory import MemoryStore
from servers import eventually

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class ListeningStore(MemoryStore):
    """Notes in whose context each of its methods is called."""

    def __init__(self) -> None:
        super().__init__("default")
        self.heard: dict[str, set[str]] = {}
        self._put = self.documents.put
        self.documents.put = self._listen  # type: ignore[method-assign]

    def _hear(self, method: str) -> None:
        self.heard.setdefault(method, set()).add(who.get())

    async def get(self, key: str) -> bytes | None:
        self._hear("get")
        return await super().get(key)

    async def set_many(self, writes: Sequence[Write]) -> None:
        self._hear("set_many")
        await super().set_many(writes)

    async def open(self) -> None:
        self._hear("open")
        await super().open()

    async def wait(self, after: int, timeout: float) -> bool:
        self._hear("wait")
        return await super().wait(after, timeout)

    async def _listen(self, kind: str, documents: Sequence[Document]) -> None:
        self._hear(f"put {kind}")
        await self._put(kind, documents)


@pytest.mark.parametrize("colour", ["async", "blocking"])
async def test_a_lookup_is_in_its_callers_context_and_shared_work_in_none(colour: str) -> None:
    store = ListeningStore()
    fabric = create_cache_fabric("memory", store=store)
    who.set("the caller")
    request = CacheRequest(model="m", messages=[{"role": "user", "content": "is it so?"}])
    if colour == "async":
        await fabric.get_or_call(request, lambda: "yes")
    else:
        fabric.sync.get_or_call(request, lambda: "yes")
    fabric.track_soon("x1", "g", {"input": "q"})
    shared = {name: {"nobody"} for name in ("open", "wait", "set_many", f"put {EXECUTIONS}")}
    eventually(lambda: shared.keys() <= store.heard.keys(), "all of it to be done")
    assert store.heard == {"get": {"the caller"}, **shared}
    await fabric.aclose()
