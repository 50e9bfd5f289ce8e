"""Lookup, store, release: what is served to whom."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from cache_fabric import (
    Answer,
    Bypass,
    CacheFabric,
    CacheRequest,
    ExactOnly,
    FabricConfig,
    Hit,
    Miss,
    Usage,
    create_cache_fabric,
)

Ask = Callable[..., CacheRequest]
QUESTION = "How do I return an item?"
PARAPHRASE = "How can I return an item?"


async def answered(fabric: CacheFabric, request: CacheRequest, text: str = "By post.") -> None:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, text)
    await fabric.flush()


async def test_a_stored_answer_is_a_hit_at_once(any_fabric: CacheFabric, ask: Ask) -> None:
    missed = await any_fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    await any_fabric.store(missed.ticket, {"text": "By post."})
    found = await any_fabric.lookup(ask(QUESTION))
    assert isinstance(found, Hit)
    assert (found.tier, found.similarity, found.entry.payload) == ("hot", 1.0, {"text": "By post."})


async def test_a_paraphrase_hits_by_meaning_and_says_so(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, ask(QUESTION))
    found = await any_fabric.lookup(ask(PARAPHRASE))
    assert isinstance(found, Hit)
    assert found.tier == "semantic"
    assert 0.9 < found.similarity < 1
    assert found.entry.question == QUESTION
    assert "similarity" in found.reason
    assert found.probability is None  # a threshold states none


@pytest.mark.parametrize(
    "change",
    [
        {"model": "gpt-4o"},
        {"tenant": "globex"},
        {"user": "ann"},
        {"tools": [{"name": "t"}]},
        {"params": {"temperature": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_paraphrase_never_hits_in_another_context(
    any_fabric: CacheFabric, ask: Ask, change: dict[str, Any]
) -> None:
    await answered(any_fabric, ask(QUESTION))
    for question in (QUESTION, PARAPHRASE):
        other = dataclasses.replace(ask(question), **change)
        assert isinstance(await any_fabric.lookup(other), Miss)


async def test_another_system_prompt_is_another_context(any_fabric: CacheFabric, ask: Ask) -> None:
    await answered(any_fabric, ask(QUESTION))
    assert isinstance(await any_fabric.lookup(ask(PARAPHRASE, system="You are a poet.")), Miss)


async def test_a_semantic_hit_is_not_kept_under_its_own_text(fabric: CacheFabric, ask: Ask) -> None:
    await answered(fabric, ask(QUESTION))
    for _ in range(2):
        found = await fabric.lookup(ask(PARAPHRASE))
        assert isinstance(found, Hit)
        assert found.tier == "semantic"


async def test_callers_of_one_paraphrase_share_its_semantic_hit(
    fabric: CacheFabric, ask: Ask
) -> None:
    await answered(fabric, ask(QUESTION))
    lookups = [asyncio.create_task(fabric.lookup(ask(PARAPHRASE))) for _ in range(5)]
    found = await asyncio.gather(*lookups)
    assert all(isinstance(f, Hit) and f.entry.question == QUESTION for f in found)
    assert len(fabric._life().engine.flights) == 0


async def test_a_hit_is_a_private_copy(fabric: CacheFabric, ask: Ask) -> None:
    missed = await fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, {"list": [1]})
    first = await fabric.lookup(ask(QUESTION))
    assert isinstance(first, Hit)
    first.entry.payload["list"].append(2)
    second = await fabric.lookup(ask(QUESTION))
    assert isinstance(second, Hit)
    assert second.entry.payload == {"list": [1]}


async def test_an_entry_knows_its_call(fabric: CacheFabric, ask: Ask) -> None:
    missed = await fabric.lookup(ask(QUESTION, tenant="acme"))
    assert isinstance(missed, Miss)
    usage = Usage(input_tokens=1000, output_tokens=0)
    entry_id = await fabric.store(missed.ticket, "By post.", usage=usage, latency=1.5)
    assert entry_id is not None
    entry = await fabric.get_entry(entry_id)
    assert entry is not None
    assert (entry.latency, entry.usage, entry.cost_micros) == (1.5, usage, 150)
    assert (entry.tenant, entry.model) == ("acme", "gpt-4o-mini")


async def test_an_expired_answer_is_a_miss(ask: Ask) -> None:
    fabric = create_cache_fabric("memory", ttl=0.05)
    missed = await fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "By post.")
    while isinstance(await fabric.lookup(ask(QUESTION)), Hit):
        pass
    assert isinstance(await fabric.lookup(ask(PARAPHRASE)), Miss)
    await fabric.aclose()


async def test_exact_only_never_looks_for_meaning(ask: Ask) -> None:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), embedder=_refusing)
    await answered(fabric, ask(QUESTION))
    assert isinstance(await fabric.lookup(ask(QUESTION)), Hit)
    found = await fabric.lookup(ask(PARAPHRASE))
    assert isinstance(found, Miss)
    assert found.degraded is None
    await fabric.aclose()


def _refusing(text: str) -> list[float]:
    raise AssertionError("nothing should be embedded")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(payload="x", text="Because", finish_reasons=("length",)),
        Answer(payload="x", text="", finish_reasons=("stop",)),
        Answer(payload="x", text="no", error="refusal"),
        Answer(payload="x", tool_calls=("send_mail",)),
        Answer(payload="x" * 2_000_000, text="long"),
        Answer(payload=object(), text="not plain data"),
    ],
    ids=["cut", "empty", "refused", "tool call", "too large", "object"],
)
async def test_an_answer_unfit_to_keep_is_not_kept(
    fabric: CacheFabric, ask: Ask, answer: Answer
) -> None:
    missed = await fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    assert await fabric.store(missed.ticket, answer) is None
    assert isinstance(await fabric.lookup(ask(QUESTION)), Miss)


async def test_a_tool_call_is_kept_when_the_tool_is_declared_repeatable(ask: Ask) -> None:
    config = FabricConfig(repeatable_tools=frozenset({"search"}))
    fabric = create_cache_fabric("memory", config=config)
    missed = await fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    assert await fabric.store(missed.ticket, Answer(payload="x", tool_calls=("search",)))
    await fabric.aclose()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (CacheRequest(model="m", messages=[]), "empty prompt"),
        (CacheRequest(model="m", messages=[{"role": "user", "content": "word " * 10**6}]), "over"),
        (
            CacheRequest(
                model="m", messages=[{"role": "user", "content": "q"}], params={"x": open}
            ),
            "no stable key",
        ),
        (CacheRequest(model="m", messages=[{"role": "user", "content": "\ud800"}]), "surrogate"),
    ],
    ids=["empty", "5 MB", "object", "lone surrogate"],
)
async def test_what_cannot_be_cached_is_a_counted_bypass(
    fabric: CacheFabric, request_: CacheRequest, reason: str
) -> None:
    found = await fabric.lookup(request_)
    assert isinstance(found, Bypass)
    assert reason in found.reason
    assert (await fabric.get_metrics())["bypassed"] == 1


async def test_a_value_that_raises_on_every_touch_is_a_bypass(fabric: CacheFabric) -> None:
    class Hostile(dict[str, Any]):
        def get(self, *args: Any) -> Any:
            raise RuntimeError("hostile")

    found = await fabric.lookup(CacheRequest(model="m", messages=[Hostile(role="user")]))
    assert isinstance(found, Bypass)
    assert found.reason == "unusable request: RuntimeError"


async def test_tenant_mode_refuses_to_cache_without_a_tenant(ask: Ask) -> None:
    fabric = create_cache_fabric("memory", config=FabricConfig(require_tenant=True))
    assert isinstance(await fabric.lookup(ask(QUESTION)), Bypass)
    assert await fabric.store(ask(QUESTION), "By post.") is None
    assert isinstance(await fabric.lookup(ask(QUESTION, tenant="acme")), Miss)
    await fabric.aclose()


async def test_clear_forgets_answers_and_keeps_contexts(any_fabric: CacheFabric, ask: Ask) -> None:
    await any_fabric.set_context("k", "v")
    await answered(any_fabric, ask(QUESTION))
    assert await any_fabric.clear() == 1
    assert isinstance(await any_fabric.lookup(ask(QUESTION)), Miss)
    assert isinstance(await any_fabric.lookup(ask(PARAPHRASE)), Miss)
    assert (await any_fabric.get_context("k")).value == "v"


async def test_an_answer_begun_before_a_clear_is_not_kept_after_it(
    fabric: CacheFabric, ask: Ask
) -> None:
    missed = await fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    await fabric.clear()
    await fabric.store(missed.ticket, "old")
    await fabric.flush()
    assert (await fabric.inspect()).answers == {}


async def test_get_or_call_calls_once_and_passes_errors_on(fabric: CacheFabric, ask: Ask) -> None:
    async def fail() -> str:
        raise ConnectionError("the provider is down")

    async def answer() -> str:
        return "By post."

    with pytest.raises(ConnectionError):
        await fabric.get_or_call(ask(QUESTION), fail)
    assert await fabric.get_or_call(ask(QUESTION), answer) == "By post."
    assert await fabric.get_or_call(ask(QUESTION), fail) == "By post."


async def test_search_finds_answers_and_contexts_nearest_first(
    any_fabric: CacheFabric, ask: Ask
) -> None:
    await answered(any_fabric, ask(QUESTION))
    await any_fabric.set_context("tool:weather:definition", {"description": "weather by city"})
    items = await any_fabric.search_similar(PARAPHRASE)
    assert [item["metadata"]["type"] for item in items] == ["answer", "context"]
    assert items[0]["value"] == "By post."
    assert items[0]["similarity"] > items[1]["similarity"]
    assert len(await any_fabric.search_similar(PARAPHRASE, limit=1)) == 1


async def test_search_shows_no_other_tenants_answers_or_contexts(
    fabric: CacheFabric, ask: Ask
) -> None:
    from cache_fabric import ContextScope

    await answered(fabric, ask(QUESTION, tenant="acme"))
    await fabric.set_context("secret", QUESTION, ContextScope.TENANT, tenant="acme")
    assert await fabric.search_similar(QUESTION) == []
    assert await fabric.search_similar(QUESTION, tenant="globex") == []
    assert len(await fabric.search_similar(QUESTION, tenant="acme")) == 2
