"""Contexts over HTTP: entity tags, compare-and-set, versions, bundles, snapshot and the watch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx_sse
import pytest

from cache_fabric import CacheFabric, ContextScope, create_cache_fabric
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.web import create_app, streams
from web_server import serving

KEY = "prompt:folder/versions"
PATH = "/v1/contexts/prompt:folder%2Fversions"


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory") as fabric:
        yield fabric


@pytest.fixture
async def http(fabric: CacheFabric) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(fabric))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def test_a_key_with_a_slash_is_one_key(fabric: CacheFabric, http: httpx.AsyncClient) -> None:
    assert (await http.put(PATH, json={"value": "v1"})).status_code == 201
    assert (await fabric.get_context(KEY)).value == "v1"
    assert (await http.get(PATH)).json()["key"] == KEY
    assert [one["version"] for one in (await http.get(f"{PATH}/versions")).json()["items"]] == [1]


async def test_what_is_current_is_not_sent_again(http: httpx.AsyncClient) -> None:
    await http.put(PATH, json={"value": "v1"})
    first = await http.get(PATH)
    again = await http.get(PATH, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    await http.put(PATH, json={"value": "v2"})
    changed = await http.get(PATH, headers={"if-none-match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["value"]) == (200, "v2")


@pytest.mark.parametrize(("query", "version"), [("", 2), ("?version=1", 1)])
async def test_a_label_that_moved_is_sent_again(
    http: httpx.AsyncClient, query: str, version: int
) -> None:
    await http.put(PATH, json={"value": "v1"})
    await http.put(PATH, json={"value": "v2"})
    first = await http.get(PATH + query)
    await http.put(f"{PATH}/labels/staging", json={"version": version})
    changed = await http.get(PATH + query, headers={"if-none-match": first.headers["etag"]})
    assert (changed.status_code, changed.json()["labels"]) == (200, ["staging"])


async def test_of_two_writers_of_one_version_one_loses_and_sees_what_won(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    tag = (await http.put(PATH, json={"value": "v1"})).headers["etag"]
    said = await asyncio.gather(
        *(http.put(PATH, json={"value": n}, headers={"if-match": tag}) for n in range(8))
    )
    won = [one for one in said if one.status_code == 200]
    lost = [one for one in said if one.status_code == 412]
    assert (len(won), len(lost)) == (1, 7)
    for one in lost:
        assert one.json()["current"] == won[0].json()
        assert one.headers["etag"] == won[0].headers["etag"]
    assert (await fabric.get_context(KEY)).version == 2


async def test_a_key_that_must_not_exist_is_made_once(http: httpx.AsyncClient) -> None:
    new = {"if-none-match": "*"}
    assert (await http.put(PATH, json={"value": 1}, headers=new)).status_code == 201
    lost = await http.put(PATH, json={"value": 2}, headers=new)
    assert (lost.status_code, lost.json()["current"]["value"]) == (412, 1)


@pytest.mark.parametrize("header", [{"if-match": "*"}, {"if-match": "3"}, {"if-none-match": '"1"'}])
async def test_a_condition_that_cannot_be_kept_writes_nothing(
    fabric: CacheFabric, http: httpx.AsyncClient, header: dict[str, str]
) -> None:
    said = await http.put(PATH, json={"value": 1}, headers=header)
    assert said.status_code == 422
    assert await fabric.list_contexts() == []


async def test_a_delete_leaves_the_history(http: httpx.AsyncClient) -> None:
    tag = (await http.put(PATH, json={"value": "v1"})).headers["etag"]
    await http.put(PATH, json={"value": "v2"})
    assert (await http.delete(PATH, headers={"if-match": tag})).status_code == 412
    assert (await http.delete(PATH)).json()["deleted"] is True
    assert (await http.get(PATH)).status_code == 404
    history = (await http.get(f"{PATH}/versions")).json()["items"]
    assert [one["deleted"] for one in history] == [False, False, True]
    assert (await http.delete(PATH)).status_code == 404


async def test_scopes_are_read_from_narrow_to_wide(http: httpx.AsyncClient) -> None:
    await http.put(PATH, json={"value": "all"})
    await http.put(f"{PATH}?scope=tenant&tenant=acme", json={"value": "acme"})
    assert (await http.get(f"{PATH}?tenant=acme")).json()["value"] == "acme"
    assert (await http.get(f"{PATH}?tenant=other")).json()["value"] == "all"
    assert (await http.get(f"{PATH}?tenant=acme&scope=global")).json()["value"] == "all"
    refused = await http.put(f"{PATH}?scope=tenant", json={"value": 1})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "tenant")


async def test_a_version_comes_back_with_its_behaviour(http: httpx.AsyncClient) -> None:
    await http.put(PATH, json={"value": "one\ntwo"})
    await http.put(PATH, json={"value": "one\n2", "change": "breaking", "author": "ann"})
    diff = (await http.get(f"{PATH}/diff?a=1&b=2")).json()["diff"]
    assert diff.splitlines()[-2:] == ["-two", "+2"]
    back = (await http.post(f"{PATH}/rollback", json={"version": 1})).json()
    assert (back["value"], back["version"], back["behaviour"]) == ("one\ntwo", 3, 1)
    assert (await http.post(f"{PATH}/rollback", json={"version": 9})).status_code == 404


async def test_production_moves_only_on_purpose(http: httpx.AsyncClient) -> None:
    for value in (1, 2):
        await http.put(PATH, json={"value": value})
    label = f"{PATH}/labels/production"
    assert (await http.put(label, json={"version": 1})).status_code == 200
    assert (await http.put(label, json={"version": 2})).status_code == 422
    assert (await http.put(label, json={"version": 2, "if_version": 2})).status_code == 412
    assert (await http.put(label, json={"version": 2, "if_version": 1})).status_code == 200
    assert (await http.get(f"{PATH}?label=production")).json()["value"] == 2


async def test_a_bundle_is_visible_at_one_revision_or_not_at_all(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    changes: list[dict[str, Any]] = [
        {"op": "set", "key": "a", "value": 1},
        {"op": "set", "key": "b", "value": 2, "metadata": {"file": "x.yaml"}},
        {"op": "label", "key": "a", "label": "production", "version": 1},
    ]
    said = (await http.post("/v1/bundles", json={"changes": changes, "message": "first"})).json()
    assert {one["revision"] for one in said["items"]} == {said["revision"]}
    bad = [{"op": "set", "key": "a", "value": 5}, {"op": "set", "key": "b", "value": 5}]
    lost = await http.post("/v1/bundles", json={"changes": [bad[0], {**bad[1], "if_version": 7}]})
    assert lost.status_code == 412
    assert [entry.value for entry in await fabric.list_contexts()] == [1, 2]
    unknown = await http.post("/v1/bundles", json={"changes": [{"op": "burn", "key": "a"}]})
    assert unknown.status_code == 422


async def test_a_snapshot_has_each_key_once_as_its_owner_sees_it(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    await fabric.set_context("a", "all")
    await fabric.set_context("a", "acme", ContextScope.TENANT, tenant="acme")
    last = await fabric.set_context("b", "all")
    seen = (await http.get("/v1/snapshot?tenant=acme")).json()
    assert {one["key"]: one["value"] for one in seen["items"]} == {"a": "acme", "b": "all"}
    assert (seen["revision"], seen["stale"]) == (last.revision, False)
    others = (await http.get("/v1/snapshot?prefix=a")).json()
    assert {one["key"]: one["value"] for one in others["items"]} == {"a": "all"}


async def events(
    url: str, count: int, headers: dict[str, str] | None = None
) -> list[httpx_sse.ServerSentEvent]:
    """Return the first events of a stream."""
    found: list[httpx_sse.ServerSentEvent] = []
    async with (
        httpx.AsyncClient(timeout=20) as http,
        httpx_sse.aconnect_sse(http, "GET", url, headers=headers or {}) as source,
    ):
        async for event in source.aiter_sse():
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_a_watch_is_resumed_where_it_was_left() -> None:
    with create_cache_fabric("memory").sync as fabric, serving(create_app(fabric._fabric)) as url:
        start = fabric.set_context("a", 0).revision
        with fabric.publish() as bundle:
            bundle.set_context("a", 1)
            bundle.set_context("b", 1)
        fabric.set_context("c", 1)
        seen = await events(f"{url}/v1/watch?after={start}", 3)
        assert [event.event for event in seen] == ["change"] * 3
        told = [json.loads(event.data) for event in seen]
        assert [(one["key"], one["last"]) for one in told] == [
            *(("a", False), ("b", True)),
            ("c", True),
        ]
        # In the middle of a bundle nobody may resume: only its last change has an id.
        assert [event.id for event in seen] == ["", str(start + 1), str(start + 2)]
        again = await events(f"{url}/v1/watch?after=0", 1, {"last-event-id": seen[1].id})
        assert json.loads(again[0].data)["key"] == "c"


async def test_a_watch_from_now_on_says_where_it_begins() -> None:
    with create_cache_fabric("memory").sync as fabric, serving(create_app(fabric._fabric)) as url:
        revision = fabric.set_context("a", 0).revision
        following = asyncio.create_task(events(f"{url}/v1/watch?prefix=a", 2))
        while not following.done():  # until one of them comes after the beginning
            fabric.set_context("b", 1)
            last = fabric.set_context("a", 1)
            await asyncio.wait([following], timeout=0.05)
        begin, change = following.result()
        assert begin.event == "begin"
        assert revision <= json.loads(begin.data)["revision"] == int(begin.id)
        assert json.loads(change.data)["key"] == "a"
        assert int(begin.id) < int(change.id) <= last.revision


async def test_who_was_away_too_long_is_told_to_start_anew() -> None:
    store = MemoryStore("default", log_limit=3)
    with (
        create_cache_fabric("memory", store=store).sync as fabric,
        serving(create_app(fabric._fabric)) as url,
    ):
        for value in range(9):
            last = fabric.set_context("a", value)
        [missed] = await events(f"{url}/v1/watch", 1, {"last-event-id": "1"})
        assert (missed.event, missed.id) == ("resync", str(last.revision))
        [ahead] = await events(f"{url}/v1/watch?after=99", 1)
        assert ahead.event == "resync"


async def test_a_quiet_watch_says_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT", 0.05)
    with create_cache_fabric("memory").sync as fabric, serving(create_app(fabric._fabric)) as url:
        async with (
            httpx.AsyncClient(timeout=20) as http,
            http.stream("GET", f"{url}/v1/watch?after=0") as said,
        ):
            async for line in said.aiter_lines():
                if line.startswith(":"):
                    break
            else:
                pytest.fail("the stream ended")


@pytest.mark.parametrize("seen", ["-1", "x", "9" * 30, "²"])
async def test_a_place_that_is_none_is_refused(http: httpx.AsyncClient, seen: str) -> None:
    said = await http.get("/v1/watch", headers={b"last-event-id": seen.encode()})
    assert (said.status_code, said.json()["error"]["field"]) == (422, "Last-Event-ID")
