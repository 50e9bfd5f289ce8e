"""What the cache half does in one step for everybody: add a key, remove a value."""

from __future__ import annotations

import asyncio

import pytest

from cache_fabric.stores.base import Store, Write
from cache_fabric.testing._store_suite import HOSTILE_KEYS, ManualClock, OpenStore, StoreSuite

__all__ = ["OneStep"]

_LONG = 3600.0


class OneStep(StoreSuite):
    """Tests of `add` and `remove_if`."""

    async def test_it_says_whether_others_may_see_its_keys(self, store: Store) -> None:
        assert isinstance(store.shared, bool)

    async def test_an_absent_key_is_added(self, store: Store) -> None:
        assert await store.add("k", b"v", _LONG) is True
        assert await store.get("k") == b"v"

    async def test_a_key_that_is_there_is_left_as_it_is(self, store: Store) -> None:
        for value in (b"first", b""):
            await store.set_many([Write("k", value)])
            assert await store.add("k", b"second", _LONG) is False
            assert await store.get("k") == value

    async def test_an_added_key_goes_when_its_time_is_over_and_may_be_added_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert await store.add("k", b"first", self.ttl) is True
        await self.pass_time(clock, self.ttl)
        assert await store.get("k") is None
        assert await store.add("k", b"second", _LONG) is True
        assert await store.get("k") == b"second"

    async def test_an_added_key_is_a_key_like_any_other(self, store: Store) -> None:
        await store.add("k", b"v", _LONG)
        assert await store.get_many(["k"]) == [b"v"]
        assert [item async for item in store.scan("")] == [("k", b"v")]
        await store.set_many([Write("k", b"new")])
        assert await store.get("k") == b"new"
        assert await store.delete(["k"]) == 1
        assert await store.add("k", b"again", _LONG) is True

    async def test_of_many_that_add_a_key_at_once_one_succeeds(
        self, store: Store, open_store: OpenStore
    ) -> None:
        stores = [store, await open_store()] if store.shared else [store]
        for number in range(10):
            key = f"k{number}"
            adding = [
                stores[one % len(stores)].add(key, str(one).encode(), _LONG) for one in range(20)
            ]
            added = await asyncio.gather(*adding)
            assert added.count(True) == 1
            assert await store.get(key) == str(added.index(True)).encode()

    async def test_a_value_is_removed_only_while_the_key_holds_it(self, store: Store) -> None:
        await store.add("k", b"mine", _LONG)
        assert await store.remove_if("k", b"other") is False
        assert await store.remove_if("k", b"") is False
        assert await store.get("k") == b"mine"
        assert await store.remove_if("k", b"mine") is True
        assert await store.get("k") is None
        assert await store.remove_if("k", b"mine") is False

    async def test_an_empty_value_is_removed_like_any_other(self, store: Store) -> None:
        await store.set_many([Write("k", b"")])
        assert await store.remove_if("k", b"") is True
        assert await store.remove_if("k", b"") is False

    async def test_an_expired_value_is_not_there_to_be_removed(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.add("k", b"v", self.ttl)
        await self.pass_time(clock, self.ttl)
        assert await store.remove_if("k", b"v") is False

    async def test_of_many_that_remove_a_value_at_once_one_succeeds(self, store: Store) -> None:
        await store.add("k", b"v", _LONG)
        removed = await asyncio.gather(*(store.remove_if("k", b"v") for _ in range(20)))
        assert removed.count(True) == 1

    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
    async def test_any_text_is_a_key_to_add(self, store: Store, key: str) -> None:
        value = bytes(range(256))
        assert await store.add(key, value, _LONG) is True
        assert await store.add(key, value, _LONG) is False
        assert await store.remove_if(key, value) is True

    async def test_namespaces_add_the_same_key(self, store: Store, open_store: OpenStore) -> None:
        neighbor = await open_store(namespace="contract2")
        assert await store.add("k", b"v", _LONG) is True
        assert await neighbor.add("k", b"v", _LONG) is True
        assert await neighbor.remove_if("k", b"v") is True
        assert await store.get("k") == b"v"
