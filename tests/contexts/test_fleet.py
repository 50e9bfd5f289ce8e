"""The fleet says which named process serves which revision of the contexts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta

import pytest

from cache_fabric import (
    CacheFabric,
    FabricConfig,
    create_cache_fabric,
    fleet,
    resolve_fabric_from_env,
)
from cache_fabric.errors import ConfigurationError
from cache_fabric.fleet import Fleet
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.version_records import Agent
from contexts.conftest import Make

PROMPT = "router:triage:system_prompt"


async def seen(fabric: CacheFabric, holds: Callable[[list[Agent]], bool]) -> list[Agent]:
    """Return the fleet once something holds of it."""
    async with asyncio.timeout(30):
        while True:
            agents = await fabric.fleet()
            if holds(agents):
                return agents
            await asyncio.sleep(0.01)


async def test_agents_come_by_name_with_the_revision_that_they_serve(make: Make) -> None:
    page = await make()
    for name in ("triage", "billing"):
        await (await make(name)).get_context(PROMPT)
    entry = await page.set_context(PROMPT, "Sort the post.")
    agents = await seen(page, lambda all_: [a.revision for a in all_] == [entry.revision] * 2)
    assert [agent.name for agent in agents] == ["billing", "triage"]
    assert all(agent.alive and agent.pid == os.getpid() for agent in agents)
    assert all(agent.delay is not None and 0 <= agent.delay < 30 for agent in agents)


async def test_a_storm_of_changes_is_no_storm_of_notes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "_LEAST", 3600.0)
    agent = await make("triage")
    await agent.get_context(PROMPT)
    await seen(agent, lambda all_: len(all_) == 1)
    written: list[Fleet] = []

    async def write(of: Fleet) -> None:
        written.append(of)

    monkeypatch.setattr(Fleet, "_write", write)
    for number in range(20):
        await agent.set_context(PROMPT, f"Sort the post, {number}.")
    assert written == []


async def test_who_has_no_name_is_not_in_it(make: Make) -> None:
    page = await make()
    await page.get_context(PROMPT)
    assert await page.fleet() == []


async def test_who_closes_leaves_it(make: Make) -> None:
    page, agent = await make(), await make("triage")
    await agent.get_context(PROMPT)
    await seen(page, bool)
    await agent.aclose()
    assert await page.fleet() == []


async def test_an_agent_has_no_delay_before_its_first_change(make: Make) -> None:
    await (await make()).set_context(PROMPT, "Sort the post.")
    agent = await make("triage")
    await agent.get_context(PROMPT)
    [found] = await seen(agent, bool)
    assert found.revision == 1
    assert found.delay is None


async def test_who_is_silent_is_gone_and_then_forgotten(make: Make) -> None:
    agent = await make("triage")
    await agent.get_context(PROMPT)
    [found] = await seen(agent, bool)
    life = agent._life()
    for later, alive in ((14, [True]), (16, [False]), (3599, [False]), (3601, [])):
        now = (found.seen + timedelta(seconds=later)).timestamp()
        fleet = Fleet(
            None,
            life.contexts.live,
            life.engine.store,
            life.parts.store,
            agent.config.secret,
            clock=lambda now=now: now,  # type: ignore[misc]
        )
        agents = await life.portal.run(fleet.agents)
        assert [each.alive for each in agents] == alive


def test_a_name_must_be_one() -> None:
    for name in ("", "a" * 129, "a\nb"):
        with pytest.raises(ConfigurationError, match="agent: expected"):
            FabricConfig(agent=name)


async def test_the_environment_may_name_the_agent() -> None:
    fabric = resolve_fabric_from_env(
        {"CACHE_BACKEND": "memory", "CACHE_FABRIC_AGENT": "triage", "CACHE_FABRIC_SECRET": "s"}
    )
    assert (fabric.config.agent, fabric.config.secret) == ("triage", b"s")
    await fabric.aclose()


async def test_another_secret_reads_nothing_of_it() -> None:
    store = MemoryStore("n")
    one = create_cache_fabric("memory", store=store, config=FabricConfig(agent="a", secret=b"1"))
    other = create_cache_fabric("memory", store=store, config=FabricConfig(secret=b"2"))
    await one.get_context(PROMPT)
    await seen(one, bool)
    assert await other.fleet() == []
    await one.aclose()
    await other.aclose()
