"""Plain calls of a wrapped model: one entry for all of them, and nothing of it is shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.messages import (
    HumanMessage,
)
from langchain_core.outputs import ChatGeneration

from cache_fabric import CacheFabric, CacheOptions
from cache_fabric.instrumentation.events import Event
from cache_fabric.langchain import FabricCache, cached
from langchain_host.streams import (
    lookups,
)

if TYPE_CHECKING:
    from langchain_host.conftest import StreamingChat

MakeStreaming = Callable[..., "StreamingChat"]


def test_second_call_is_a_hit(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    first, second = chat.invoke("capital?"), chat.invoke("capital?")
    assert [first.text, second.text] == ["Paris.", "Paris."]
    assert plain.calls == 1
    assert lookups(events) == {"miss": 1, "hot": 1}


async def test_second_call_is_a_hit_in_a_loop(
    make_streaming: MakeStreaming, exact: CacheFabric, events: list[Event]
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    first, second = await chat.ainvoke("capital?"), await chat.ainvoke("capital?")
    assert [first.text, second.text] == ["Paris.", "Paris."]
    assert plain.calls == 1
    assert lookups(events) == {"miss": 1, "hot": 1}


def test_hit_is_marked_has_a_fresh_id_and_costs_nothing(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(), exact)
    hits = [chat.invoke("capital?") for _ in range(3)][1:]
    assert len({hit.id for hit in hits}) == 2
    for hit in hits:
        assert hit.response_metadata["cache_fabric"]["tier"] == "hot"
        assert hit.response_metadata["model_name"] == "fake-1"
        assert hit.usage_metadata is not None
        assert hit.usage_metadata["total_tokens"] == 5
        assert hit.usage_metadata["total_cost"] == 0  # type: ignore[typeddict-item]


def test_model_itself_stays_as_it_was(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming()
    cached(plain, exact)
    assert [plain.invoke("capital?").text for _ in range(2)] == ["Paris."] * 2
    assert plain.calls == 2


def test_answer_is_one_entry_with_the_cache(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    wrapped = cached(plain, exact)
    by_cache = plain.model_copy(update={"cache": FabricCache(exact)})
    wrapped.invoke("capital?")
    by_cache.invoke("capital?")
    by_cache.invoke("river?")
    wrapped.invoke("river?")
    assert plain.calls == 2


def test_no_other_cache_is_asked(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    class Forbidden(FabricCache):
        def lookup(self, prompt: str, llm_string: str) -> Any:
            pytest.fail("the global cache was asked")

    set_llm_cache(Forbidden(exact))
    try:
        assert cached(make_streaming(), exact).invoke("capital?").text == "Paris."
    finally:
        set_llm_cache(None)


def test_what_a_caller_does_to_a_hit_changes_no_other(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    chat = cached(make_streaming(), exact)
    chat.invoke("capital?")
    spoiled = chat.invoke("capital?")
    spoiled.content = "spoiled"
    spoiled.response_metadata["model_name"] = "spoiled"
    assert spoiled.usage_metadata is not None
    spoiled.usage_metadata["input_tokens"] = 1_000
    clean = chat.invoke("capital?")
    assert clean.text == "Paris."
    assert clean.response_metadata["model_name"] == "fake-1"
    assert clean.usage_metadata is not None
    assert clean.usage_metadata["input_tokens"] == 3


def test_several_answers_are_kept_together(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    plain.n = 3
    chat = cached(plain, exact)
    question: Any = [HumanMessage("capital?")]
    chat.generate([question])
    generations = chat.generate([question]).generations[0]
    assert [generation.text for generation in generations] == ["Paris."] * 3
    ids = {g.message.id for g in generations if isinstance(g, ChatGeneration)}
    assert len(ids) == 3
    assert plain.calls == 1


def test_equal_messages_of_one_batch(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    chat = cached(make_streaming(), exact)
    assert [m.text for m in chat.batch(["capital?"] * 4)] == ["Paris."] * 4
    question: Any = [HumanMessage("river?")]
    assert len(chat.generate([question, question]).generations) == 2


def test_second_turn_has_one_key_after_a_hit_and_after_a_miss(
    make_streaming: MakeStreaming, exact: CacheFabric
) -> None:
    plain = make_streaming()
    chat = cached(plain, exact)
    for _ in range(2):  # the first turn is a miss, then a hit
        first = chat.invoke([HumanMessage("capital?")])
        chat.invoke([HumanMessage("capital?"), first, HumanMessage("sure?")])
    assert plain.calls == 2


def test_options_go_with_every_request(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming()
    chat = cached(plain, exact, options=CacheOptions(tags=("geo",)))
    chat.invoke("capital?")
    exact.sync.invalidate(tag="geo")
    chat.invoke("capital?")
    assert plain.calls == 2


def test_incomplete_answer_is_not_kept(make_streaming: MakeStreaming, exact: CacheFabric) -> None:
    plain = make_streaming(finish={"finish_reason": "length"})
    chat = cached(plain, exact)
    for _ in range(2):
        chat.invoke("capital?")
    assert plain.calls == 2
