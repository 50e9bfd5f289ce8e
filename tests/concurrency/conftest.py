"""Fabrics that share a store as processes do, all on the loop of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ExactOnly,
    FabricConfig,
    Miss,
    create_cache_fabric,
)
from cache_fabric.errors import BackendUnavailable
from cache_fabric.leases import LEASES
from cache_fabric.stores.memory import MemoryStore

Make = Callable[..., Awaitable[CacheFabric]]
LONG = 7200.0  # who waits for a lease to end fails by the time-out of the test


class SharedStore(MemoryStore):
    """Stands for a server: several fabrics on one loop see its keys."""

    shared = True

    def __init__(self) -> None:
        super().__init__("n")
        self.asked = 0  # for leases
        self.looked = 0  # for leases and answers together
        self.before_add: Callable[[], Awaitable[object]] | None = None
        self.after_add: Callable[[], Awaitable[object]] | None = None
        self.lost_writes = False
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def add(self, key: str, value: bytes, ttl: float) -> bool:
        self.asked += 1
        if self.before_add is not None:
            await self.before_add()
        added = await super().add(key, value, ttl)
        if self.after_add is not None:
            await self.after_add()
        return added

    async def get_many(self, keys: Any) -> list[bytes | None]:
        self.looked += 1
        return await super().get_many(keys)

    async def set_many(self, writes: Any) -> None:
        await self.may_write.wait()
        if self.lost_writes:
            raise BackendUnavailable("shared", "set_many", "gone")
        await super().set_many(writes)

    async def leases(self) -> list[str]:
        return [key async for key, _ in self.scan(LEASES)]


class Model:
    """Counts its calls; answers with the number of the call when it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_answer = asyncio.Event()

    async def __call__(self) -> Any:
        self.calls += 1
        number = self.calls
        await self.may_answer.wait()
        return f"answer {number}"


def request(text: str = "How do I return an item?", **more: Any) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}], **more)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def lookup(fabric: CacheFabric, asked: CacheRequest) -> Any:
    """Look up as a caller of its own."""
    return await asyncio.create_task(fabric.lookup(asked))


async def missed(fabric: CacheFabric, asked: CacheRequest) -> Miss:
    result = await lookup(fabric, asked)
    assert isinstance(result, Miss)
    return result


async def waiting(
    store: SharedStore, fabric: CacheFabric, asked: CacheRequest
) -> asyncio.Task[Any]:
    """Start a lookup and return once it has looked for the answer of another process."""
    before = store.looked
    task = asyncio.create_task(fabric.lookup(asked))
    await until(lambda: store.looked > before)
    return task


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.fixture
async def make(store: SharedStore) -> AsyncIterator[Make]:
    """Make fabrics of one store, all at home on the loop of the test."""
    async with AsyncExitStack() as stack:

        async def one(policy: Any = None, **options: Any) -> CacheFabric:
            config = FabricConfig(
                **{"exact_timeout": 30, "semantic_timeout": 30, "flight_timeout": LONG, **options}
            )
            embed = {"embedder": lambda text: [1.0, 0.0]}
            fabric = create_cache_fabric(
                "memory", store=store, policy=policy or ExactOnly(), config=config, **embed
            )
            return await stack.enter_async_context(fabric)

        yield one
