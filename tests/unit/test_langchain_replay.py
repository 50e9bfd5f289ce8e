"""A replay is a stream of the same answer, whatever the answer holds."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from cache_fabric.langchain._answer import read_generations, to_answer
from cache_fabric.langchain._replay import pause_of, replayed
from cache_fabric.langchain._whole import whole_result, whole_stream

plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
values = st.recursive(
    (plain | st.text(max_size=8)).filter(lambda v: v not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
calls = st.lists(
    st.builds(
        lambda name, args: {"name": name, "args": args, "type": "tool_call"},
        st.sampled_from(["look", "pay"]),
        st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=3),
    ),
    max_size=3,
).map(lambda made: [{**call, "id": f"call_{i}"} for i, call in enumerate(made)])
blocks = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=60))
    | st.builds(lambda data: {"type": "image", "base64": data}, st.text("abc=", max_size=8)),
    max_size=4,
)
contents = st.text(max_size=400) | blocks
METADATA = {"model_name": "m", "model_provider": "none", "finish_reason": "stop"}


def hit_of(message: AIMessage) -> ChatGeneration:
    payload = to_answer([ChatGeneration(message=message)], "chat").payload
    (generation,) = read_generations(payload, "chat", {"tier": "hot"})
    assert isinstance(generation, ChatGeneration)
    return generation


def merged(generation: ChatGeneration) -> AIMessageChunk:
    first, *others = replayed(generation)
    whole = first + others
    assert isinstance(whole.message, AIMessageChunk)
    return whole.message


def without_index(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [{k: v for k, v in block.items() if k != "index"} for block in content]


@given(contents, calls)
def test_merged_chunks_are_the_message(content: Any, tool_calls: Any) -> None:
    message = AIMessage(content, tool_calls=tool_calls, response_metadata=METADATA)
    hit = hit_of(message)
    whole = merged(hit)
    assert isinstance(hit.message, AIMessage)
    assert without_index(whole.content) == hit.message.content
    assert whole.tool_calls == hit.message.tool_calls
    assert whole.response_metadata == hit.message.response_metadata
    assert whole.usage_metadata == hit.message.usage_metadata


@given(st.text(min_size=1, max_size=5_000))
def test_pieces_end_where_words_end_and_are_not_too_many(text: str) -> None:
    pieces = [chunk.text for chunk in replayed(hit_of(AIMessage(text)))]
    assert "".join(pieces) == text
    assert len(pieces) <= 65


def test_every_word_of_a_short_text_is_a_piece() -> None:
    pieces = [chunk.text for chunk in replayed(hit_of(AIMessage("To be, or  not\nto be. ")))]
    assert pieces == ["To", " be,", " or", "  not", "\nto", " be.", " ", ""]


def test_last_chunk_tells_how_it_ended() -> None:
    *others, last = replayed(hit_of(AIMessage("To be.", response_metadata=METADATA)))
    assert isinstance(last.message, AIMessageChunk)
    assert last.message.chunk_position == "last"
    assert last.message.response_metadata["finish_reason"] == "stop"
    assert last.message.response_metadata["cache_fabric"] == {"tier": "hot"}
    assert last.message.usage_metadata is not None
    assert all("finish_reason" not in chunk.message.response_metadata for chunk in others)


def test_raw_calls_do_not_count_twice() -> None:
    function = {"name": "look", "arguments": '{"at": 1}'}
    raw = [{"id": "call_0", "type": "function", "function": function}]
    for text in ("", "I look."):
        extras = {"tool_calls": raw, "reasoning_content": "hm"}
        hit = hit_of(AIMessage(text, additional_kwargs=extras))
        whole = merged(hit)
        assert [call["args"] for call in whole.tool_calls] == [{"at": 1}]
        assert whole.additional_kwargs == hit.message.additional_kwargs


def test_call_that_stands_in_a_block_comes_with_its_block() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1}}
    call = {"name": "look", "args": {"at": 1}, "id": "toolu_1", "type": "tool_call"}
    hit = hit_of(AIMessage([{"type": "text", "text": "So."}, block], tool_calls=[call]))
    used = replayed(hit)[1]
    assert isinstance(used.message, AIMessageChunk)
    assert used.message.content[0]["input"] == {"at": 1}  # type: ignore[index]
    assert used.message.tool_call_chunks[0]["id"] == used.message.content[0]["id"]  # type: ignore[index]
    assert merged(hit).tool_calls == hit.message.tool_calls  # type: ignore[attr-defined]


def test_replay_is_kept_as_the_answer_that_it_replays() -> None:
    message = AIMessage("To be.", response_metadata=METADATA)
    kept = whole_result(ChatResult(generations=[ChatGeneration(message=message)]), None)
    again = whole_stream(replayed(hit_of(message)), None)
    assert to_answer(kept, "chat").text == to_answer(again, "chat").text
    assert to_answer(again, "chat").finish_reasons == ("stop",)


def test_pause_is_the_models_own_but_bounded() -> None:
    assert pause_of(None, 10) == 0
    assert pause_of(0.1, 10) == 0.01
    assert pause_of(60.0, 10) == 0.05


def test_texts_and_empty_lists_of_a_stream_are_one_text() -> None:
    parts: list[Any] = ["To ", "be.", []]
    chunks = [ChatGenerationChunk(message=AIMessageChunk(content=part)) for part in parts]
    chunks[1].generation_info = {"finish_reason": "stop"}
    chunks[2].message.response_metadata["output_version"] = "v1"
    (kept,) = whole_stream(chunks, "v1")
    assert kept.message.content == [{"type": "text", "text": "To be."}]
    assert chunks[0].message.content == "To "


def test_bare_text_in_a_list_is_replayed_as_a_block() -> None:
    first = replayed(hit_of(AIMessage(["To", {"type": "image", "base64": "a"}])))[0]
    assert first.message.content == [{"type": "text", "text": "To", "index": 0}]
