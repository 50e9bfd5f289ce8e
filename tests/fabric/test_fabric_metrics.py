"""``get_metrics`` over restarts, faults and windows."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from broken_stores import DeadStore
from cache_fabric import (
    CacheFabric,
    CacheOptions,
    CacheRequest,
    FabricConfig,
    Miss,
    Verified,
    create_cache_fabric,
)
from cache_fabric.errors import BackendUnavailable, ValidationError
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.types import Usage

Ask = Callable[..., CacheRequest]
Q = "How do I return an item?"
USAGE = Usage(input_tokens=1000, output_tokens=100)


def made(store: Any) -> CacheFabric:
    return create_cache_fabric("memory", store=store, prices={"m": _PRICE})


_PRICE = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}


async def use(fabric: CacheFabric, request: CacheRequest, hits: int) -> None:
    found = await fabric.lookup(request)
    if isinstance(found, Miss):
        await fabric.store(found.ticket, "By post.", usage=USAGE)
    for _ in range(hits):
        await fabric.lookup(request)


async def test_counters_survive_a_restart(tmp_path: Path) -> None:
    request = CacheRequest(model="m", messages=[{"role": "user", "content": Q}], tenant="a")
    store = f"sqlite:///{tmp_path / 'fabric.db'}"
    async with made(store) as fabric:
        await use(fabric, request, 2)
        before = await fabric.get_metrics()
    async with made(store) as fabric:
        assert (await fabric.get_metrics()) == before
        await fabric.lookup(request)
        after = await fabric.get_metrics()
        last_hour = await fabric.get_metrics("1h")
    assert (before["hits"], after["hits"], last_hour["hits"]) == (2, 3, 3)
    assert (before["cost_saved"], after["cost_saved"]) == (0.0022, 0.0033)
    assert (after["scope"], last_hour["scope"]) == ("fabric", "fabric")
    assert after["savings"]["tenant"] == last_hour["savings"]["tenant"]
    assert after["since"] is None


async def test_a_window_begins_at_a_whole_minute() -> None:
    async with made("memory") as fabric:
        for window, seconds in ((timedelta(hours=1), 3600), (90, 90), ("24h", 86_400)):
            before = time.time()
            since = (await fabric.get_metrics(window))["since"]
            assert since % 60 == 0
            assert before - seconds - 60 <= since <= time.time() - seconds


@pytest.mark.parametrize("window", ["", "15", "m", "-1m", "2d", 0, -5, True, float("nan"), "1w"])
async def test_a_window_that_is_none_is_refused(window: Any) -> None:
    async with made("memory") as fabric:
        with pytest.raises(ValidationError, match="window"):
            await fabric.get_metrics(window)


class Unreadable(MemoryStore):
    """Gives no document."""

    def __init__(self, namespace: str, hang: bool) -> None:
        super().__init__(namespace)
        self.hang = hang
        self.documents.find = self._find  # type: ignore[method-assign]

    async def _find(self, *_: Any, **__: Any) -> Any:
        if self.hang:
            await asyncio.Event().wait()
        raise BackendUnavailable("memory", "find", "is away")


@pytest.mark.parametrize("hang", [False, True])
async def test_without_the_store_the_figures_are_of_this_process(ask: Ask, hang: bool) -> None:
    fabric = create_cache_fabric("memory", store=Unreadable("default", hang))
    await use(fabric, ask(Q), 1)
    for window in (None, "5m"):
        found = await fabric.get_metrics(window)
        assert (found["scope"], found["hits"], found["misses"]) == ("process", 1, 1)
    assert (await fabric.lookup(ask(Q))).tier == "hot"  # type: ignore[union-attr]
    await fabric.aclose()


async def test_sums_that_cannot_be_written_delay_and_fail_nothing(ask: Ask) -> None:
    fabric = create_cache_fabric("memory", store=DeadStore("default"))
    await use(fabric, ask(Q), 1)
    assert (await fabric.get_metrics())["hits"] == 1
    await fabric.aclose()
    found = await fabric.get_metrics()
    assert (found["scope"], found["hits"]) == ("process", 1)


async def test_what_was_paid_and_saved_is_the_bill_of_the_same_calls_without_a_cache(
    ask: Ask,
) -> None:
    usages = [Usage(input_tokens=1000 + 37 * n, output_tokens=11 * n) for n in range(20)]
    paid = bill = 0
    async with made("memory") as fabric:
        for turn in range(200):
            n = turn * turn % 20
            request = CacheRequest(
                model="m", messages=[{"role": "user", "content": f"Question number {n}?"}]
            )
            cost = usages[n].total_tokens
            bill += cost
            found = await fabric.lookup(request)
            if hasattr(found, "ticket"):
                paid += cost
                await fabric.store(found.ticket, f"Answer {n}.", usage=usages[n])
        figures = await fabric.get_metrics()
    assert 0 < paid < bill
    assert figures["cost_spent"] == pytest.approx(paid / 1e6, abs=1e-9)
    assert figures["cost_spent"] + figures["cost_saved"] == pytest.approx(bill / 1e6, abs=1e-9)


async def test_failed_calls_are_in_no_term_of_the_hit_rate(ask: Ask) -> None:
    async with made("memory") as fabric:
        found = await fabric.lookup(ask(Q))
        await fabric.release(found.ticket)  # type: ignore[union-attr]
        assert (await fabric.get_metrics())["hit_rate"] is None
        await use(fabric, ask(Q), 1)
        figures = await fabric.get_metrics()
    assert figures["hit_rate"] == 50.0
    assert figures["requests_by_outcome"]["error"] == 1


async def test_a_call_that_only_checks_an_answer_is_overhead(ask: Ask) -> None:
    policy = Verified(max_error=0.2, reask=0.5)
    async with create_cache_fabric("memory", policy=policy, prices={"m": _PRICE}) as fabric:
        outcomes: Counter[str] = Counter()
        for n in range(40):
            question = f"How do I return the item number {n} to the shop?"
            for wording in (question, question.replace("How do I", "How can I")):
                request = CacheRequest(model="m", messages=[{"role": "user", "content": wording}])
                found = await fabric.lookup(request)
                outcomes[getattr(found, "reason", "").rpartition(", ")[2]] += 1
                if isinstance(found, Miss):
                    await fabric.store(found.ticket, f"By post {n}.", usage=USAGE)
        figures = await fabric.get_metrics()
    explored = outcomes["asked anew as a sample"]
    assert explored > 0
    assert figures["explored"] == explored
    assert figures["cost_overhead_by"]["exploration"] == pytest.approx(explored * 1100 / 1e6)
    # Nothing was saved by these: what they avoided and what they cost are the same.
    assert figures["cost_saved"] == pytest.approx(figures["hits"] * 1100 / 1e6)


async def test_a_call_that_failed_is_counted_once_however_often_it_is_given_back(ask: Ask) -> None:
    async with made("memory") as fabric:
        await use(fabric, ask(Q), 0)
        found = await fabric.lookup(ask("How do I pay?"))
        await fabric.release(found.ticket)  # type: ignore[union-attr]
        await fabric.release(found.ticket)  # type: ignore[union-attr]
        kept = await fabric.lookup(ask("Where are you?"))
        await fabric.store(kept.ticket, "Here.", usage=USAGE)  # type: ignore[union-attr]
        await fabric.release(kept.ticket)  # type: ignore[union-attr]  # as a ``finally`` does
        figures = await fabric.get_metrics()
    assert figures["requests_by_outcome"]["error"] == 1
    assert figures["requests_by_outcome"]["miss"] == 2
    assert figures["answers"]["released"] == 1


async def test_savings_are_told_by_the_graph_that_a_request_names() -> None:
    async with made("memory") as fabric:
        for graph in ("support", "sales", None):
            options = CacheOptions(graph=graph)
            asked = [{"role": "user", "content": Q}]
            await use(fabric, CacheRequest(model="m", messages=asked, options=options), 1)
        rows = {row["name"]: row for row in (await fabric.get_metrics())["savings"]["graph"]}
    assert {name: row["hits"] for name, row in rows.items()} == {
        "support": 1,  # its own, and the others share its answer: a graph is no part of the key
        "sales": 2,
        "(none)": 2,
    }


async def test_a_stale_answer_avoids_its_own_call_and_the_refresh_is_paid(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FabricConfig(
        ttl=100, ttl_jitter=0, stale_while_revalidate=100, exact_timeout=30, semantic_timeout=30
    )
    calls = 0

    def model() -> str:
        nonlocal calls
        calls += 1
        return "By post."

    prices = {ask(Q).model: _PRICE}
    async with create_cache_fabric("memory", config=config, prices=prices) as fabric:
        await fabric.get_or_call(ask(Q), model)
        await fabric.flush()
        later = time.time() + 150
        monkeypatch.setattr(time, "time", lambda: later)
        refreshing = await fabric.lookup(ask(Q))
        assert isinstance(refreshing, Miss)
        for _ in range(2):
            assert await fabric.get_or_call(ask(Q), model) == "By post."
        await fabric.store(refreshing.ticket, model())
        found = await fabric.get_metrics()
    (each,) = {row["cost_avoided"] / 2 for row in found["savings"]["model"]}
    assert (calls, found["stale"], found["hits"], found["misses"]) == (2, 2, 0, 2)
    assert found["cost_spent"] == pytest.approx(2 * each)
    assert found["cost_saved"] == pytest.approx(2 * each) != 0
