"""Answers, executions, feedback and figures over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.web import create_app, open_lookups
from web_server import serving

CALL = {"model": "m", "messages": [{"role": "user", "content": "How do I reset my password?"}]}
LEASE = 10.0  # seconds; with nobody in the way it takes some milliseconds
ANSWER = {"choices": [{"message": {"content": "Click on 'forgot'."}}]}


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory") as fabric:
        yield fabric


@pytest.fixture
async def http(fabric: CacheFabric) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=create_app(fabric))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        yield http


async def looked_up(http: httpx.AsyncClient, call: dict[str, Any] = CALL) -> dict[str, Any]:
    said = await http.post("/v1/answers/lookup", json=call)
    assert said.status_code == 200, said.text
    found: dict[str, Any] = said.json()
    return found


async def stored(http: httpx.AsyncClient, ticket: str, **more: Any) -> httpx.Response:
    return await http.post("/v1/answers/store", json={"ticket": ticket, "response": ANSWER, **more})


async def test_an_answer_that_was_stored_is_served(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    miss = await looked_up(http)
    assert miss["outcome"] == "miss"
    usage = {"input_tokens": 12, "output_tokens": 5}
    kept = (await stored(http, miss["ticket"], usage=usage, latency=0.5)).json()
    hit = await looked_up(http)
    assert (hit["outcome"], hit["tier"], hit["similarity"]) == ("hit", "hot", 1.0)
    assert (hit["answer"]["payload"], hit["answer"]["id"]) == (ANSWER, kept["id"])
    assert hit["answer"]["usage"]["input_tokens"] == 12
    assert hit["answer"]["latency"] == 0.5
    figures = (await http.get("/v1/metrics")).json()
    assert (figures["hits"], figures["misses"]) == (1, 1)


async def test_a_call_that_is_not_for_the_cache_is_a_bypass(http: httpx.AsyncClient) -> None:
    call = {**CALL, "options": {"no_store": True}}
    assert (await looked_up(http, call))["outcome"] == "bypass"


async def wait_for_followers(fabric: CacheFabric, count: int) -> None:
    """Return when so many callers wait for another one's answer."""
    flights = fabric._life().engine.flights._flights
    async with asyncio.timeout(30):
        while sum(len(flight.waiters) for flight in flights.values()) < count:
            await asyncio.sleep(0.001)


async def test_identical_misses_make_one_call(fabric: CacheFabric, http: httpx.AsyncClient) -> None:
    miss = await looked_up(http)
    waiting = [asyncio.create_task(looked_up(http)) for _ in range(5)]
    await wait_for_followers(fabric, 5)
    await stored(http, miss["ticket"])
    assert {(await one)["tier"] for one in waiting} == {"flight"}


async def test_a_call_that_failed_passes_to_who_waits(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    miss = await looked_up(http)
    waiting = asyncio.create_task(looked_up(http))
    await wait_for_followers(fabric, 1)
    gave_up = await http.post("/v1/answers/release", json={"ticket": miss["ticket"]})
    assert (gave_up.status_code, gave_up.content) == (204, b"")
    assert (await waiting)["outcome"] == "miss"


async def test_who_left_while_waiting_keeps_nobody_waiting(fabric: CacheFabric) -> None:
    with serving(create_app(fabric)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            miss = await looked_up(http)
            leaving = asyncio.create_task(looked_up(http))
            await wait_for_followers(fabric, 1)
            waiting = asyncio.create_task(looked_up(http))
            await wait_for_followers(fabric, 2)
            leaving.cancel()
            await asyncio.wait([leaving])
            await http.post("/v1/answers/release", json={"ticket": miss["ticket"]})
            began = time.monotonic()
            assert (await waiting)["outcome"] == "miss"
            assert time.monotonic() - began < LEASE


async def test_a_ticket_is_good_for_one_answer(http: httpx.AsyncClient) -> None:
    miss = await looked_up(http)
    assert (await stored(http, miss["ticket"])).status_code == 200
    assert (await stored(http, miss["ticket"])).status_code == 404
    assert (await stored(http, "made-up")).status_code == 404


async def test_tickets_of_callers_who_never_came_back_are_bounded(
    fabric: CacheFabric, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_lookups, "_MOST", 2)
    calls = [{**CALL, "model": f"m{number}"} for number in range(4)]
    tickets = [(await looked_up(http, call))["ticket"] for call in calls]
    assert [(await stored(http, one)).status_code for one in tickets] == [404, 404, 200, 200]


async def test_tenants_never_share_an_answer(http: httpx.AsyncClient) -> None:
    miss = await looked_up(http, {**CALL, "tenant": "acme"})
    await stored(http, miss["ticket"])
    assert (await looked_up(http, {**CALL, "tenant": "acme"}))["outcome"] == "hit"
    assert (await looked_up(http, {**CALL, "tenant": "other"}))["outcome"] == "miss"
    assert (await looked_up(http))["outcome"] == "miss"


async def test_an_answer_is_taken_back_and_brought_back(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    kept = (await stored(http, (await looked_up(http))["ticket"])).json()["id"]
    await fabric.flush()
    one = f"/v1/answers/{kept}"
    retired = await http.post(f"{one}/retire", json={"by": "ann", "why": "wrong"})
    assert retired.json()["action"] == "quarantined"
    quarantined = (await http.get("/v1/answers?state=quarantined")).json()["items"]
    assert [answer["id"] for answer in quarantined] == [kept]
    assert (await http.get("/v1/answers")).json()["items"] == []
    again = await looked_up(http)
    assert again["outcome"] == "miss"
    await http.post("/v1/answers/release", json={"ticket": again["ticket"]})
    await http.post(f"{one}/restore", json={})
    assert (await looked_up(http))["answer"]["id"] == kept
    assert (await http.post(f"{one}/pin", json={"why": "house rule"})).json()["action"] == "pinned"
    assert (await http.get(one)).json()["payload"] == ANSWER
    assert (await http.post("/v1/answers/none/retire", json={})).status_code == 404


async def test_a_lookup_and_an_answer_are_explained(
    fabric: CacheFabric, http: httpx.AsyncClient
) -> None:
    kept = (await stored(http, (await looked_up(http))["ticket"])).json()["id"]
    await fabric.flush()
    hit = await looked_up(http)
    lookup = (await http.get(f"/v1/explain/{hit['lookup_id']}")).json()
    assert (lookup["outcome"], lookup["entry_id"], lookup["question"]) == ("hit", kept, None)
    answer = (await http.get(f"/v1/explain/{kept}?texts=true")).json()
    assert (answer["state"], answer["question"]) == ("active", "How do I reset my password?")
    assert (await http.get("/v1/explain/none")).status_code == 404


async def test_invalidating_needs_a_name(fabric: CacheFabric, http: httpx.AsyncClient) -> None:
    await stored(http, (await looked_up(http))["ticket"])
    await fabric.flush()
    assert (await http.post("/v1/answers/invalidate", json={})).status_code == 422
    counted = await http.post("/v1/answers/invalidate", json={"model": "m", "dry_run": True})
    assert counted.json() == {"count": 1, "dry_run": True, "revision": None}
    assert (await http.post("/v1/answers/invalidate", json={"model": "m"})).json()["count"] == 1
    assert (await looked_up(http))["outcome"] == "miss"


@pytest.mark.parametrize(("durable", "status"), [(True, 200), (False, 202)])
async def test_a_run_is_handed_in_and_found(
    http: httpx.AsyncClient, durable: bool, status: int
) -> None:
    run = {"graph_name": "support", "state": {"input": "Where is it?"}, "durable": durable}
    said = await http.put("/v1/executions/run-1", json=run)
    assert said.status_code == status
    assert said.json()["durability"] == ("memory" if durable else None)
    await http.post("/v1/feedback", json={"execution_id": "run-1", "user_rating": 1})
    read = (await http.get("/v1/executions/run-1")).json()
    assert (read["state"]["input"], read["feedback"][0]["verdict"]) == ("Where is it?", "bad")
    found = (await http.post("/v1/executions/search", json={"text": "where"})).json()
    assert [one["execution_id"] for one in found["items"]] == ["run-1"]
    said_of_it = (await http.get("/v1/feedback?execution_id=run-1&verdict=bad")).json()
    assert [one["data"] for one in said_of_it["items"]] == [{"user_rating": 1}]


async def test_runs_are_found_a_page_at_a_time(http: httpx.AsyncClient) -> None:
    for number in range(5):
        run = {"graph_name": "g", "state": {}, "durable": True}
        await http.put(f"/v1/executions/run-{number}", json=run)
    seen, cursor = [], None
    while True:
        page = (
            await http.post("/v1/executions/search", json={"limit": 2, "cursor": cursor})
        ).json()
        seen += [one["execution_id"] for one in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert sorted(seen) == [f"run-{number}" for number in range(5)]


@pytest.mark.parametrize("sought", ["*", "|", ")", "@tenant:{x}", "' OR 1=1", "run-%"])
async def test_what_is_sought_is_only_words(http: httpx.AsyncClient, sought: str) -> None:
    run = {"graph_name": "g", "state": {"input": "hello"}, "durable": True}
    await http.put("/v1/executions/run-1", json=run)
    for filters in ({"graph": sought}, {"tenant": sought}, {"tag": sought}):
        said = await http.post("/v1/executions/search", json=filters)
        assert (said.status_code, said.json()["items"]) == (200, [])


async def test_what_is_near_a_text_is_found(fabric: CacheFabric, http: httpx.AsyncClient) -> None:
    await stored(http, (await looked_up(http))["ticket"])
    await fabric.flush()
    near = (await http.post("/v1/similar", json={"query": "reset a password", "limit": 1})).json()
    assert near["items"][0]["metadata"]["question"] == "How do I reset my password?"


async def test_the_server_says_whether_its_store_answers(
    fabric: CacheFabric, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await http.get("/readyz")).json() == {"status": "ready"}
    fabric._life().contexts.live.freshness.connected = False
    away = await http.get("/readyz")
    assert (away.status_code, away.json()) == (503, {"status": "away"})
    assert (await http.get("/healthz")).status_code == 200


async def test_figures_of_a_window(http: httpx.AsyncClient) -> None:
    await looked_up(http)
    assert (await http.get("/v1/metrics?window=15m")).json()["misses"] == 1
    assert (await http.get("/v1/metrics?window=soon")).status_code == 422
