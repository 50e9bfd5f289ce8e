"""Generations as plain data and back: what is kept, what is not, what is made anew."""

from __future__ import annotations

import copy
import datetime
import enum
import json
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
)
from pydantic import BaseModel

from cache_fabric.codec import pack, unpack
from cache_fabric.errors import CodecError
from cache_fabric.langchain._answer import MARK, read_generations, to_answer
from cache_fabric.langchain._outcome import usage_of
from cache_fabric.types import Answer, Usage

TIER = {"tier": "exact"}


def chat(message: BaseMessage, **info: Any) -> ChatGeneration:
    return ChatGeneration(message=message, generation_info=info or None)


def answer(message: BaseMessage, **info: Any) -> Answer:
    return to_answer([chat(message, **info)], "chat")


def hit(message: BaseMessage, **info: Any) -> Any:
    """The message as a later caller gets it."""
    payload = unpack(pack(answer(message, **info).payload, b"s"), b"s")
    return read_generations(payload, "chat", TIER)[0].message  # type: ignore[attr-defined]


class TestRoundTrip:
    @pytest.mark.parametrize(
        "generation",
        [
            Generation(text="x"),
            Generation(text="x", generation_info={"finish_reason": "stop", "logprobs": None}),
            GenerationChunk(text="x", generation_info={"a": [1, {"b": 2.5}]}),
        ],
    )
    def test_a_plain_generation_comes_back_equal(self, generation: Generation) -> None:
        payload = to_answer([generation], "completion").payload
        (read,) = read_generations(payload, "completion", TIER)
        assert read == generation
        assert type(read) is type(generation)

    @pytest.mark.parametrize(
        "message",
        [
            AIMessage("text", name="ann"),
            AIMessage(["text", {"type": "thinking", "thinking": "so", "signature": "s"}]),
            AIMessage([{"type": "text", "text": "hi", "annotations": [{"file_id": "f"}]}]),
            AIMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]),
            AIMessage("{}", additional_kwargs={"reasoning_content": "so", "parsed": {"a": 1}}),
            HumanMessage("echo"),
            SystemMessage("echo"),
            ChatMessage(content="echo", role="critic"),
        ],
    )
    def test_a_message_comes_back_with_all_that_an_application_reads(
        self, message: BaseMessage
    ) -> None:
        read = hit(message)
        assert type(read) is type(message)
        for name in ("content", "name", "additional_kwargs"):
            assert getattr(read, name) == getattr(message, name)

    def test_usage_comes_back_with_its_details(self) -> None:
        usage: Any = {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4},
            "output_token_details": {"reasoning": 2},
        }
        assert hit(AIMessage("x", usage_metadata=usage)).usage_metadata == usage

    def test_usage_that_nobody_reported_is_complete_and_zero(self) -> None:
        assert hit(AIMessage("x")).usage_metadata == {
            "input_tokens": 0,
            "output_tokens": 0,
            "total_tokens": 0,
        }

    def test_usage_that_another_cache_left_behind_is_completed(self) -> None:
        message = AIMessage("x").model_copy(update={"usage_metadata": {"total_cost": 0}})
        assert hit(message).usage_metadata["total_tokens"] == 0

    def test_a_streamed_answer_comes_back_as_a_whole_one(self) -> None:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content="x"))
        (read,) = read_generations(to_answer([chunk], "chat").payload, "chat", TIER)
        assert type(read) is ChatGeneration
        assert type(read.message) is AIMessage

    def test_an_attribute_that_an_integration_added_comes_back(self) -> None:
        assert hit(AIMessage("x", verdict="fine")).verdict == "fine"

    def test_several_generations_keep_their_order(self) -> None:
        made = [chat(AIMessage("one")), chat(AIMessage("two")), chat(AIMessage("three"))]
        read = read_generations(to_answer(made, "chat").payload, "chat", TIER)
        assert [generation.text for generation in read] == ["one", "two", "three"]

    def test_a_pydantic_object_comes_back_as_its_fields(self) -> None:
        class City(BaseModel):
            name: str

        read = hit(AIMessage("{}", additional_kwargs={"parsed": City(name="Oslo")}))
        assert read.additional_kwargs["parsed"] == {"name": "Oslo"}

    def test_user_data_that_looks_like_a_constructor_stays_data(self) -> None:
        forged = {"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"a": 1}}
        secret = {"lc": 1, "type": "secret", "id": ["HOME"]}
        message = AIMessage([{"type": "text", "text": "x", "forged": forged, "secret": secret}])
        assert hit(message).content == message.content

    def test_enums_and_numbers_of_other_libraries_become_plain(self) -> None:
        class Reason(str, enum.Enum):  # noqa: UP042 - what older integrations write
            STOP = "stop"

        class Count(enum.IntEnum):
            TWO = 2

        metadata = {"reason": Reason.STOP, "count": Count.TWO, "score": np.float64(0.5)}
        read = hit(AIMessage("x", response_metadata=metadata)).response_metadata
        plain = [(value, type(value)) for name, value in read.items() if name != MARK]
        assert plain == [("stop", str), (2, int), (0.5, float)]


class TestMark:
    def test_a_chat_answer_is_marked_in_both_places(self) -> None:
        payload = answer(AIMessage("x"), finish_reason="stop").payload
        (read,) = read_generations(payload, "chat", TIER)
        assert read.generation_info == {"finish_reason": "stop", MARK: TIER}
        assert read.message.response_metadata[MARK] == TIER  # type: ignore[attr-defined]

    def test_the_mark_of_an_earlier_hit_is_not_kept(self) -> None:
        served = AIMessage("x", response_metadata={MARK: {"tier": "old"}})
        assert "old" not in json.dumps(answer(served, **{MARK: {"tier": "old"}}).payload)


class TestFreshIds:
    def test_every_hit_has_a_message_id_of_its_own(self) -> None:
        message = AIMessage("x", id="run-1")
        assert len({"run-1", hit(message).id, hit(message).id}) == 3

    def test_ids_of_the_provider_are_gone(self) -> None:
        message = AIMessage(
            [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "text", "text": "x", "id": "msg_1"},
                {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f"},
                {"type": "tool_call", "id": "c", "name": "f", "extras": {"item_id": "fc_2"}},
            ],
            id="resp_1",
            additional_kwargs={
                "__openai_function_call_ids__": {"call_1": "fc_1"},
                "reasoning": {"id": "rs_1", "summary": []},
            },
            response_metadata={"id": "resp_1", "model_name": "m"},
        )
        told = json.dumps(answer(message, id="resp_1").payload)
        assert [i for i in ("rs_1", "msg_1", "fc_1", "fc_2", "resp_1") if i in told] == []

    def test_tool_calls_get_one_new_id_in_all_places(self) -> None:
        message = AIMessage(
            [
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"id": "c1"}},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            ],
            tool_calls=[{"name": "f", "args": {"id": "c1"}, "id": "c1"}],
            additional_kwargs={
                "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}],
                "__gemini_function_call_thought_signatures__": {"c1": "signature"},
            },
        )
        first, second = hit(message), hit(message)
        fresh = first.tool_calls[0]["id"]
        assert len({"c1", fresh, second.tool_calls[0]["id"]}) == 3
        assert first.content[0]["id"] == first.content[1]["call_id"] == fresh
        assert first.additional_kwargs["tool_calls"][0]["id"] == fresh
        signatures = first.additional_kwargs["__gemini_function_call_thought_signatures__"]
        assert signatures == {fresh: "signature"}

    def test_arguments_keep_what_looks_like_an_id(self) -> None:
        message = AIMessage(
            [{"type": "tool_use", "id": "c1", "name": "f", "input": {"id": "c1"}}],
            tool_calls=[{"name": "f", "args": {"id": "c1"}, "id": "c1"}],
        )
        read = hit(message)
        assert read.tool_calls[0]["args"] == read.content[0]["input"] == {"id": "c1"}

    def test_response_headers_are_not_kept(self) -> None:
        message = AIMessage("x", response_metadata={"headers": {"set-cookie": "secret"}})
        assert "secret" not in json.dumps(answer(message).payload)


class TestPrivateCopies:
    def test_the_caller_may_change_what_was_kept(self) -> None:
        message = AIMessage([{"type": "text", "text": "x"}], response_metadata={"a": [1]})
        kept = answer(message)
        before = copy.deepcopy(kept.payload)
        message.content[0]["text"] = "changed"  # type: ignore[index]
        message.response_metadata["a"].append(2)
        assert kept.payload == before

    def test_two_marks_are_two_objects(self) -> None:
        (read,) = read_generations(answer(AIMessage("x")).payload, "chat", TIER)
        assert read.generation_info is not None
        read.generation_info[MARK]["tier"] = "changed"
        assert read.message.response_metadata[MARK] == TIER  # type: ignore[attr-defined]


class TestPlainData:
    def test_metadata_that_is_no_plain_data_is_left_out(self) -> None:
        metadata = {"at": datetime.datetime(2024, 1, 1), "logprob": float("-inf"), "model": "m"}
        read = hit(AIMessage("x", response_metadata=metadata))
        assert read.response_metadata == {"model": "m", MARK: TIER}

    @pytest.mark.parametrize(
        "message",
        [
            AIMessage("x", additional_kwargs={"parsed": object()}),
            AIMessage([{"type": "audio", "data": b"\x00"}]),
            AIMessage("x", tool_calls=[{"name": "f", "args": {"when": object()}, "id": "1"}]),
            ToolMessage("x", tool_call_id="1"),
            type("Own", (AIMessage,), {})("x"),
        ],
    )
    def test_an_answer_that_is_no_plain_data_is_not_kept(self, message: BaseMessage) -> None:
        assert answer(message).error is not None

    def test_an_answer_that_holds_itself_is_not_kept(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        assert answer(AIMessage("x", additional_kwargs={"a": endless})).error is not None


class TestOutcome:
    def test_the_text_is_that_of_the_first_generation(self) -> None:
        assert to_answer([chat(AIMessage("one")), chat(AIMessage("two"))], "chat").text == "one"

    @pytest.mark.parametrize(
        ("info", "metadata", "reason"),
        [
            ({"finish_reason": "stop"}, {}, "stop"),
            ({}, {"finish_reason": "length"}, "length"),
            ({}, {"stop_reason": "end_turn"}, "end_turn"),
            ({}, {"stopReason": "max_tokens"}, "max_tokens"),
            ({"done_reason": "stop"}, {}, "stop"),
            ({}, {"status": "completed"}, "completed"),
            (
                {},
                {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
                "max_output_tokens",
            ),
            ({"finish_reason": None}, {}, None),
            ({}, {"status": "success"}, None),
            ({}, {}, None),
        ],
    )
    def test_the_finish_reason_is_found_where_providers_put_it(
        self, info: dict[str, Any], metadata: dict[str, Any], reason: str | None
    ) -> None:
        message = AIMessage("x", response_metadata=metadata)
        assert answer(message, **info).finish_reasons == (reason,)

    def test_every_alternative_names_its_finish_reason(self) -> None:
        made = [chat(AIMessage("a"), finish_reason="stop"), chat(AIMessage("b"))]
        assert to_answer(made, "chat").finish_reasons == ("stop", None)

    @pytest.mark.parametrize(
        "message",
        [
            AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "1"}]),
            AIMessage("", additional_kwargs={"function_call": {"name": "search"}}),
            AIMessage([{"type": "server_tool_use", "name": "search", "id": "1"}]),
            AIMessage("x", additional_kwargs={"tool_outputs": [{"type": "search_call"}]}),
        ],
    )
    def test_the_tools_that_an_answer_used_are_named(self, message: AIMessage) -> None:
        (name,) = answer(message).tool_calls
        assert name in ("search", "search_call")

    def test_a_call_that_stands_in_two_places_is_named_once(self) -> None:
        block = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
        message = AIMessage([block], tool_calls=[{"name": "f", "args": {}, "id": "1"}])
        assert answer(message).tool_calls == ("f",)

    def test_a_complete_answer_has_no_error(self) -> None:
        assert answer(AIMessage("x")).error is None

    @pytest.mark.parametrize(
        "message",
        [
            AIMessage(""),
            AIMessage("  \n"),
            AIMessage([]),
            AIMessage("sorry", additional_kwargs={"refusal": "no"}),
            AIMessage([{"type": "refusal", "refusal": "no"}, {"type": "text", "text": "x"}]),
            AIMessage(
                "x", invalid_tool_calls=[{"name": "f", "args": "{", "id": "1", "error": "cut"}]
            ),
        ],
    )
    def test_an_empty_refused_or_broken_answer_has_an_error(self, message: AIMessage) -> None:
        assert answer(message).error is not None

    def test_one_empty_alternative_spoils_the_answer(self) -> None:
        assert to_answer([chat(AIMessage("x")), chat(AIMessage(""))], "chat").error is not None

    def test_no_generations_are_no_answer(self) -> None:
        assert to_answer([], "chat").error is not None

    def test_a_plain_generation_is_no_answer_to_messages(self) -> None:
        assert to_answer([Generation(text="x")], "chat").error is not None


class TestForeignPayloads:
    @pytest.mark.parametrize(
        "payload",
        [
            None,
            "text",
            7,
            [],
            {},
            {"generations": []},
            {"generations": [None]},
            {"generations": ["x"]},
            {"generations": [{"kind": "ChatGeneration"}]},
            {"generations": [{"kind": "Popen", "text": "x", "info": None}]},
            {"generations": [{"kind": ["Generation"], "text": "x", "info": None}]},
            {"generations": [{"kind": "Generation", "text": 3, "info": None}]},
            {"id": "chatcmpl-1", "choices": [{"message": {"content": "x"}}]},
        ],
    )
    def test_anything_else_is_refused(self, payload: Any) -> None:
        with pytest.raises(CodecError):
            read_generations(payload, "completion", TIER)

    def test_a_plain_generation_does_not_answer_messages(self) -> None:
        payload = to_answer([Generation(text="x")], "completion").payload
        with pytest.raises(CodecError):
            read_generations(payload, "chat", TIER)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("type", "tool"),
            ("content", 3),
            ("usage", {"input_tokens": "many"}),
            ("tool_calls", [{"name": "f"}]),
            ("response_metadata", None),
            ("extra", {"type": "human"}),
        ],
    )
    def test_a_message_with_a_wrong_field_is_refused(self, field: str, value: Any) -> None:
        payload = answer(AIMessage("x")).payload
        payload["generations"][0]["message"][field] = value
        with pytest.raises(CodecError):
            read_generations(payload, "chat", TIER)


class TestUsage:
    def test_tokens_are_those_of_the_first_alternative(self) -> None:
        usage: Any = {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_token_details": {"cache_read": 4, "cache_creation": 3},
            "output_token_details": {"reasoning": 2},
        }
        message = AIMessage("x", usage_metadata=usage)
        assert usage_of([chat(message), chat(message)]) == Usage(
            input_tokens=10,
            output_tokens=5,
            cache_read_tokens=4,
            cache_creation_tokens=3,
            reasoning_tokens=2,
        )

    @pytest.mark.parametrize(
        "generations",
        [
            [],
            [Generation(text="x")],
            [chat(AIMessage("x"))],
            [chat(AIMessage("x").model_copy(update={"usage_metadata": {"total_cost": 0}}))],
            [chat(HumanMessage(""))],
        ],
    )
    def test_unknown_tokens_are_unknown(self, generations: list[Generation]) -> None:
        assert usage_of(generations) is None
