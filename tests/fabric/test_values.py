"""Values beside the answers: found by name, written behind, bounded, and no fault is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.codec import pack
from cache_fabric.errors import BackendUnavailable, NotCacheable, ValidationError
from cache_fabric.stores.base import Write
from cache_fabric.stores.memory import MemoryStore

ME = {"model": "m", "dimensions": 3}


class NotingStore(MemoryStore):
    """Notes how many keys each read asked for, and what is written."""

    def __init__(self) -> None:
        super().__init__("n")
        self.reads: list[int] = []
        self.written: dict[str, Write] = {}

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        self.reads.append(len(keys))
        return await super().get_many(keys)

    async def set_many(self, writes: Sequence[Write]) -> None:
        self.written |= {write.key: write for write in writes}
        await super().set_many(writes)


async def test_values_come_back_in_the_order_of_their_names(fabric: CacheFabric) -> None:
    fabric.store_values("v", ME, {"a": [1, 2.5], "b": {"x": None}})
    found = await fabric.lookup_values("v", ME, ["b", "missing", "a", "b"])
    assert found == [{"x": None}, None, [1, 2.5], {"x": None}]
    await fabric.flush()
    assert await fabric.lookup_values("v", ME, ["a"]) == [[1, 2.5]]


def test_they_are_the_same_without_a_loop(fabric: CacheFabric) -> None:
    fabric.sync.store_values("v", ME, {"a": b"\x00"})
    assert fabric.sync.lookup_values("v", ME, ["a", "b"]) == [b"\x00", None]


async def test_every_value_is_a_private_copy(fabric: CacheFabric) -> None:
    fabric.store_values("v", ME, {"a": [1]})
    one, two = await fabric.lookup_values("v", ME, ["a", "a"])
    assert one is not None
    one.append(2)
    assert two == [1]
    assert await fabric.lookup_values("v", ME, ["a"]) == [[1]]


@pytest.mark.parametrize(
    ("kind", "whose", "name"),
    [
        ("w", ME, "a"),
        ("v", {**ME, "dimensions": 4}, "a"),
        ("v", {**ME, "dimensions": 3.0}, "a"),
        ("v", ME, "a "),
        ("v", ME, "A"),
    ],
)
async def test_another_kind_maker_or_name_is_another_value(
    fabric: CacheFabric, kind: str, whose: Any, name: str
) -> None:
    fabric.store_values("v", ME, {"a": 1})
    assert await fabric.lookup_values(kind, whose, [name]) == [None]


async def test_names_are_compared_byte_for_byte(fabric: CacheFabric) -> None:
    fabric.store_values("v", ME, {"\u00e9": 1, "": 2, "\ud800": 3})
    found = await fabric.lookup_values("v", ME, ["\u00e9", "e\u0301", "", "\ud800"])
    assert found == [1, None, 2, None]


async def test_a_deployments_secret_and_namespace_are_part_of_the_key() -> None:
    store = MemoryStore("n")
    for config in (FabricConfig(), FabricConfig(secret=b"other"), FabricConfig(namespace="other")):
        async with create_cache_fabric("memory", store=store, config=config) as fabric:
            assert await fabric.lookup_values("v", ME, ["a"]) == [None]
            fabric.store_values("v", ME, {"a": 1})


async def test_no_name_reaches_the_store() -> None:
    store = NotingStore()
    async with create_cache_fabric("memory", store=store) as fabric:
        fabric.store_values("v", {"url": "https://internal"}, {"a secret text": 1})
        await fabric.flush()
        (key,) = store.written
        assert "secret" not in key
        assert "internal" not in key


async def test_a_batch_is_one_read_of_the_distinct_names() -> None:
    store = NotingStore()
    patient = FabricConfig(exact_timeout=30)
    async with create_cache_fabric("memory", store=store, config=patient) as fabric:
        await fabric.lookup_values("v", ME, ["a", "b", "a", "c"])
        assert store.reads == [3]
        store.reads.clear()
        await fabric.lookup_values("v", ME, [str(number) for number in range(300)])
        assert store.reads == [128, 128, 44]


async def test_they_last_as_long_as_asked() -> None:
    store = NotingStore()
    async with create_cache_fabric("memory", store=store) as fabric:
        fabric.store_values("v", ME, {"a": 1}, ttl=60)
        fabric.store_values("v", ME, {"b": 1})
        await fabric.flush()
        assert [write.ttl for write in store.written.values()] == [60.0, None]
        with pytest.raises(ValidationError, match="ttl"):
            fabric.store_values("v", ME, {"a": 1}, ttl=0)


async def test_what_is_not_plain_data_is_refused(fabric: CacheFabric) -> None:
    with pytest.raises(NotCacheable):
        fabric.store_values("v", ME, {"a": object()})
    with pytest.raises(NotCacheable):
        await fabric.lookup_values("v", object(), ["a"])


async def test_a_corrupt_value_is_a_miss() -> None:
    store = NotingStore()
    async with create_cache_fabric("memory", store=store) as fabric:
        fabric.store_values("v", ME, {"a": 1, "b": 2})
        await fabric.flush()
        one, two = store.written
        await store.set_many([Write(one, b"junk"), Write(two, store.written[two].value)])
        assert await fabric.lookup_values("v", ME, ["a", "b"]) == [None, 2]


async def test_a_value_under_another_key_than_its_own_is_a_miss() -> None:
    store = NotingStore()
    config = FabricConfig()
    async with create_cache_fabric("memory", store=store, config=config) as fabric:
        fabric.store_values("v", ME, {"a": 1, "b": 2, "c": 3})
        await fabric.flush()
        one, two, three = store.written
        foreign = pack("not a pair", config.secret)
        await store.set_many([Write(one, store.written[two].value), Write(three, foreign)])
        assert await fabric.lookup_values("v", ME, ["a", "b", "c"]) == [None, 2, None]


async def test_a_store_that_fails_half_way_gives_what_it_gave() -> None:
    class Failing(NotingStore):
        async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
            if self.reads:
                raise BackendUnavailable("memory", "get_many", "is away")
            return await super().get_many(keys)

    names = [str(number) for number in range(300)]
    patient = FabricConfig(exact_timeout=30)
    async with create_cache_fabric("memory", store=Failing(), config=patient) as fabric:
        fabric.store_values("v", ME, dict.fromkeys(names, 1))
        await fabric.flush()
        found = await fabric.lookup_values("v", ME, names)
        assert found == [1] * 128 + [None] * 172
        assert (await fabric.get_metrics())["values"] == {
            "v.stored": 300,
            "v.hit": 128,
            "v.miss": 172,
            "v.degraded": 172,
        }


async def test_a_store_that_hangs_is_asked_once_a_call() -> None:
    class Hanging(NotingStore):
        async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
            self.reads.append(len(keys))
            await asyncio.Event().wait()
            return []

    store = Hanging()
    async with create_cache_fabric("memory", store=store) as fabric:
        names = [str(number) for number in range(1000)]
        assert await fabric.lookup_values("v", ME, names) == [None] * 1000
        assert store.reads == [128]


async def test_a_maker_is_cleared_with_all_below_it_and_nothing_else(
    any_fabric: CacheFabric, ask: Any
) -> None:
    makers: list[Any] = [ME, ("a",), ("a", "b"), ("a", "bc"), ("ab",), "a"]

    async def left(kind: str = "v") -> list[Any]:
        return [m for m in makers if await any_fabric.lookup_values(kind, m, ["n"]) != [None]]

    await any_fabric.store(ask("Do you ship abroad?"), "Yes.")
    for maker in makers:
        any_fabric.store_values("v", maker, {"n": 1})
        any_fabric.store_values("other", maker, {"n": 1})
    await any_fabric.flush()
    assert await any_fabric.clear_values("v", ("a", "b")) == 1
    assert await left() == [ME, ("a",), ("a", "bc"), ("ab",), "a"]
    any_fabric.store_values("v", ("a", "waiting"), {"n": 1})
    await any_fabric.clear_values("v", ("a",))
    assert await any_fabric.lookup_values("v", ("a", "waiting"), ["n"]) == [None]
    assert await left() == [ME, ("ab",)]
    await any_fabric.clear_values("v")
    assert await left() == []
    assert await left("other") == makers
    assert len(await any_fabric.list_answers()) == 1


async def test_values_that_cannot_be_cleared_are_told_to_the_caller() -> None:
    class Staying(MemoryStore):
        async def clear(self, prefix: str) -> int:
            raise BackendUnavailable("memory", "clear", "is away")

    async with create_cache_fabric("memory", store=Staying("n")) as fabric:
        with pytest.raises(BackendUnavailable):
            await fabric.clear_values("v", ME)


async def test_a_write_that_fails_is_counted() -> None:
    class ReadOnly(MemoryStore):
        async def set_many(self, writes: Sequence[Write]) -> None:
            raise BackendUnavailable("memory", "set_many", "is away")

    async with create_cache_fabric("memory", store=ReadOnly("n")) as fabric:
        fabric.store_values("v", ME, {"a": 1, "b": 2})
        await fabric.flush()
        assert await fabric.lookup_values("v", ME, ["a"]) == [None]
        assert (await fabric.get_metrics())["values"]["v.dropped"] == 2


async def test_they_are_bounded_and_displace_no_answer() -> None:
    config = FabricConfig(max_entries=2, max_entry_bytes=10_000)
    store = NotingStore()
    async with create_cache_fabric(
        "memory", store=store, policy=ExactOnly(), config=config
    ) as fabric:
        request = CacheRequest(model="m", messages=[{"role": "user", "content": "q"}])
        await fabric.store(request, "answer")
        for number in range(5):
            fabric.store_values("v", ME, {str(number): number})
            await fabric.flush()
        fabric.store_values("v", ME, {"large": "x" * 20_000})
        kept = [key async for key, _ in store.scan("k/")]
        assert len(kept) == 2
        assert len(await fabric.list_answers()) == 1
        values = (await fabric.get_metrics())["values"]
        assert values == {"v.stored": 5, "v.evicted": 3, "v.refused": 1}


async def test_they_count_as_no_request(fabric: CacheFabric) -> None:
    fabric.store_values("v", ME, {"a": 1})
    await fabric.lookup_values("v", ME, ["a", "b"])
    metrics = await fabric.get_metrics()
    assert (metrics["requests"], metrics["hit_rate"]) == (0, None)
    assert metrics["values"] == {"v.stored": 1, "v.hit": 1, "v.miss": 1}


def test_they_survive_the_process_that_wrote_them(tmp_path: Path) -> None:
    for expected in ([None], [[1.5]]):
        with create_cache_fabric("local", path=tmp_path).sync as fabric:
            assert fabric.lookup_values("v", ME, ["a"]) == expected
            fabric.store_values("v", ME, {"a": [1.5]})
    with create_cache_fabric("local", path=tmp_path).sync as fabric:
        assert fabric.inspect().metrics["values"] == {"v.hit": 1, "v.miss": 1, "v.stored": 2}
