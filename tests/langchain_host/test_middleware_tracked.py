"""What the callback knows of an agent whose model is answered by the middleware."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent

from cache_fabric import CacheFabric
from cache_fabric.langchain import FabricMiddleware
from langchain_host.agents import QUESTION, Ask, agent_chat
from langchain_host.executions import Tracked, steps


def test_misses_and_hits_are_told(exact: CacheFabric, ask: Ask) -> None:
    tracked = Tracked(exact)
    agent = create_agent(agent_chat(), middleware=[FabricMiddleware(exact)])
    outcomes = []
    for _ in range(2):
        config, run_id = tracked.config()
        ask(agent, QUESTION, config)
        state = tracked.state(run_id)
        (model,) = steps(state, "model")
        outcomes.append((model["cache"]["outcome"], state["hits"], state["misses"]))
    assert outcomes == [("miss", 0, 1), ("hit", 1, 0)]


def test_the_version_of_the_prompt_is_told_on_a_hit_too(exact: CacheFabric, ask: Ask) -> None:
    tracked = Tracked(exact)
    exact.sync.set_context("router:x:system_prompt", "Be brief.")
    middleware: Any = FabricMiddleware(exact, prompt_key="router:x:system_prompt")
    agent = create_agent(agent_chat(), middleware=[middleware])
    for _ in range(2):
        config, run_id = tracked.config()
        ask(agent, QUESTION, config)
        (context,) = tracked.state(run_id)["contexts"]
        assert (context["key"], context["version"]) == ("router:x:system_prompt", 1)
