"""``/v1/events``, the figures over time, the fleet and the system."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import httpx_sse
import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Miss, create_cache_fabric
from cache_fabric.web import create_app
from cache_fabric.web import hub as hubs
from cache_fabric.web.hub import Hub
from cache_fabric.web.streams import Told
from web_server import serving

Events = AsyncIterator[httpx_sse.ServerSentEvent]
CANARY = "canary question"


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", config=FabricConfig(agent="desk"))
    yield fabric
    fabric.sync.close()


def asked(text: str = CANARY) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}])


@contextlib.asynccontextmanager
async def listening(url: str, last: str | None = None) -> AsyncIterator[Events]:
    """Listen to a server, from now on or after an event."""
    headers = {} if last is None else {"last-event-id": last}
    async with (
        httpx.AsyncClient(timeout=30) as http,
        httpx_sse.aconnect_sse(http, "GET", f"{url}/v1/events", headers=headers) as source,
    ):
        yield source.aiter_sse()


async def until(events: Events, kind: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Return id and data of the next event of a kind with these fields."""
    async for event in events:
        data = json.loads(event.data)
        if event.event == kind and fields.items() <= data.items():
            return event.id, data
    pytest.fail("the stream ended")


async def test_what_happens_is_told_once_it_is_listened_to(fabric: CacheFabric) -> None:
    run = asyncio.to_thread
    with serving(create_app(fabric)) as url:
        async with listening(url) as events:
            await until(events, "fleet")
            miss = await run(fabric.sync.lookup, asked())
            assert isinstance(miss, Miss)
            _, lookup = await until(events, "lookup", outcome="miss")
            assert (lookup["lookup_id"], lookup["model"]) == (miss.lookup_id, "m")
            entry_id = await run(fabric.sync.store, miss.ticket, "In Berne.")
            assert (await until(events, "store"))[1]["entry_id"] == entry_id
            await run(fabric.sync.set_context, "router:risk", "v1")
            assert (await until(events, "change"))[1]["key"] == "router:risk"
            await run(fabric.sync.track_execution, "run-1", "g", {"input": CANARY})
            await run(fabric.sync.flush)
            await until(events, "execution", outcome="kept", execution_id="run-1")
            await run(fabric.sync.record_feedback, "run-1", {"user_rating": 5, "comment": CANARY})
            await until(events, "feedback", verdict="good")
            await run(fabric.sync.flush)
            assert entry_id is not None
            await run(fabric.sync.retire_answer, entry_id)
            await until(events, "verdict", action="quarantined", entry_id=entry_id)
            await until(events, "metrics", misses=1)


async def test_a_listener_comes_back_to_where_it_was(fabric: CacheFabric) -> None:
    with serving(create_app(fabric)) as url:
        async with listening(url) as events:
            await until(events, "fleet")
            await fabric.lookup(asked("one"))
            place, first = await until(events, "lookup")
        second = await fabric.lookup(asked("two"))
        assert isinstance(second, Miss)
        async with listening(url, place) as events:
            _, data = await until(events, "lookup")
    assert first["lookup_id"] != data["lookup_id"] == second.lookup_id


@pytest.mark.parametrize("content", [False, True])
async def test_questions_are_told_only_with_leave(fabric: CacheFabric, content: bool) -> None:
    with serving(create_app(fabric, content=content)) as url:
        async with listening(url) as events:
            await until(events, "fleet")
            await fabric.lookup(asked())
            _, data = await until(events, "lookup")
    assert data.get("question") == (CANARY if content else None)
    assert (CANARY in json.dumps(data)) is content


@pytest.fixture
def hub(fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch) -> Hub:
    async def look_at_nothing(_: Hub) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Hub, "_look", look_at_nothing)
    return Hub(fabric)


async def heard(hub: Hub, after: int | None, count: int) -> list[Told]:
    found: list[Told] = []
    row = hub.listen(after)
    async for told in row:
        found.append(told)
        if len(found) == count:
            break
    await row.aclose()
    return found


async def test_others_can_tell_of_what_they_do(hub: Hub) -> None:
    hub.tell("demo", {"step": 1})
    place = hub._head
    hub.tell("demo", {"step": 2})
    [told] = await heard(hub, place, 1)
    assert (told.event, told.data["step"]) == ("demo", 2)
    assert told.id is not None
    assert told.id > place


async def test_who_was_away_for_too_long_is_told(hub: Hub) -> None:
    hub.tell("demo", {"step": 0})
    place = hub._head
    for step in range(1, hubs._KEPT + 2):
        hub.tell("demo", {"step": step})
    [told] = await heard(hub, place, 1)
    assert (told.event, told.id) == ("resync", hub._head)


@pytest.mark.parametrize("place", [0, 7, 2**52])
async def test_a_place_of_another_server_is_told(hub: Hub, place: int) -> None:
    assert (await heard(hub, place, 1))[0].event == "resync"
    hub.tell("demo", {})
    assert (await heard(hub, place, 1))[0].event == "resync"


async def test_nothing_is_heard_before_somebody_listens(fabric: CacheFabric) -> None:
    hooks = fabric._hooks.all()
    app = create_app(fabric)
    assert fabric._hooks.all() == hooks
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get("/v1/metrics")).status_code == 200
    assert fabric._hooks.all() == hooks


async def test_the_system_the_fleet_and_the_series_are_told(fabric: CacheFabric) -> None:
    transport = httpx.ASGITransport(app=create_app(fabric))
    await fabric.set_context("k", 1)
    await fabric.lookup(asked())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        system = (await http.get("/v1/system")).json()
        assert system["backends"]["store"] == "memory"
        assert system["backends"]["left_alone"] == []
        assert system["backends"]["age"] >= 0
        assert (system["standing"]["revision"], system["standing"]["connected"]) == (1, True)
        async with asyncio.timeout(30):
            while not (agents := (await http.get("/v1/fleet")).json()["items"]):
                await asyncio.sleep(0.01)
        assert [agent["name"] for agent in agents] == ["desk"]
        series = (await http.get("/v1/metrics/series?window=15m")).json()["items"]
        assert sum(row["misses"] for row in series) == 1
