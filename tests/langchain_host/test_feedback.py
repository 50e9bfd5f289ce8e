"""What LangChain's runs keep of the cache is what feedback finds their answers by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableConfig

from cache_fabric import CacheFabric, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.langchain import FabricCache, FabricMiddleware, cached
from langchain_host.agents import agent_chat
from langchain_host.conftest import CountingChat
from langchain_host.executions import PRICES, Tracked

ASKED = "How do I return an item that I bought?"
TWIN = "How can I return an item that I bought?"

Way = Callable[[str, RunnableConfig], object]


@pytest.fixture
def tracked() -> Iterator[Tracked]:
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30)
    fabric = create_cache_fabric("memory", policy=Threshold(), prices=PRICES, config=patient)
    yield Tracked(fabric)
    fabric.sync.close()


def as_cache(fabric: CacheFabric) -> Way:
    chat = CountingChat(cache=FabricCache(fabric, tenant="acme", user="uma"))
    return lambda question, config: chat.invoke(question, config)


def as_wrapper(fabric: CacheFabric) -> Way:
    chat = cached(CountingChat(), fabric, tenant="acme", user="uma")
    return lambda question, config: chat.invoke(question, config)


def as_stream(fabric: CacheFabric) -> Way:
    chat = cached(CountingChat(), fabric, tenant="acme", user="uma")
    return lambda question, config: list(chat.stream(question, config))


def as_middleware(fabric: CacheFabric) -> Way:
    middleware: Any = FabricMiddleware(fabric, tenant="acme", user="uma")
    agent = create_agent(agent_chat(), middleware=[middleware])
    asked: Any = agent.invoke
    return lambda question, config: asked({"messages": [("user", question)]}, config)


WAYS = pytest.mark.parametrize("way", [as_cache, as_wrapper, as_stream, as_middleware])


@WAYS
@pytest.mark.parametrize("rated", ["miss", "hit", "twin"])
def test_a_bad_answer_is_not_served_again(
    tracked: Tracked, way: Callable[[CacheFabric], Way], rated: str
) -> None:
    answer, fabric = way(tracked.fabric), tracked.fabric.sync
    runs = {}
    for name, question in (("miss", ASKED), ("hit", ASKED), ("twin", TWIN)):
        config, runs[name] = tracked.config()
        answer(question, config)
        fabric.flush()
    outcomes = [tracked.of(run).answers[0] for run in runs.values()]
    assert [one.tier for one in outcomes] == [None, "hot", "semantic"]
    (bad,) = {one.entry_id for one in outcomes}
    feedback = fabric.record_feedback(str(runs[rated]), {"user_rating": 1})
    assert [effect.action for effect in feedback.effects] == ["quarantined"]
    for question in (ASKED, TWIN):
        config, run = tracked.config()
        answer(question, config)
        assert tracked.of(run).answers[0].entry_id != bad


@WAYS
def test_an_execution_says_whose_it_is(tracked: Tracked, way: Callable[[CacheFabric], Way]) -> None:
    answer = way(tracked.fabric)
    for _ in range(2):
        config, run = tracked.config()
        answer(ASKED, config)
        execution = tracked.of(run)
        assert (execution.tenant, execution.user) == ("acme", "uma")


def test_a_run_that_names_its_tenant_is_that_tenants_also_without_a_cache(tracked: Tracked) -> None:
    whose = {"cache_fabric_tenant": "acme", "cache_fabric_user": "uma"}
    config, run = tracked.config(metadata=whose)
    CountingChat().invoke(ASKED, config)
    execution = tracked.of(run)
    assert (execution.tenant, execution.user) == ("acme", "uma")


def test_a_name_that_is_none_does_not_lose_the_execution(tracked: Tracked) -> None:
    config, run = tracked.config(metadata={"cache_fabric_tenant": ["a", "b"]})
    CountingChat().invoke(ASKED, config)
    assert tracked.of(run).tenant is None
