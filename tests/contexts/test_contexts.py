"""Contexts as callers see them, each promise on every store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cache_fabric import CacheFabric, ContextScope
from cache_fabric.errors import NotFound, ValidationError, VersionConflict
from contexts.conftest import Make


async def test_history_keeps_every_version_with_its_story(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("k", "one", author="ann", message="first")
    await fabric.set_context("k", "two", change="cosmetic")
    await fabric.delete_context("k")
    found = await fabric.context_history("k")
    assert [(e.version, e.value, e.change, e.deleted) for e in found] == [
        (1, "one", "behaviour", False),
        (2, "two", "cosmetic", False),
        (3, None, "cosmetic", True),
    ]
    assert (found[0].author, found[0].message) == ("ann", "first")
    assert await fabric.get_context("k") is None
    assert await fabric.context_history("unknown") == []


async def test_versions_labels_and_rollback(make: Make) -> None:
    fabric = await make()
    for value in ("one", "two", "three"):
        await fabric.set_context("k", value)
    await fabric.label_context("k", "production", 2)
    assert (await fabric.get_context("k", label="production")).value == "two"
    assert (await fabric.get_context("k", version=1)).value == "one"
    assert (await fabric.get_context("k", version=2)).labels == ("production",)
    back = await fabric.rollback_context("k", 1)
    assert (back.value, back.version, back.behaviour) == ("one", 4, 1)
    with pytest.raises(NotFound, match="no version 9"):
        await fabric.get_context("k", version=9)
    with pytest.raises(NotFound, match="production"):
        await fabric.get_context("k", label="staging")
    with pytest.raises(NotFound):
        await fabric.rollback_context("k", 9)


async def test_a_diff_shows_the_lines_that_changed(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("k", "Be brief.\nBe kind.")
    await fabric.set_context("k", "Be brief.\nBe honest.")
    found = await fabric.context_diff("k", 1, 2)
    assert "--- k@1" in found
    assert "-Be kind." in found
    assert "+Be honest." in found
    assert await fabric.context_diff("k", 2, 2) == ""


async def test_a_bundle_is_visible_at_one_revision_or_not_at_all(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("a", 1)
    async with fabric.publish(message="together") as bundle:
        bundle.set_context("a", 2)
        bundle.set_context("b", 2)
        bundle.label_context("b", "production", 1)
    assert bundle.revision == 2
    assert {e.revision for e in bundle.entries} == {2}
    assert (await fabric.get_context("b", label="production")).message == "together"
    with pytest.raises(VersionConflict):
        async with fabric.publish() as bundle:
            bundle.set_context("a", 3)
            bundle.set_context("b", 3, if_version=9)
    with pytest.raises(RuntimeError):
        async with fabric.publish() as bundle:
            bundle.set_context("a", 4)
            raise RuntimeError("the caller changed his mind")
    assert (await fabric.get_context("a")).value == 2


async def test_a_bundle_fails_whole_where_what_it_leaves_has_changed(make: Make) -> None:
    fabric, other = await make(), await make()
    left = await fabric.set_context("left", 1)
    async with fabric.publish() as bundle:
        bundle.expect_context("left", left.version)
        bundle.set_context("b", 1)
        bundle.label_context("b", "production")
    assert [entry.key for entry in bundle.entries] == ["b", "b"]
    assert (await fabric.get_context("left")).revision == left.revision
    assert [entry.version for entry in await fabric.context_history("left")] == [1]
    await other.set_context("left", 2)
    with pytest.raises(VersionConflict, match="left"):
        async with fabric.publish() as bundle:
            bundle.expect_context("left", left.version)
            bundle.set_context("b", 2)
    assert (await fabric.get_context("b", label="production")).value == 1


async def test_a_bundle_may_write_one_key_twice(make: Make) -> None:
    fabric = await make()
    async with fabric.publish() as bundle:
        bundle.set_context("k", "one")
        bundle.set_context("k", "two")
    assert [e.value for e in await fabric.context_history("k")] == ["one", "two"]


async def test_a_write_is_read_at_once_by_its_writer_and_soon_by_others(make: Make) -> None:
    writer, reader = await make(), await make()
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()
    await reader.list_contexts()
    reader.on("changed", lambda event, change: loop.call_soon_threadsafe(seen.set))
    entry = await writer.set_context("k", "new")
    assert (await writer.get_context("k")) == entry
    await asyncio.wait_for(seen.wait(), 10)
    assert (await reader.get_context("k")).value == "new"


async def test_twenty_writers_lose_no_write(make: Make) -> None:
    fabrics = [await make() for _ in range(4)]

    async def write(fabric: CacheFabric, writer: int) -> None:
        for number in range(10):
            await fabric.set_context("k", [writer, number])

    await asyncio.gather(*(write(fabrics[n % 4], n) for n in range(20)))
    found = await fabrics[0].context_history("k")
    assert [e.version for e in found] == list(range(1, 201))
    assert len({tuple(e.value) for e in found}) == 200


async def test_guarded_writers_win_once_a_version_or_get_a_conflict(make: Make) -> None:
    fabrics = [await make() for _ in range(4)]
    won: list[int] = []

    async def write(fabric: CacheFabric) -> None:
        for _ in range(10):
            current = await fabric.get_context("k")
            try:
                entry = await fabric.set_context(
                    "k", 0, if_version=current.version if current else 0
                )
            except VersionConflict as conflict:
                assert conflict.current >= conflict.expected
            else:
                won.append(entry.version)

    await asyncio.gather(*(write(fabric) for fabric in fabrics))
    assert sorted(won) == list(range(1, len(won) + 1))


async def test_concurrent_merges_keep_every_part(make: Make) -> None:
    fabrics = [await make() for _ in range(2)]
    await fabrics[0].set_context("k", {})
    await asyncio.gather(
        *(fabrics[n % 2].update_context("k", {f"key{n}": n}, merge=True) for n in range(20))
    )
    assert (await fabrics[0].get_context("k", max_staleness=0)).value == {
        f"key{n}": n for n in range(20)
    }


async def test_a_context_with_a_ttl_is_gone_after_it(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("k", "soon gone", ttl=0.05)
    while await fabric.get_context("k") is not None:
        await asyncio.sleep(0)
    assert [e.value for e in await fabric.context_history("k")] == ["soon gone"]


async def test_list_shows_what_the_owner_sees(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("router:a", 1)
    await fabric.set_context("tool:b", 1)
    await fabric.set_context("router:mine", 1, ContextScope.TENANT, tenant="acme")
    await fabric.set_context("router:ann", 1, ContextScope.USER, tenant="acme", user="ann")

    async def keys(**owner: Any) -> list[str]:
        return [entry.key for entry in await fabric.list_contexts("router:", **owner)]

    assert await keys() == ["router:a"]
    assert await keys(tenant="acme") == ["router:a", "router:mine"]
    assert await keys(tenant="acme", user="ann") == ["router:a", "router:ann", "router:mine"]
    assert await keys(tenant="globex", user="ann") == ["router:a"]


async def test_a_lookup_reports_the_levels_that_it_looked_at(make: Make) -> None:
    fabric = await make()
    await fabric.set_context("k", "wide")
    entry = await fabric.get_context("k", tenant="acme", user="ann")
    assert entry.looked_at == (ContextScope.USER, ContextScope.TENANT, ContextScope.GLOBAL)


async def test_variables_are_listed_and_filled(make: Make) -> None:
    fabric = await make()
    entry = await fabric.set_context("k", 'Hi {name}, you are {{ role }}. JSON: {"a": 1}')
    assert entry.variables == ("name", "role")
    assert entry.render(name="Ann", role="chef") == 'Hi Ann, you are chef. JSON: {"a": 1}'
    with pytest.raises(ValidationError, match="role"):
        entry.render(name="Ann")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda f: f.set_context("a\nb", 1), "key"),
        (lambda f: f.set_context("k" * 513, 1), "key"),
        (lambda f: f.get_context(""), "key"),
        (lambda f: f.get_context("k", version=0), "version"),
        (lambda f: f.get_context("k", scope="galaxy"), "scope"),
        (lambda f: f.get_context("k", scope=ContextScope.TENANT), "tenant"),
        (lambda f: f.set_context("k", float("nan")), "value"),
        (lambda f: f.set_context("k", {"a": [object()]}), "value.a[0]"),
        (lambda f: f.set_context("k", "x" * 2**20), "value"),
        (lambda f: f.set_context("k", 1, change="huge"), "change"),
        (lambda f: f.set_context("k", 1, ttl=-1), "ttl"),
        (lambda f: f.label_context("k", "7", 1), "label"),
        (lambda f: f.label_context("k", "1.5", 1), "label"),
        (lambda f: f.label_context("k", "x", 0), "version"),
    ],
)
async def test_bad_input_names_its_field(call: Any, field: str, fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError) as caught:
        await call(fabric)
    assert caught.value.field == field
    assert await fabric.list_contexts() == []


async def test_contexts_survive_a_restart_with_labels_and_history(tmp_path: Any) -> None:
    from cache_fabric import create_cache_fabric

    url = f"sqlite://{tmp_path / 'fabric.db'}"
    async with create_cache_fabric("memory", store=url) as first:
        await first.set_context("k", "one")
        await first.set_context("k", "two")
        await first.label_context("k", "staging", 1)
    async with create_cache_fabric("memory", store=url) as second:
        assert (await second.get_context("k")).value == "two"
        assert (await second.get_context("k", label="staging")).value == "one"
        assert len(await second.context_history("k")) == 2
