"""The cache half of the store contract: bytes by key, times to live, prefixes, namespaces."""

from __future__ import annotations

import asyncio

import pytest

from cache_fabric.stores.base import Store, Write
from cache_fabric.testing._store_suite import HOSTILE_KEYS, ManualClock, OpenStore, StoreSuite

__all__ = ["CacheHalf"]

_LONG = 3600.0


class CacheHalf(StoreSuite):
    """Tests of `get`, `get_many`, `set_many`, `delete`, `scan` and `clear`."""

    async def test_an_absent_key_is_none(self, store: Store) -> None:
        assert await store.get("k") is None

    async def test_what_was_set_is_got(self, store: Store) -> None:
        await store.set_many([Write("k", b"v")])
        assert await store.get("k") == b"v"

    async def test_setting_again_replaces(self, store: Store) -> None:
        await store.set_many([Write("k", b"old")])
        await store.set_many([Write("k", b"new")])
        assert await store.get("k") == b"new"

    async def test_a_call_with_nothing_to_do_is_fine(self, store: Store) -> None:
        await store.set_many([])
        assert await store.get_many([]) == []
        assert await store.delete([]) == 0

    async def test_deleting_says_how_many_were_there(self, store: Store) -> None:
        await store.set_many([Write("a", b"1"), Write("b", b"2"), Write("c", b"3")])
        assert await store.delete(["a", "b", "missing"]) == 2
        assert await store.get_many(["a", "b", "c"]) == [None, None, b"3"]

    async def test_an_empty_value_is_a_value(self, store: Store) -> None:
        await store.set_many([Write("k", b"")])
        assert await store.get("k") == b""

    async def test_two_mebibytes_of_every_byte_come_back(self, store: Store) -> None:
        value = bytes(range(256)) * (2 * 1024 * 1024 // 256)
        await store.set_many([Write("k", value)])
        assert await store.get("k") == value

    async def test_no_two_keys_are_taken_for_one_another(self, store: Store) -> None:
        expected = {key: str(number).encode() for number, key in enumerate(HOSTILE_KEYS)}
        await store.set_many([Write(key, value) for key, value in expected.items()])
        assert await store.get_many(HOSTILE_KEYS) == list(expected.values())
        assert await _scan(store, "") == sorted(expected.items())

    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
    async def test_any_text_is_a_key(self, store: Store, key: str) -> None:
        await store.set_many([Write(key, b"v")])
        assert await store.get(key) == b"v"
        assert await store.delete([key]) == 1
        assert await store.get(key) is None

    async def test_many_values_come_in_the_order_of_the_keys(self, store: Store) -> None:
        await store.set_many([Write("a", b"1"), Write("b", b"2")])
        assert await store.get_many(["b", "none", "a", "b"]) == [b"2", None, b"1", b"2"]

    async def test_thousands_of_values_are_got_at_once(self, store: Store) -> None:
        keys = [f"k{number}" for number in range(3000)]
        await store.set_many([Write(key, key.encode()) for key in keys])
        assert await store.get_many(keys) == [key.encode() for key in keys]

    async def test_of_two_writes_of_a_key_the_later_wins(self, store: Store) -> None:
        await store.set_many([Write("k", b"1"), Write("k", b"2")])
        assert await store.get("k") == b"2"

    async def test_a_delete_and_a_write_of_a_key_happen_in_order(self, store: Store) -> None:
        await store.set_many(
            [Write("a", b"1"), Write("a", None), Write("b", None), Write("b", b"2")]
        )
        assert await store.get_many(["a", "b"]) == [None, b"2"]

    async def test_writing_none_deletes(self, store: Store) -> None:
        await store.set_many([Write("k", b"v")])
        await store.set_many([Write("k", None)])
        assert await store.get("k") is None

    async def test_a_key_lives_for_its_time(self, store: Store) -> None:
        await store.set_many([Write("k", b"v", ttl=_LONG)])
        assert await store.get("k") == b"v"

    async def test_a_key_is_absent_when_its_time_is_over(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.set_many([Write("k", b"v", ttl=self.ttl), Write("kept", b"v", ttl=_LONG)])
        await self.pass_time(clock, self.ttl)
        assert await store.get_many(["k", "kept"]) == [None, b"v"]
        assert await store.get("k") is None

    async def test_writing_without_a_time_to_live_lifts_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.set_many([Write("k", b"old", ttl=self.ttl)])
        await store.set_many([Write("k", b"new")])
        await self.pass_time(clock, self.ttl)
        assert await store.get("k") == b"new"

    async def test_writing_with_a_time_to_live_sets_it(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.set_many([Write("k", b"old")])
        await store.set_many([Write("k", b"new", ttl=self.ttl)])
        await self.pass_time(clock, self.ttl)
        assert await store.get("k") is None

    async def test_an_expired_key_is_not_scanned(self, store: Store, clock: ManualClock) -> None:
        await store.set_many([Write("k", b"v", ttl=self.ttl), Write("kept", b"v")])
        await self.pass_time(clock, self.ttl)
        assert await _scan(store, "") == [("kept", b"v")]

    async def test_an_expired_key_is_not_counted_as_deleted(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.set_many([Write("k", b"v", ttl=self.ttl), Write("kept", b"v")])
        await self.pass_time(clock, self.ttl)
        assert await store.delete(["k"]) == 0

    async def test_an_expired_key_is_not_counted_as_cleared(
        self, store: Store, clock: ManualClock
    ) -> None:
        await store.set_many([Write("k", b"v", ttl=self.ttl), Write("kept", b"v")])
        await self.pass_time(clock, self.ttl)
        assert await store.clear("") == 1

    async def test_a_scan_gives_every_key_once(self, store: Store) -> None:
        expected = [(f"k{number:04}", str(number).encode()) for number in range(1000)]
        await store.set_many([Write(key, value) for key, value in expected])
        assert await _scan(store, "") == expected

    async def test_a_scan_gives_a_key_once_while_keys_are_written(self, store: Store) -> None:
        keys = [f"k{number:04}" for number in range(600)]
        await store.set_many([Write(key, b"old") for key in keys])
        seen: list[str] = []
        async for key, _ in store.scan("k"):
            if len(seen) % 100 == 0:
                await store.set_many([Write(key, b"new") for key in keys])
            seen.append(key)
        assert sorted(seen) == keys

    @pytest.mark.parametrize(
        "prefix",
        ["a", "a%", "a_", "a*", "a?", "a[b]", "a\\", "\U0010ffff", "\ud800", "\x00"],
        ids=ascii,
    )
    async def test_no_character_of_a_prefix_has_a_meaning(self, store: Store, prefix: str) -> None:
        inside = [prefix, f"{prefix}\x00", f"{prefix}z", f"{prefix}\U0010ffff\U0010ffff"]
        outside = ["ABC", "b", "Z", "\ud7ff", "\ud801", "\U0010fffe"]
        await store.set_many([Write(key, b"v") for key in [*inside, *outside]])
        assert [key for key, _ in await _scan(store, prefix)] == sorted(inside)
        assert await store.clear(prefix) == len(inside)
        assert [key for key, _ in await _scan(store, "")] == sorted(outside)

    async def test_wildcards_in_a_prefix_match_nothing_else(self, store: Store) -> None:
        await store.set_many([Write(key, b"v") for key in ("abc", "axc", "a/c")])
        for prefix in ("a%", "a_c", "a*", "a?c", "a[bx]c", "%", "*"):
            assert await _scan(store, prefix) == []
            assert await store.clear(prefix) == 0

    async def test_clearing_thousands_of_keys_counts_and_removes_them_all(
        self, store: Store
    ) -> None:
        await store.set_many([Write(f"k{number}", b"v") for number in range(2500)])
        assert await store.clear("k") == 2500
        assert await _scan(store, "") == []

    async def test_clearing_stays_inside_the_namespace(
        self, store: Store, open_store: OpenStore
    ) -> None:
        neighbor = await open_store(namespace="contract2")
        await store.set_many([Write("k", b"mine")])
        await neighbor.set_many([Write("k", b"theirs")])
        assert await store.clear("") == 1
        assert await neighbor.get("k") == b"theirs"

    async def test_namespaces_do_not_see_each_other(
        self, store: Store, open_store: OpenStore
    ) -> None:
        neighbor = await open_store(namespace="contract:")
        await store.set_many([Write(":k", b"mine"), Write("k", b"mine")])
        assert await neighbor.get("k") is None
        assert await _scan(neighbor, "") == []
        assert await neighbor.delete(["k"]) == 0

    async def test_concurrent_writers_lose_nothing(self, store: Store) -> None:
        async def write(writer: int) -> None:
            for number in range(20):
                await store.set_many([Write(f"{writer:02}/{number:02}", b"v")])

        await asyncio.gather(*(write(writer) for writer in range(20)))
        assert len(await _scan(store, "")) == 400


async def _scan(store: Store, prefix: str) -> list[tuple[str, bytes]]:
    return sorted([item async for item in store.scan(prefix)])
