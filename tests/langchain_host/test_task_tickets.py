"""The cache under LangChain knows which calls of a task failed, and holds none of it for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from langchain_core.outputs import Generation

from cache_fabric import CacheFabric
from cache_fabric.langchain import FabricCache
from cache_fabric.langchain import _task_tickets as module

if TYPE_CHECKING:
    import pytest

    from langchain_host.conftest import CountingLLM

MakeLLM = Callable[..., "CountingLLM"]


async def outcomes(fabric: CacheFabric) -> dict[str, int]:
    await asyncio.sleep(0)  # what waited for the end of a task is done by now
    found: dict[str, int] = (await fabric.get_metrics())["requests_by_outcome"]
    return {name: count for name, count in found.items() if count}


async def test_one_prompt_twice_in_a_task_is_two_misses_and_no_failure(
    exact: CacheFabric, make_llm: MakeLLM
) -> None:
    llm = make_llm(cache=FabricCache(exact))
    await asyncio.create_task(llm.agenerate(["a", "a", "b"]))
    assert await outcomes(exact) == {"miss": 3}


async def test_a_task_that_ends_without_an_answer_is_a_failed_call(exact: CacheFabric) -> None:
    cache = FabricCache(exact)
    await asyncio.create_task(cache.alookup("prompt", "settings"))
    await asyncio.create_task(cache.alookup("another", "settings"))
    assert await outcomes(exact) == {"error": 2}


async def test_a_task_that_goes_on_for_ever_holds_only_so_many_open_calls(
    exact: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    cache = FabricCache(exact)
    for number in range(5):
        await cache.alookup(f"fails {number}", "settings")
        await cache.alookup(f"answered {number}", "settings")
        await cache.aupdate(f"answered {number}", "settings", [Generation(text="Paris.")])
    (held,) = cache._open._of.values()
    assert len(held) <= 3
    assert await outcomes(exact) == {"miss": 7, "error": 3}  # two calls may still go on
