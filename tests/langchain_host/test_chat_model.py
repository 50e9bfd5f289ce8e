"""A chat model with the cache: what its user sees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import Generation
from pydantic import BaseModel

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import FabricCache

if TYPE_CHECKING:
    from langchain_host.conftest import CountingChat

MakeChat = Callable[..., "CountingChat"]


@pytest.fixture
def global_cache(cache: FabricCache) -> Iterator[FabricCache]:
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


def reasons(events: list[Event], outcome: str) -> list[str]:
    return [
        event.reason
        for event in events
        if isinstance(event, LookupEvent | StoreEvent) and event.outcome == outcome
    ]


def mark(message: BaseMessage) -> dict[str, Any]:
    found: dict[str, Any] = message.response_metadata["cache_fabric"]
    return found


class TestWaysToCall:
    def test_invoke(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        assert chat.invoke("capital?").content == chat.invoke("capital?").content == "Paris."
        assert chat.calls == 1

    async def test_ainvoke(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        await chat.ainvoke("capital?")
        assert (await chat.ainvoke("capital?")).content == "Paris."
        assert chat.calls == 1

    def test_batch(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        answers = chat.batch(["capital?"] * 8)
        assert {answer.text for answer in answers} == {"Paris."}
        assert chat.calls == 1

    async def test_abatch(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        answers = await chat.abatch(["capital?"] * 8)
        assert {answer.text for answer in answers} == {"Paris."}
        assert chat.calls == 1

    def test_generate(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        question: list[BaseMessage] = [HumanMessage("capital?")]
        assert len(chat.generate([question, question]).generations) == 2
        assert chat.calls == 1

    def test_what_one_way_stored_the_others_find(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        asyncio.run(chat.ainvoke("capital?"))
        chat.invoke("capital?")
        chat.batch(["capital?"])
        assert chat.calls == 1

    async def test_a_blocking_call_inside_a_running_loop(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        chat.invoke("capital?")
        assert chat.invoke("capital?").content == "Paris."
        assert chat.calls == 1

    def test_several_event_loops(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        for _ in range(3):
            assert asyncio.run(chat.ainvoke("capital?")).content == "Paris."
        assert chat.calls == 1


class TestWaysToInstall:
    def test_the_global_cache(self, make_chat: MakeChat, global_cache: FabricCache) -> None:
        chat = make_chat(cache=None)
        chat.invoke("capital?")
        chat.invoke("capital?")
        assert chat.calls == 1

    def test_a_model_without_cache_neither_reads_nor_writes(
        self, make_chat: MakeChat, global_cache: FabricCache
    ) -> None:
        off, on = make_chat(cache=False), make_chat(cache=True)
        for chat in (off, on, off):
            chat.invoke("capital?")
        assert (off.calls, on.calls) == (2, 1)


class TestHits:
    def test_a_hit_is_marked_and_a_miss_is_not(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        missed, hit = chat.invoke("capital?"), chat.invoke("capital?")
        assert "cache_fabric" not in missed.response_metadata
        assert set(mark(hit)) == {"tier", "similarity", "entry_id", "age", "saved_cost"}
        assert (mark(hit)["tier"], mark(hit)["similarity"]) == ("hot", 1.0)

    def test_callbacks_see_the_mark(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        question: list[BaseMessage] = [HumanMessage("capital?")]
        chat.generate([question])
        (generation,) = chat.generate([question]).generations[0]
        assert generation.generation_info is not None
        assert generation.generation_info["cache_fabric"]["tier"] == "hot"

    def test_a_hit_says_what_it_saved(self, make_chat: MakeChat) -> None:
        prices = {"fake-1": {"input_cost_per_token": 0.001, "output_cost_per_token": 0.002}}
        fabric = create_cache_fabric("memory", policy=ExactOnly(), prices=prices)
        chat = make_chat(cache=FabricCache(fabric))
        chat.invoke("capital?")
        hit = chat.invoke("capital?")
        fabric.sync.close()
        assert mark(hit)["saved_cost"] == pytest.approx(3 * 0.001 + 2 * 0.002)

    def test_the_saving_of_a_model_without_price_is_unknown(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        chat.invoke("capital?")
        assert mark(chat.invoke("capital?"))["saved_cost"] is None

    def test_usage_stays_and_its_cost_is_zero(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        missed, hit = chat.invoke("capital?"), chat.invoke("capital?")
        assert hit.usage_metadata == {**(missed.usage_metadata or {}), "total_cost": 0}

    def test_an_answer_without_usage_is_still_valid_after_a_hit(self, make_chat: MakeChat) -> None:
        chat = make_chat(lambda _: AIMessage("Paris."))
        chat.invoke("capital?")
        hit = chat.invoke("capital?")
        assert AIMessage.model_validate(hit.model_dump()).usage_metadata is not None

    def test_every_hit_has_its_own_id(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        ids = [chat.invoke("capital?").id for _ in range(3)]
        assert None not in ids
        assert len(set(ids)) == 3

    def test_changing_an_answer_changes_no_later_one(self, make_chat: MakeChat) -> None:
        chat = make_chat(lambda _: AIMessage([{"type": "text", "text": "Paris."}]))
        for _ in range(3):
            answer = chat.invoke("capital?")
            assert answer.text == "Paris."
            answer.content[0]["text"] = "changed"  # type: ignore[index]
            answer.response_metadata["cache_fabric"] = "changed"

    def test_all_alternatives_come_back(self, make_chat: MakeChat) -> None:
        chat = make_chat(n=2)
        question: list[BaseMessage] = [HumanMessage("capital?")]
        chat.generate([question])
        assert len(chat.generate([question]).generations[0]) == 2
        assert chat.calls == 1

    def test_clear_forgets(self, make_chat: MakeChat, cache: FabricCache) -> None:
        chat = make_chat()
        chat.invoke("capital?")
        cache.clear()
        chat.invoke("capital?")
        assert chat.calls == 2

    async def test_aclear_forgets(self, make_chat: MakeChat, cache: FabricCache) -> None:
        chat = make_chat()
        await chat.ainvoke("capital?")
        await cache.aclear()
        await chat.ainvoke("capital?")
        assert chat.calls == 2


class TestMeaning:
    def test_a_paraphrase_hits_with_its_similarity(self, make_chat: MakeChat) -> None:
        fabric = create_cache_fabric("memory", policy=Threshold())
        chat = make_chat(cache=FabricCache(fabric))
        chat.invoke("What is the capital of France?")
        fabric.sync.flush()  # what is found by meaning is written behind
        hit = chat.invoke("What is the capital of France, please?")
        fabric.sync.close()
        assert chat.calls == 1
        assert mark(hit)["tier"] == "semantic"
        assert 0 < mark(hit)["similarity"] <= 1

    def test_another_system_message_never_hits(self, make_chat: MakeChat) -> None:
        fabric = create_cache_fabric("memory")
        chat = make_chat(cache=FabricCache(fabric))
        for rules in ("Be brief.", "Be rude."):
            chat.invoke([SystemMessage(rules), HumanMessage("What is the capital of France?")])
        fabric.sync.close()
        assert chat.calls == 2


class TestIsolation:
    def test_two_models_share_nothing(self, make_chat: MakeChat) -> None:
        one, two = make_chat(), make_chat(model="fake-2")
        one.invoke("capital?")
        two.invoke("capital?")
        assert (one.calls, two.calls) == (1, 1)

    def test_two_tool_sets_share_nothing(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        for name in ("search", "lookup"):
            chat.bind(tools=[{"type": "function", "function": {"name": name}}]).invoke("capital?")
        assert chat.calls == 2

    def test_two_tenants_share_nothing(self, make_chat: MakeChat, exact: CacheFabric) -> None:
        chats = [make_chat(cache=FabricCache(exact, tenant=name)) for name in ("a", "b")]
        assert [(chat.invoke("capital?"), chat.calls)[1] for chat in chats] == [1, 1]

    def test_two_users_share_nothing(self, make_chat: MakeChat, exact: CacheFabric) -> None:
        chats = [make_chat(cache=FabricCache(exact, user=name)) for name in ("a", "b")]
        assert [(chat.invoke("capital?"), chat.calls)[1] for chat in chats] == [1, 1]

    def test_a_required_tenant_that_is_missing_means_no_cache(self, make_chat: MakeChat) -> None:
        events: list[Event] = []
        config = FabricConfig(require_tenant=True)
        fabric = create_cache_fabric("memory", config=config, hooks=[events.append])
        chat = make_chat(cache=FabricCache(fabric))
        chat.invoke("capital?")
        chat.invoke("capital?")
        fabric.sync.close()
        assert chat.calls == 2
        assert [getattr(event, "outcome", "") for event in events] == ["bypass", "bypass"]


class TestConversations:
    def test_the_second_turn_is_one_request_after_a_miss_and_after_a_hit(
        self, make_chat: MakeChat
    ) -> None:
        chat = make_chat()
        first, second = HumanMessage("capital?"), HumanMessage("are you sure?")
        missed = chat.invoke([first])
        chat.invoke([first, missed, second])
        hit = chat.invoke([first])
        chat.invoke([first, hit, second])
        assert chat.calls == 2

    def test_so_it_is_when_the_provider_wrote_its_ids_everywhere(self, make_chat: MakeChat) -> None:
        def reply(_: list[BaseMessage]) -> AIMessage:
            return AIMessage(
                [
                    {"type": "reasoning", "id": "rs_1", "summary": []},
                    {"type": "text", "text": "Paris.", "id": "msg_1", "index": 1},
                ],
                id="resp_1",
                response_metadata={"id": "resp_1"},
            )

        chat = make_chat(reply)
        first, second = HumanMessage("capital?"), HumanMessage("are you sure?")
        for _ in range(2):
            chat.invoke([first, chat.invoke([first]), second])
        assert chat.calls == 2


class TestNotStored:
    @pytest.mark.parametrize(
        "finish", ["length", "content_filter", "max_tokens", "error", "SAFETY", "incomplete"]
    )
    def test_an_answer_that_did_not_end_well(
        self, make_chat: MakeChat, events: list[Event], finish: str
    ) -> None:
        chat = make_chat(finish={"finish_reason": finish})
        chat.invoke("capital?")
        chat.invoke("capital?")
        assert chat.calls == 2
        assert len(reasons(events, "refused")) == 2

    @pytest.mark.parametrize("finish", ["stop", "end_turn", "STOP", "eos_token", "COMPLETE", None])
    def test_one_that_did_is_stored(self, make_chat: MakeChat, finish: str | None) -> None:
        chat = make_chat(finish={"finish_reason": finish})
        chat.invoke("capital?")
        chat.invoke("capital?")
        assert chat.calls == 1

    @pytest.mark.parametrize(
        "reply",
        [AIMessage(""), AIMessage("sorry", additional_kwargs={"refusal": "I cannot"})],
        ids=["empty", "refused"],
    )
    def test_an_empty_or_refused_answer(
        self, make_chat: MakeChat, events: list[Event], reply: AIMessage
    ) -> None:
        chat = make_chat(lambda _: reply.model_copy(deep=True))
        chat.invoke("capital?")
        chat.invoke("capital?")
        assert chat.calls == 2
        assert len(reasons(events, "refused")) == 2

    def test_the_truncated_answer_of_the_responses_api(self, make_chat: MakeChat) -> None:
        cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        chat = make_chat(lambda _: AIMessage("Par", response_metadata={**cut}), finish={})
        chat.invoke("capital?")
        chat.invoke("capital?")
        assert chat.calls == 2


def call_tool(_: list[BaseMessage]) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Oslo"}, "id": "call_1"}])


class TestToolCalls:
    def test_they_are_not_stored(self, make_chat: MakeChat) -> None:
        chat = make_chat(call_tool, finish={"finish_reason": "tool_calls"})
        chat.invoke("weather?")
        chat.invoke("weather?")
        assert chat.calls == 2

    def test_those_of_a_repeatable_tool_are(self, make_chat: MakeChat) -> None:
        config = FabricConfig(repeatable_tools=frozenset({"weather"}))
        fabric = create_cache_fabric("memory", policy=ExactOnly(), config=config)
        chat = make_chat(
            call_tool, finish={"finish_reason": "tool_calls"}, cache=FabricCache(fabric)
        )
        answers = [chat.invoke("weather?") for _ in range(3)]
        fabric.sync.close()
        assert chat.calls == 1
        assert {call["name"] for answer in answers for call in answer.tool_calls} == {"weather"}
        assert len({answer.tool_calls[0]["id"] for answer in answers}) == 3


class TestUnstableSettings:
    def test_a_class_in_the_settings_bypasses_and_is_counted(
        self, make_chat: MakeChat, events: list[Event]
    ) -> None:
        class Schema(BaseModel):
            city: str

        chat = make_chat()
        for _ in range(2):
            chat.bind(response_format=Schema).invoke("capital?")
        assert chat.calls == 2
        lookups = [event for event in events if isinstance(event, LookupEvent)]
        assert [(event.outcome, event.model) for event in lookups] == [("bypass", "fake-1")] * 2
        assert not [event for event in events if isinstance(event, StoreEvent)]

    def test_a_schema_given_as_a_dict_is_cached(self, make_chat: MakeChat) -> None:
        chat = make_chat()
        schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
        for _ in range(2):
            chat.bind(response_format=schema).invoke("capital?")
        assert chat.calls == 1


def test_no_secret_reaches_the_disk(make_chat: MakeChat, tmp_path: Path) -> None:
    canary = "sk-canary-5f2a"
    fabric = create_cache_fabric("local", path=tmp_path)

    def reply(_: list[BaseMessage]) -> AIMessage:
        return AIMessage("Paris.", response_metadata={"headers": {"set-cookie": canary}})

    chat = make_chat(reply, cache=FabricCache(fabric))
    for _ in range(2):
        chat.invoke("capital?", api_key=canary, extra_headers={"Authorization": canary})
    fabric.sync.close()
    stored = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert chat.calls == 1
    assert any(b"Paris." in data for data in stored)
    assert not any(canary.encode() in data for data in stored)


def test_an_answer_survives_the_process(make_chat: MakeChat, tmp_path: Path) -> None:
    for _ in range(2):
        fabric = create_cache_fabric("local", path=tmp_path)
        chat = make_chat(cache=FabricCache(fabric))
        answer = chat.invoke("capital?")
        fabric.sync.close()
    assert chat.calls == 0
    assert mark(answer)["tier"] == "exact"


def test_a_plain_generation_is_no_answer_to_messages(
    make_chat: MakeChat, cache: FabricCache
) -> None:
    chat = make_chat()
    prompt, llm_string = dumps([HumanMessage("capital?")]), chat._get_llm_string()
    cache.update(prompt, llm_string, [Generation(text="Rome.")])
    assert chat.invoke("capital?").content == "Paris."
