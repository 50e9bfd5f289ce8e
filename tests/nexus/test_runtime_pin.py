"""Which version a call uses while others publish; in a pinned run it is one for all calls."""

from __future__ import annotations

import asyncio
import itertools
import operator
from collections.abc import AsyncIterator, Mapping
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


async def under_load(
    runtime: ManifestRuntime, asked: Model, publisher: CacheFabric, keys: Mapping[str, str]
) -> None:
    """Run the graph eight times at once, again and again, while another publishes without a pause.

    Until calls were made with five versions. ``keys`` are published as one bundle, each with its
    word and the number of the publish.
    """
    done = False

    async def publishing() -> None:
        number = 0
        while not done:
            number += 1
            async with publisher.publish() as bundle:
                for key, word in keys.items():
                    bundle.set_context(key, f"{word} {number}")
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


@pytest.mark.parametrize("pin", ["live", "run"])
async def test_a_pinned_run_has_one_bundle_and_a_live_one_goes_forward(
    pair: tuple[CacheFabric, CacheFabric], pin: Any
) -> None:
    agent, publisher = pair
    asked = model()
    runtime = ManifestRuntime(two_routers(), agent, model=asked, pin=pin)
    await publish(publisher, "0")
    await under_load(runtime, asked, publisher, {FIRST: "first", SECOND: "second"})
    runs = [[int(number) for number in run] for run in _by_run(asked)]
    assert {len(run) for run in runs} == {2}
    fits = operator.eq if pin == "run" else operator.le
    assert all(fits(first, second) for first, second in runs)


@pytest.mark.parametrize("pin", ["live", "run"])
async def test_no_call_mixes_two_versions_of_a_bundle(
    pair: tuple[CacheFabric, CacheFabric], pin: Any
) -> None:
    """One call with two texts of its own: its system message and its prompt."""
    agent, publisher = pair
    keys = {f"node:main:work:{word}": word for word in ("system_prompt", "prompt")}
    asked = model()
    drawn = manifest(graph([task("work")], []), texts={key: "none 0" for key in keys})
    runtime = ManifestRuntime(drawn, agent, model=asked, pin=pin)
    await under_load(runtime, asked, publisher, keys)
    seen = [[message.text.split()[1] for message in call] for call in asked.calls]
    assert all(one == other for one, other in seen)


async def test_what_is_pinned_is_no_part_of_the_state_that_a_prompt_names(
    fabric: CacheFabric,
) -> None:
    own = manifest(graph([router("triage")], []), prompts={"triage": "All of it: {state}"})
    runtime = ManifestRuntime(own, fabric, model=model(), pin="run")
    after = await runtime.execute("one", {"input": "Hm"})
    assert after["output"] == 'All of it: {"input": "Hm"}'
