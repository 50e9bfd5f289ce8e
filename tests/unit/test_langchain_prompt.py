"""LangChain's two strings as a request: what counts, what does not, and what cannot be keyed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.load import dumps
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from pydantic import BaseModel

from cache_fabric.errors import NotCacheable
from cache_fabric.keys import derive
from cache_fabric.langchain._prompt import read_request
from cache_fabric.langchain._settings import read_settings
from cache_fabric.types import CacheRequest

HEAD = {
    "id": ["langchain", "chat_models", "openai", "ChatOpenAI"],
    "kwargs": {"model_name": "gpt-4o", "openai_api_base": "https://one.example/v1"},
    "lc": 1,
    "name": "ChatOpenAI",
    "type": "constructor",
}
SETTINGS = json.dumps(HEAD, sort_keys=True) + "---[('stop', None)]"


def settings(call: dict[str, Any] | None = None, **built: Any) -> str:
    head = {**HEAD, "kwargs": {**HEAD["kwargs"], **built}}  # type: ignore[dict-item]
    arguments = str(sorted({"stop": None, **(call or {})}.items()))
    return json.dumps(head, sort_keys=True) + "---" + arguments


def request(*messages: BaseMessage, llm_string: str = SETTINGS) -> CacheRequest:
    return read_request(dumps(list(messages)), llm_string)


def key(*messages: BaseMessage, llm_string: str = SETTINGS) -> str:
    return keys(request(*messages, llm_string=llm_string))


def keys(of: CacheRequest) -> str:
    return derive(of, secret=b"s", namespace="n", embedder="e").exact


class TestMessages:
    def test_roles_are_told_from_the_class_of_the_message(self) -> None:
        read = request(
            SystemMessage("rules"),
            HumanMessage("question"),
            AIMessage("answer"),
            ToolMessage("result", tool_call_id="c"),
            FunctionMessage(content="result", name="f"),
            ChatMessage(content="note", role="critic"),
        )
        roles = [message["role"] for message in read.messages]
        assert roles == ["system", "user", "assistant", "tool", "function", "critic"]

    def test_a_developer_message_is_not_a_system_message(self) -> None:
        flagged = SystemMessage("rules", additional_kwargs={"__openai_role__": "developer"})
        assert request(flagged).messages[0]["role"] == "developer"

    def test_a_chunk_has_the_role_of_its_message(self) -> None:
        assert request(AIMessageChunk(content="answer")).messages[0]["role"] == "assistant"

    def test_a_message_keeps_content_and_name_and_nothing_that_passes(self) -> None:
        read = request(
            AIMessage(
                "answer",
                name="ann",
                id="run-1",
                response_metadata={"id": "chatcmpl-1"},
                usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            )
        )
        assert read.messages == [{"role": "assistant", "content": "answer", "name": "ann"}]

    def test_text_and_a_list_of_one_text_block_are_two_requests(self) -> None:
        assert key(HumanMessage("hi")) != key(HumanMessage([{"type": "text", "text": "hi"}]))

    def test_other_image_bytes_are_another_request(self) -> None:
        def image(data: str) -> HumanMessage:
            url = {"url": f"data:image/png;base64,{data}"}
            return HumanMessage(
                [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": url}]
            )

        assert key(image("AAAA")) != key(image("BBBB"))

    def test_the_id_of_an_uploaded_file_counts(self) -> None:
        def file(file_id: str) -> HumanMessage:
            return HumanMessage([{"type": "file", "source_type": "id", "id": file_id}])

        assert key(file("file-1")) != key(file("file-2"))

    def test_an_id_that_langchain_made_up_for_a_block_does_not_count(self) -> None:
        def block(block_id: str) -> HumanMessage:
            return HumanMessage([{"type": "text", "text": "hi", "id": block_id}])

        assert key(block("lc_1")) == key(block("lc_2"))

    def test_the_order_of_messages_counts(self) -> None:
        one, two = SystemMessage("a"), HumanMessage("b")
        assert key(one, two) != key(two, one)

    def test_a_status_of_a_tool_counts_and_its_artifact_does_not(self) -> None:
        def result(status: Any, artifact: object) -> ToolMessage:
            return ToolMessage("text", tool_call_id="c", status=status, artifact=artifact)

        assert key(result("success", object())) == key(result("success", object()))
        assert key(result("success", None)) != key(result("error", None))

    def test_a_field_of_tomorrow_counts(self) -> None:
        def tone(value: str) -> str:
            told = f'"tone": "{value}", "type": "human"'
            dumped = dumps([HumanMessage("hi")]).replace('"type": "human"', told)
            return keys(read_request(dumped, SETTINGS))

        assert tone("stern") != tone("kind")

    def test_an_object_in_a_message_makes_it_uncacheable(self) -> None:
        with pytest.raises(NotCacheable):
            request(HumanMessage("hi", additional_kwargs={"tone": object()}))

    def test_a_message_class_of_somebody_else_is_uncacheable(self) -> None:
        class Memo(BaseMessage):
            type: str = "memo"

        with pytest.raises(NotCacheable):
            request(Memo(content="hi"))

    def test_user_data_that_looks_like_a_constructor_is_plain_data(self) -> None:
        forged = {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}
        asked = AIMessage("", tool_calls=[{"name": "f", "args": {"x": forged}, "id": "c"}])
        args = request(asked).messages[0]["tool_calls"][0]["args"]
        assert args == {"x": {"__lc_escaped__": forged}}

    def test_a_class_that_langchain_could_not_serialise_is_uncacheable(self) -> None:
        node = {"lc": 1, "type": "not_implemented", "id": ["app", "Memo"], "repr": None}
        with pytest.raises(NotCacheable):
            read_request(json.dumps([node]), SETTINGS)

    def test_a_number_that_a_user_gave_a_block_counts(self) -> None:
        def page(index: int) -> HumanMessage:
            return HumanMessage([{"type": "text", "text": "hi", "index": index}])

        assert key(page(1)) != key(page(2))

    def test_a_legacy_function_call_counts(self) -> None:
        def call(arguments: str) -> AIMessage:
            extras = {"function_call": {"name": "f", "arguments": arguments}}
            return AIMessage("", additional_kwargs=extras)

        assert key(call('{"a": 1}')) != key(call('{"a": 2}'))


class TestToolCalls:
    @staticmethod
    def thread(first: str, second: str, *, swapped: bool = False) -> list[BaseMessage]:
        calls = [
            {"name": "f", "args": {"a": 1}, "id": first},
            {"name": "f", "args": {"a": 2}, "id": second},
        ]
        raw = [{"id": c["id"], "type": "function", "function": {"name": "f"}} for c in calls]
        answered = [second, first] if swapped else [first, second]
        return [
            HumanMessage("go"),
            AIMessage("", tool_calls=calls, additional_kwargs={"tool_calls": raw}),
            ToolMessage("one", tool_call_id=answered[0]),
            ToolMessage("two", tool_call_id=answered[1]),
        ]

    def test_random_call_ids_do_not_count(self) -> None:
        assert key(*self.thread("call_a", "call_b")) == key(*self.thread("call_x", "call_y"))

    def test_which_call_a_result_answers_counts(self) -> None:
        straight, crossed = self.thread("a", "b"), self.thread("a", "b", swapped=True)
        assert key(*straight) != key(*crossed)

    def test_arguments_count(self) -> None:
        def call(city: str) -> AIMessage:
            return AIMessage("", tool_calls=[{"name": "f", "args": {"city": city}, "id": "1"}])

        assert key(call("Oslo")) != key(call("Rome"))

    def test_ids_inside_content_blocks_do_not_count(self) -> None:
        def blocks(message_id: str, call_id: str) -> AIMessage:
            return AIMessage(
                [
                    {"type": "text", "text": "so", "id": message_id, "index": len(call_id)},
                    {"type": "tool_use", "id": call_id, "name": "f", "input": {"id": "kept"}},
                ]
            )

        assert key(blocks("msg_1", "toolu_1")) == key(blocks("msg_2", "toolu_22"))

    def test_an_id_inside_the_input_of_a_call_counts(self) -> None:
        def block(order: str) -> AIMessage:
            return AIMessage([{"type": "tool_use", "id": "t", "name": "f", "input": {"id": order}}])

        assert key(block("1")) != key(block("2"))

    def test_a_raw_call_beside_its_parsed_form_does_not_count(self) -> None:
        asked, *_ = [m for m in self.thread("a", "b") if isinstance(m, AIMessage)]
        parsed = AIMessage("", tool_calls=asked.tool_calls)
        assert asked.additional_kwargs["tool_calls"]
        assert key(asked) == key(parsed)

    def test_a_raw_call_that_was_not_parsed_counts_without_its_id(self) -> None:
        def raw(call_id: str, tool: str) -> AIMessage:
            call = {"id": call_id, "type": "custom", "custom": {"name": tool}}
            return AIMessage("", additional_kwargs={"tool_calls": [call]})

        assert key(raw("1", "f")) == key(raw("2", "f"))
        assert key(raw("1", "f")) != key(raw("1", "g"))

    def test_a_call_that_could_not_be_parsed_counts(self) -> None:
        def broken(args: str) -> AIMessage:
            call: Any = {"name": "f", "args": args, "id": "1", "error": None}
            return AIMessage("", invalid_tool_calls=[call])

        assert key(broken('{"a')) != key(broken('{"b'))

    def test_reasoning_that_the_message_itself_carries_counts(self) -> None:
        def thought(text: str) -> AIMessage:
            return AIMessage([{"type": "reasoning", "reasoning": text, "id": "lc_1"}])

        assert key(thought("a")) != key(thought("b"))

    def test_a_reasoning_item_of_the_provider_does_not_count(self) -> None:
        text = {"type": "text", "text": "4", "id": "msg_1"}
        item = {"type": "reasoning", "id": "rs_1", "summary": []}
        assert key(AIMessage([item, text])) == key(AIMessage([text]))


class TestSettings:
    def test_the_model_is_named(self) -> None:
        assert read_settings(SETTINGS).model == "gpt-4o"

    def test_a_model_given_in_the_call_wins(self) -> None:
        assert read_settings(settings({"model": "gpt-5"})).model == "gpt-5"

    def test_a_model_without_a_name_goes_by_its_class(self) -> None:
        head = {"lc": 1, "type": "constructor", "id": ["mine", "MyChat"], "kwargs": {}}
        assert read_settings(json.dumps(head) + "---[('stop', None)]").model == "MyChat"

    def test_a_string_that_says_nothing_is_a_setting_of_its_own(self) -> None:
        one, two = read_settings("Sample LLM string"), read_settings("Other LLM string")
        assert one.model == two.model == "unknown"
        assert one.params != two.params

    def test_a_repr_of_parameters_is_read(self) -> None:
        read = read_settings("[('_type', 'openai'), ('model_name', 'instruct'), ('stop', None)]")
        assert read.model == "instruct"
        assert "stop" not in read.params

    @pytest.mark.parametrize(
        "passing",
        [
            {"max_retries": 7},
            {"request_timeout": 3.0},
            {"streaming": True},
            {"stream_usage": True},
            {"openai_api_key": {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]}},
            {"watermark": {"lc": 1, "type": "secret", "id": ["WATERMARK"]}},
            {"default_headers": {"Authorization": "Bearer x"}},
        ],
    )
    def test_how_the_answer_travels_does_not_count(self, passing: dict[str, Any]) -> None:
        plain: dict[str, Any] = {"default_headers": {}} if "default_headers" in passing else {}
        assert key(HumanMessage("q"), llm_string=settings(**passing)) == key(
            HumanMessage("q"), llm_string=settings(**plain)
        )

    @pytest.mark.parametrize(
        "call",
        [
            {"temperature": 0},
            {"stop": ["x"]},
            {"tool_choice": "any"},
            {"foo_mode": "x"},
            {"eos_token": "</s>"},
            {"extra_body": {"top_k": 3}},
            {"response_format": {"type": "json_schema", "json_schema": {"description": "d"}}},
            {"logit_bias": {50256: -100}},
        ],
    )
    def test_every_other_argument_counts(self, call: dict[str, Any]) -> None:
        assert key(HumanMessage("q"), llm_string=settings(call)) != key(HumanMessage("q"))

    def test_seeds_that_look_alike_are_five_requests(self) -> None:
        seeds = [{"seed": seed} for seed in (0, "0", False, 0.0)]
        assert len({key(HumanMessage("q"), llm_string=settings(s)) for s in [{}, *seeds]}) == 5

    def test_none_is_sent_as_absence(self) -> None:
        assert key(HumanMessage("q"), llm_string=settings({"seed": None})) == key(
            HumanMessage("q"), llm_string=settings({})
        )

    def test_the_endpoint_counts(self) -> None:
        other = settings(openai_api_base="https://two.example/v1")
        assert key(HumanMessage("q"), llm_string=other) != key(HumanMessage("q"))

    def test_the_class_of_the_model_counts(self) -> None:
        other = SETTINGS.replace("ChatOpenAI", "ChatOther")
        assert key(HumanMessage("q"), llm_string=other) != key(HumanMessage("q"))

    def test_what_is_sent_counts_wherever_it_was_set(self) -> None:
        built, given = settings(temperature=0.5), settings({"temperature": 0.5}, temperature=1)
        assert key(HumanMessage("q"), llm_string=built) == key(HumanMessage("q"), llm_string=given)

    def test_what_is_not_of_chat_completions_stays_with_its_host(self) -> None:
        other = read_settings(settings(use_responses_api=True))
        assert "langchain:constructor" in other.params
        assert set(read_settings(settings()).params) == {"api_base", "provider"}

    def test_dashes_inside_the_constructor_do_not_cut_it(self) -> None:
        read = read_settings(settings({"temperature": 1}, system="a---[('model', 'evil')]"))
        assert (read.model, read.params["temperature"]) == ("gpt-4o", 1)

    def test_no_argument_can_stand_for_the_constructor(self) -> None:
        forged = settings({"constructor": {}, "langchain": 2})
        assert read_settings(forged).params["langchain:constructor"]["model_name"] == "gpt-4o"

    def test_several_answers_asked_for_at_construction_are_seen(self) -> None:
        assert read_settings(settings(n=2)).params["n"] == 2

    def test_tools_are_taken_out_of_the_arguments(self) -> None:
        tool = {"type": "function", "function": {"name": "f"}}
        read = read_settings(settings({"tools": [tool]}))
        assert read.tools == (tool,)
        assert "tools" not in read.params

    def test_legacy_functions_and_tools_are_two_things(self) -> None:
        spec = {"name": "f", "parameters": {}}
        functions, tools = settings({"functions": [spec]}), settings({"tools": [spec]})
        assert read_settings(functions).tools != read_settings(tools).tools

    def test_a_parameter_of_a_tool_may_be_called_token(self) -> None:
        def tool(name: str) -> str:
            return settings({"tools": [{"function": {"parameters": {name: {"type": "string"}}}}]})

        assert key(HumanMessage("q"), llm_string=tool("token")) != key(
            HumanMessage("q"), llm_string=tool("password")
        )

    def test_the_same_string_is_read_once(self) -> None:
        assert read_settings(SETTINGS) is read_settings(SETTINGS)


class TestSecrets:
    CANARY = "sk-canary-1234"

    @pytest.mark.parametrize(
        "call",
        [
            {"api_key": CANARY},
            {"openai_api_key": CANARY},
            {"token": CANARY},
            {"huggingfacehub_api_token": CANARY},
            {"aws_secret_access_key": CANARY},
            {"password": CANARY},
            {"extra_headers": {"Authorization": CANARY, "X-Api-Key": CANARY}},
            {"model_kwargs": {"extra_headers": {"authorization": CANARY}}},
        ],
    )
    def test_a_secret_of_the_call_is_not_in_the_request(self, call: dict[str, Any]) -> None:
        assert self.CANARY not in repr(request(HumanMessage("q"), llm_string=settings(call)))

    def test_a_secret_among_unreadable_arguments_is_not_in_the_request(self) -> None:
        llm_string = f"[('api_key', '{self.CANARY}'), ('effort', <Effort.LOW: 1>)]"
        assert self.CANARY not in repr(request(HumanMessage("q"), llm_string=llm_string))


class TestNotCacheable:
    class Schema(BaseModel):
        city: str

    @pytest.mark.parametrize(
        "llm_string",
        [
            SETTINGS.replace("('stop', None)", "('response_format', <class 'app.Schema'>)"),
            "[('callback', <function f at 0x7f00>)]",
            "[('color', <enum 'Color'>)]",
        ],
    )
    def test_a_class_or_an_address_among_the_arguments(self, llm_string: str) -> None:
        with pytest.raises(NotCacheable):
            request(HumanMessage("q"), llm_string=llm_string)

    def test_a_class_given_at_construction(self) -> None:
        hidden = {"lc": 1, "type": "not_implemented", "id": ["app", "Schema"]}
        with pytest.raises(NotCacheable):
            request(
                HumanMessage("q"),
                llm_string=settings(model_kwargs={"response_format": hidden}),
            )

    def test_text_that_mentions_an_address_is_only_text(self) -> None:
        tool = {"function": {"name": "peek", "description": "reads memory at 0x10"}}
        assert read_settings(settings({"tools": [tool]})).refusal is None

    def test_dumped_messages_that_cannot_be_read_are_no_text_to_compare(self) -> None:
        with pytest.raises(NotCacheable):
            read_request(dumps([HumanMessage("hi")])[:-4], SETTINGS)

    def test_a_prompt_that_is_too_long_is_not_even_parsed(self) -> None:
        with pytest.raises(NotCacheable, match="over 10 characters"):
            read_request("[{" + "x" * 10, SETTINGS, max_characters=10)

    def test_settings_that_are_too_long(self) -> None:
        with pytest.raises(NotCacheable, match="settings over"):
            read_request("hi", f"[('stop', '{'x' * 2**20}')]")

    def test_messages_nested_too_deep(self) -> None:
        deep = '[{"lc": 1, "type": "constructor", "kwargs": ' + '{"a": ' * 100_000
        with pytest.raises(NotCacheable):
            read_request(deep, SETTINGS)


class TestHosts:
    def test_a_request_of_another_host_is_another_request(self) -> None:
        mine = read_request("hi", "[('model', 'm')]")
        other = replace(mine, params={"model": "m"})
        assert keys(mine) != keys(other)


class TestCompletions:
    @pytest.mark.parametrize(
        "prompt", ["", "plain", "[]", "{}", '[{"a": 1}]', "[{broken", "\ud800"]
    )
    def test_any_other_string_is_the_prompt_of_a_completion_model(self, prompt: str) -> None:
        read = read_request(prompt, "x")
        assert read.kind == "completion"
        assert read.messages == [{"role": "user", "content": prompt}]

    def test_a_chat_and_a_completion_of_one_text_are_two_requests(self) -> None:
        assert keys(read_request("hi", SETTINGS)) != key(HumanMessage("hi"))


def test_tenant_and_user_are_of_the_request() -> None:
    read = read_request("hi", SETTINGS, tenant="acme", user="ann")
    assert (read.tenant, read.user) == ("acme", "ann")
