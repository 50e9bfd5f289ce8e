"""Which version a call uses while others publish; in a pinned run it is one for all calls."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.nexus.manifest import Manifest, Node
from cache_fabric.nexus.runtime import ManifestRuntime
from cache_fabric.stores.memory import MemoryStore
from nexus.running import Model, edge, gate, graph, manifest, model, router, task

FIRST, SECOND = (f"router:{name}:system_prompt" for name in ("first", "second"))


def two_routers(*, person_between: bool = False) -> Manifest:
    """Two calls with prompts of one bundle, in a graph and in one that it calls."""
    inner = graph([router("second")], [], name="inner")
    between = [Node(id="person", kind="human")] if person_between else []
    nodes = [router("first"), *between, Node(id="call", kind="subgraph", ref="inner")]
    edges = [edge(one.id, other.id) for one, other in itertools.pairwise(nodes)]
    prompts = {"first": "Own.", "second": "Own."}
    return manifest(graph(nodes, edges), inner, prompts=prompts)


async def publish(fabric: CacheFabric, text: str) -> None:
    async with fabric.publish() as bundle:
        bundle.set_context(FIRST, f"first {text}")
        bundle.set_context(SECOND, f"second {text}")


def seen_by(asked: Model) -> list[str]:
    """Return what was published with the prompt of each call."""
    return [prompt.split()[1] for prompt in asked.prompts]


@pytest.fixture
async def fabric() -> AsyncIterator[CacheFabric]:
    async with create_cache_fabric("memory", policy=ExactOnly()) as made:
        yield made


@pytest.mark.parametrize(("pin", "seen"), [("live", ["A", "B"]), ("run", ["A", "A"])])
async def test_a_publish_in_the_middle_of_a_run(
    fabric: CacheFabric, pin: Any, seen: list[str]
) -> None:
    await publish(fabric, "A")
    wait, there, go = gate()
    asked = model(before=wait)
    runtime = ManifestRuntime(two_routers(), fabric, model=asked, pin=pin)
    running = asyncio.create_task(runtime.execute("run", {"input": "Hi"}))
    await there.wait()
    await publish(fabric, "B")
    go.set()
    after = await running
    assert seen_by(asked) == seen
    assert not [name for name in after if name.startswith("cache_fabric")]
    await runtime.execute("next", {"input": "Hi again"})
    assert seen_by(asked)[2:] == ["B", "B"]


@pytest.mark.parametrize(("pin", "seen"), [("live", ["A", "B"]), ("run", ["A", "A"])])
async def test_a_run_that_waited_for_a_person_goes_on_with_its_versions(
    fabric: CacheFabric, pin: Any, seen: list[str]
) -> None:
    """In another runtime over the same checkpoints, as after a restart."""
    await publish(fabric, "A")
    asked, saver = model(), InMemorySaver()
    kept = {"configurable": {"thread_id": "run"}}

    def runtime() -> ManifestRuntime:
        drawn = two_routers(person_between=True)
        return ManifestRuntime(drawn, fabric, model=asked, pin=pin, checkpointer=saver)

    await runtime().execute("run", {"input": "Hi"})
    await publish(fabric, "B")
    await runtime().execute("run", Command(resume="Go on."))
    assert seen_by(asked) == seen
    assert "cache_fabric_pinned" not in (await runtime().graph.aget_state(kept)).values
    await runtime().execute("run", {"input": "A new question on the same thread"})
    assert seen_by(asked)[2:] == ["B"]


async def under_load(fabric: CacheFabric, publisher: CacheFabric, pin: Any) -> list[list[str]]:
    """Return the prompts of each of many runs, while another publishes as fast as it can."""
    await publish(publisher, "0")
    asked = model()
    runtime = ManifestRuntime(two_routers(), fabric, model=asked, pin=pin)
    done = False

    async def publishing() -> None:
        number = 0
        while not done:
            number += 1
            await publish(publisher, f"{number}")
            await asyncio.sleep(0)

    task = asyncio.create_task(publishing())
    runs = 0
    while len(set(seen_by(asked))) < 5:
        batch = [runtime.execute(f"{runs}-{n}", {"input": f"{runs}-{n}"}) for n in range(8)]
        await asyncio.gather(*batch)
        runs += 1
        assert runs < 500
    done = True
    await task
    return _by_run(asked)


def _by_run(asked: Model) -> list[list[str]]:
    prompts: dict[str, list[str]] = {}
    for messages in asked.calls:
        prompts.setdefault(messages[1].text, []).append(messages[0].text.split()[1])
    return list(prompts.values())


@pytest.fixture(params=["memory", "sqlite"])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[CacheFabric, CacheFabric]]:
    """Two fabrics over one store, as an agent and a publisher are."""
    store: Any = MemoryStore("n")
    if request.param == "sqlite":
        store = f"sqlite://{tmp_path / 'fabric.db'}"
    one, two = (create_cache_fabric("memory", store=store, policy=ExactOnly()) for _ in range(2))
    yield one, two
    await one.aclose()
    await two.aclose()


async def test_no_pinned_run_mixes_two_versions_of_a_bundle(
    pair: tuple[CacheFabric, CacheFabric],
) -> None:
    runs = await under_load(*pair, pin="run")
    assert {len(run) for run in runs} == {2}
    assert all(first == second for first, second in runs)


@pytest.mark.parametrize("pin", ["live", "run"])
async def test_no_call_mixes_two_versions_of_a_bundle(
    pair: tuple[CacheFabric, CacheFabric], pin: Any
) -> None:
    """One call with two texts of its own: its system message and its prompt."""
    agent, publisher = pair
    system, prompt = "node:main:work:system_prompt", "node:main:work:prompt"
    texts = {system: "none 0", prompt: "none 0"}
    asked = model()
    runtime = ManifestRuntime(
        manifest(graph([task("work")], []), texts=texts), agent, model=asked, pin=pin
    )

    async def publishing() -> None:
        for number in range(60):
            async with publisher.publish() as bundle:
                bundle.set_context(system, f"system {number}")
                bundle.set_context(prompt, f"prompt {number}")

    publishing_ = asyncio.create_task(publishing())
    number = 0
    while not publishing_.done() or not asked.calls:
        await asyncio.gather(*(runtime.execute(f"{number}-{n}", {}) for n in range(4)))
        number += 1
    await publishing_
    seen = [[message.text.split()[1] for message in call] for call in asked.calls]
    assert all(one == other for one, other in seen)
    assert len({one for one, _ in seen}) > 1


async def test_a_live_run_only_goes_forward(pair: tuple[CacheFabric, CacheFabric]) -> None:
    runs = await under_load(*pair, pin="live")
    assert all(int(first) <= int(second) for first, second in runs)
