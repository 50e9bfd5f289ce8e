"""Savings are told by the graph that a run names, whichever host asks the fabric."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda

from cache_fabric import CacheFabric, CacheOptions
from cache_fabric.langchain import (
    FabricCache,
    FabricCallbackHandler,
    FabricMiddleware,
    cached,
)
from langchain_host.agents import QUESTION, Ask, agent_chat


def graphs(fabric: CacheFabric) -> dict[str, tuple[int, int]]:
    """Lookups and hits by graph."""
    rows = fabric.sync.get_metrics()["savings"]["graph"]
    return {row["name"]: (row["lookups"], row["hits"]) for row in rows}


@pytest.mark.parametrize("stream", [False, True])
def test_of_a_wrapped_model_it_is_the_graph_of_the_tracked_run(
    exact: CacheFabric, stream: bool
) -> None:
    model: Any = cached(agent_chat(), exact)

    def answer(question: str) -> str:
        if stream:
            return "".join(chunk.text for chunk in model.stream(question))
        return str(model.invoke(question).text)

    chain = RunnableLambda(answer)
    for graph in ("support", "sales"):
        chain.invoke("capital?", {"callbacks": [FabricCallbackHandler(exact, graph=graph)]})
    model.invoke("capital?")  # in no run, though one was followed in this context just now
    assert graphs(exact) == {"support": (1, 0), "sales": (1, 1), "(none)": (1, 1)}


def test_of_a_cache_it_is_the_graph_of_the_tracked_run(exact: CacheFabric) -> None:
    model = agent_chat(cache=FabricCache(exact))
    for _ in range(2):
        model.invoke("capital?", {"callbacks": [FabricCallbackHandler(exact, graph="support")]})
    assert graphs(exact) == {"support": (2, 1)}


def test_of_an_agent_it_is_the_graph_of_the_tracked_run(exact: CacheFabric, ask: Ask) -> None:
    agent = create_agent(agent_chat(), middleware=[FabricMiddleware(exact)], name="helper")
    for _ in range(2):
        ask(agent, QUESTION, {"callbacks": [FabricCallbackHandler(exact, graph="support")]})
    assert graphs(exact) == {"support": (2, 1)}


def test_of_an_agent_that_nobody_tracks_it_is_its_name(exact: CacheFabric, ask: Ask) -> None:
    agent = create_agent(agent_chat(), middleware=[FabricMiddleware(exact)], name="helper")
    ask(agent, QUESTION)
    assert graphs(exact) == {"helper": (1, 0)}


def test_the_metadata_of_a_run_may_name_it_and_options_stand_above(exact: CacheFabric) -> None:
    named: Any = {"metadata": {"cache_fabric_graph": "triage"}}
    cached(agent_chat(), exact).invoke("capital?", named)
    cached(agent_chat(), exact, options=CacheOptions(graph="mine")).invoke("capital?", named)
    assert graphs(exact) == {"triage": (1, 0), "mine": (1, 1)}


def test_a_name_that_is_none_costs_no_call_its_answer(exact: CacheFabric) -> None:
    model = cached(agent_chat(), exact)
    for name in ("a\x00b", "", 7, "x" * 1000):
        model.invoke("capital?", {"metadata": {"cache_fabric_graph": name}})
    assert graphs(exact) == {"(none)": (4, 3)}
