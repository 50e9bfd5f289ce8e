"""What the cache saved is never what was spent, and a hit is known by our mark alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import (
    adispatch_custom_event,
    dispatch_custom_event,
    get_usage_metadata_callback,
)
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.langchain import FabricCache, cached
from langchain_host.executions import COST, PRICES, Tracked, everything, steps

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat, CountingLLM

MakeChat = Callable[..., "CountingChat"]


@pytest.fixture
def exact() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", policy=ExactOnly(), prices=PRICES)
    yield fabric
    fabric.sync.close()


@pytest.fixture
def tracked(exact: CacheFabric) -> Tracked:
    return Tracked(exact)


def test_a_miss_is_spend_and_a_hit_is_saved(make_chat: MakeChat, tracked: Tracked) -> None:
    chat = make_chat()
    config, first = tracked.config()
    chat.invoke("capital?", config)
    config, second = tracked.config()
    chat.invoke("capital?", config)
    missed, hit = tracked.state(first), tracked.state(second)
    assert (missed["hits"], missed["misses"]) == (0, 1)
    assert missed["tokens"]["total"] == 5
    assert missed["cost"] == pytest.approx(COST)
    assert missed["saved_tokens"] == 0
    assert missed["saved_cost"] == 0
    made = steps(missed, "model")[0]["cache"]
    assert (made["outcome"], made["reason"]) == ("miss", "not found")
    assert (hit["hits"], hit["misses"]) == (1, 0)
    assert hit["tokens"]["total"] == 0
    assert hit["cost"] == 0
    assert hit["saved_tokens"] == 5
    assert hit["saved_cost"] == pytest.approx(COST)
    cache = steps(hit, "model")[0]["cache"]
    assert (cache["outcome"], cache["tier"], cache["similarity"]) == ("hit", "hot", 1.0)
    assert cache["entry_id"] == made["entry_id"] == tracked.fabric.sync.list_answers()[0].id
    assert steps(hit, "model")[0]["tokens"] is None
    assert steps(hit, "model")[0]["cost"] is None


async def test_it_is_the_same_in_a_loop(make_chat: MakeChat, tracked: Tracked) -> None:
    chat = make_chat()
    outcomes = []
    for _ in range(2):
        config, run_id = tracked.config()
        await chat.ainvoke("capital?", config)
        outcomes.append(steps(tracked.state(run_id), "model")[0]["cache"]["outcome"])
    assert outcomes == ["miss", "hit"]


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
async def test_a_wrapped_model_tells_its_misses_too(
    make_chat: MakeChat, tracked: Tracked, way: str
) -> None:
    model = cached(make_chat(), tracked.fabric)
    outcomes = []
    for _ in range(2):
        config, run_id = tracked.config()
        if way == "invoke":
            model.invoke("capital?", config)
        elif way == "stream":
            list(model.stream("capital?", config))
        elif way == "ainvoke":
            await model.ainvoke("capital?", config)
        else:
            [_ async for _ in model.astream("capital?", config)]
        state = tracked.state(run_id)
        outcomes.append((steps(state, "model")[0]["cache"]["outcome"], state["tokens"]["total"]))
    assert outcomes == [("miss", 5), ("hit", 0)]


def test_a_collector_of_usage_counts_hits_as_spend_and_we_do_not(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    chat = make_chat()
    with get_usage_metadata_callback() as usage:
        for _ in range(3):
            config, _ = tracked.config()
            chat.invoke("capital?", config)
    assert usage.usage_metadata["fake-1"]["total_tokens"] == 15
    states = [execution.state for execution in everything(tracked.fabric)]
    assert sum(state["tokens"]["total"] for state in states) == 5
    assert sum(state["saved_tokens"] for state in states) == 10


def test_no_outcome_where_no_fabric_looked(make_chat: MakeChat, tracked: Tracked) -> None:
    chat = make_chat(cache=False)
    make_chat().invoke("another", tracked.config()[0])  # leaves an asking behind in this context
    config, run_id = tracked.config()
    chat.invoke("capital?", config)
    state = tracked.state(run_id)
    assert steps(state, "model")[0]["cache"] is None
    assert (state["hits"], state["misses"]) == (0, 0)
    assert state["cost"] == pytest.approx(COST)


def test_a_hit_of_another_cache_is_no_hit_of_ours(make_chat: MakeChat, tracked: Tracked) -> None:
    chat = make_chat(cache=InMemoryCache())
    for _ in range(2):
        config, run_id = tracked.config()
        chat.invoke("capital?", config)
    assert chat.calls == 1
    assert steps(tracked.state(run_id), "model")[0]["cache"] is None


def test_a_call_that_the_cache_does_not_take_says_why(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    config, run_id = tracked.config()
    make_chat().invoke("x" * 400_000, config)
    cache = steps(tracked.state(run_id), "model")[0]["cache"]
    assert cache["outcome"] == "bypass"
    assert "bytes" in cache["reason"]


def test_several_prompts_in_one_call_are_not_taken_for_each_other(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    chat = make_chat()
    chat.invoke("one")
    chat.generate(
        [chat._convert_input(text).to_messages() for text in ("one", "two")],
        callbacks=[tracked.handler],
    )
    caches = {
        execution.state["input"][0]["content"]: execution.state["steps"][0]["cache"]
        for execution in everything(tracked.fabric)
    }
    assert caches["one"]["outcome"] == "hit"
    assert caches["two"] is None


def test_langchain_says_nothing_of_a_cached_completion(
    make_llm: Callable[..., CountingLLM], tracked: Tracked
) -> None:
    llm = make_llm()
    for _ in range(2):
        llm.invoke("once", tracked.config()[0])
    assert llm.prompts == ["once"]
    only = tracked.only()
    assert only.state["steps"][0]["cache"] is None
    assert only.state["output"] == "re: once"


def test_a_model_without_a_price_has_no_cost(make_chat: MakeChat, tracked: Tracked) -> None:
    config, run_id = tracked.config()
    make_chat(model="nobody-knows", reply=lambda _: usage("nobody-knows")).invoke("?", config)
    state = tracked.state(run_id)
    assert state["tokens"]["total"] == 5
    assert state["cost"] is None


def test_a_deployment_is_priced_by_the_model_that_answered(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    config, run_id = tracked.config()
    make_chat(model="our-deployment", reply=lambda _: usage("fake-1")).invoke("?", config)
    assert tracked.state(run_id)["cost"] == pytest.approx(COST)


def usage(model: str) -> AIMessage:
    return AIMessage(
        "Paris.",
        response_metadata={"model_name": model},
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    )


def test_a_hit_without_usage_saved_what_its_call_is_estimated_to_have_taken(
    make_chat: MakeChat, tracked: Tracked
) -> None:
    chat = make_chat(reply=lambda _: AIMessage("Paris."))
    states = []
    for _ in range(2):
        config, run_id = tracked.config()
        chat.invoke("capital?", config)
        states.append(tracked.state(run_id))
    miss, hit = states
    assert (miss["misses"], hit["hits"]) == (1, 1)
    assert miss["tokens"]["estimated"]
    assert 5 < miss["tokens"]["total"] == hit["saved_tokens"] < 30
    assert miss["cost"] == hit["saved_cost"] > 0


MIDDLEWARE_HIT = {
    "outcome": "hit",
    "kind": "model",
    "model": "fake-1",
    "tier": "semantic",
    "similarity": 0.93,
    "entry_id": "abc.1",
    "saved_cost": 0.25,
}


def test_a_hit_of_the_middleware_is_a_step(tracked: Tracked) -> None:
    def node(question: str) -> str:
        dispatch_custom_event("cache_fabric", MIDDLEWARE_HIT)
        return "Paris."

    config, run_id = tracked.config()
    RunnableLambda(node).with_config(run_name="model").invoke("capital?", config)
    state = tracked.state(run_id)
    (step,) = state["steps"]
    assert (step["kind"], step["model"], step["status"]) == ("model", "fake-1", "success")
    assert step["cache"]["tier"] == "semantic"
    assert step["cache"]["similarity"] == 0.93
    assert step["cache"]["entry_id"] == "abc.1"
    assert (state["hits"], state["saved_cost"], state["cost"]) == (1, 0.25, 0)
    assert state["saved_tokens"] is None
    assert state["tokens"]["total"] == 0


def test_two_handlers_in_one_call_track_once(make_chat: MakeChat, tracked: Tracked) -> None:
    def node(question: str) -> Any:
        dispatch_custom_event("cache_fabric", MIDDLEWARE_HIT)
        dispatch_custom_event("cache_fabric", {**MIDDLEWARE_HIT})
        return make_chat().invoke(question)

    config, run_id = tracked.config()
    runnable = RunnableLambda(node).with_config(callbacks=[Tracked(tracked.fabric).handler])
    runnable.invoke("capital?", config)
    state = tracked.state(run_id)
    assert len(everything(tracked.fabric)) == 1
    assert [step["name"] for step in state["steps"]] == ["fake-1", "fake-1", "CountingChat"]
    assert steps(state, "model")[-1]["cache"]["outcome"] == "miss"
    assert (state["hits"], state["misses"]) == (2, 1)


def test_a_later_lookup_says_nothing_of_a_run_that_has_ended(
    make_chat: MakeChat, cache: FabricCache, tracked: Tracked
) -> None:
    def node(question: str) -> Any:
        answer = make_chat(cache=False).invoke(question)
        cache.lookup("another prompt", "settings")
        return answer

    config, run_id = tracked.config()
    RunnableLambda(node).invoke("capital?", config)
    assert steps(tracked.state(run_id), "model")[0]["cache"] is None


async def test_a_hit_of_the_middleware_for_a_tool_in_a_loop(tracked: Tracked) -> None:
    async def node(question: str, config: RunnableConfig) -> str:
        said = {**MIDDLEWARE_HIT, "kind": "tool", "name": "weather", "output": "sun"}
        await adispatch_custom_event("cache_fabric", said, config=config)
        await adispatch_custom_event("somebody's", {"outcome": "hit"}, config=config)
        return "Paris."

    config, run_id = tracked.config()
    await RunnableLambda(node).ainvoke("capital?", config)
    (step,) = tracked.state(run_id)["steps"]
    assert (step["kind"], step["name"], step["output"]) == ("tool", "weather", "sun")
    assert step["cache"]["outcome"] == "hit"


async def test_the_hit_of_a_tool_has_no_price_and_hides_no_other(tracked: Tracked) -> None:
    async def node(question: str, config: RunnableConfig) -> str:
        tool = {"outcome": "hit", "kind": "tool", "name": "weather", "saved_cost": None}
        for said in (MIDDLEWARE_HIT, tool):
            await adispatch_custom_event("cache_fabric", said, config=config)
        return "Paris."

    config, run_id = tracked.config()
    await RunnableLambda(node).ainvoke("capital?", config)
    state = tracked.state(run_id)
    assert (state["hits"], state["saved_cost"]) == (2, MIDDLEWARE_HIT["saved_cost"])


def test_the_versions_of_contexts_that_were_used(make_chat: MakeChat, tracked: Tracked) -> None:
    one = {"key": "router:system", "version": 3, "behaviour": 2}
    two = {"key": "router:tools", "version": 1, "behaviour": 1}
    chat = make_chat()
    chain = RunnableLambda(lambda text: text).with_config(
        metadata={"cache_fabric_context": one}
    ) | chat.with_config(metadata={"cache_fabric_context": [one, two, "broken", {"key": 5}]})
    config, run_id = tracked.config()
    chain.invoke("capital?", config)
    state = tracked.state(run_id)
    assert state["contexts"] == [one, two]
    assert all("cache_fabric_context" not in step["metadata"] for step in state["steps"])


def test_an_unreadable_hit_is_a_miss(
    make_chat: MakeChat, tracked: Tracked, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cache_fabric.errors import CodecError
    from cache_fabric.langchain import cache as module

    def unreadable(*_: Any) -> None:
        raise CodecError("not ours")

    chat = make_chat(cache=FabricCache(tracked.fabric))
    chat.invoke("capital?")
    monkeypatch.setattr(module, "read_generations", unreadable)
    config, run_id = tracked.config()
    chat.invoke("capital?", config)
    state = tracked.state(run_id)
    assert chat.calls == 2
    assert state["hits"] == 0
    assert state["cost"] == pytest.approx(COST)
