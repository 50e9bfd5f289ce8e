"""What a cache asks of its fabric for every call, and what a stale answer looks like."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from langchain_core.outputs import ChatGeneration

from cache_fabric import CacheFabric, CacheOptions, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricCache

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


def test_the_options_of_a_cache_go_with_every_request(
    fabric: CacheFabric, make_chat: MakeChat
) -> None:
    chat = make_chat(cache=FabricCache(fabric, options=CacheOptions(tags=("support",))))
    chat.invoke("capital?")
    assert [answer.tags for answer in fabric.sync.list_answers()] == [("support",)]
    fabric.sync.invalidate(tag="support")
    chat.invoke("capital?")
    assert chat.calls == 2


def test_a_stale_answer_is_marked(make_chat: MakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    config = FabricConfig(ttl=100, ttl_jitter=0, stale_while_revalidate=100, exact_timeout=30)
    fabric = create_cache_fabric("memory", config=config)
    cache = FabricCache(fabric)
    asked: list[tuple[str, str]] = []
    lookup = cache.lookup

    def noted(prompt: str, llm_string: str) -> object:
        asked.append((prompt, llm_string))
        return lookup(prompt, llm_string)

    monkeypatch.setattr(cache, "lookup", noted)
    make_chat(cache=cache).invoke("capital?")
    later = time.time() + 150
    monkeypatch.setattr(time, "time", lambda: later)
    assert lookup(*asked[0]) is None  # this caller refreshes
    generations = lookup(*asked[0])
    assert generations is not None
    assert isinstance(generations[0], ChatGeneration)
    assert generations[0].message.response_metadata["cache_fabric"]["stale"] is True
    fabric.sync.close()
