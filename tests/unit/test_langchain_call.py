"""A live call has the key of its two strings, and classes count by what they say."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.load import dumps
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_openai import ChatOpenAI
from openai import OpenAI
from pydantic import BaseModel, SecretStr, create_model

from cache_fabric.errors import NotCacheable
from cache_fabric.keys import derive
from cache_fabric.langchain._call import read_call
from cache_fabric.langchain._prompt import read_request
from cache_fabric.types import CacheRequest

PICTURE = {"type": "image", "base64": "aGVsbG8=", "mime_type": "image/png"}
CONVERSATION: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage([{"type": "text", "text": "What is it?"}, PICTURE], id="h-1"),
    AIMessage(
        "",
        id="run-1",
        tool_calls=[{"name": "look", "args": {"at": [1, 2.5]}, "id": "call_9f"}],
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        response_metadata={"model_name": "gpt-x", "id": "resp_1"},
    ),
    ToolMessage("a cat", tool_call_id="call_9f", artifact=object(), status="success"),
    ChatMessage(content="hm", role="critic"),
    HumanMessage("And its name?", name="ann"),
]


def exact(request: CacheRequest) -> str:
    return derive(request, secret=b"s", namespace="n", embedder="e").exact


def openai(**fields: Any) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o-mini", api_key=SecretStr("sk-1"), **fields)


def of_strings(model: BaseChatModel, stop: list[str] | None, **arguments: Any) -> CacheRequest:
    return read_request(dumps(CONVERSATION), model._get_llm_string(stop=stop, **arguments))


def call(model: BaseChatModel, **arguments: Any) -> str:
    return exact(read_call(model, CONVERSATION, None, arguments))


def test_live_call_has_the_key_of_its_two_strings() -> None:
    model = openai(temperature=0.2, base_url="http://localhost/v1")
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    ours = read_call(model, CONVERSATION, ["END"], {"tools": tools, "seed": 3})
    assert exact(ours) == exact(of_strings(model, ["END"], tools=tools, seed=3))


def test_schema_class_counts_by_its_fields() -> None:
    model = openai()
    one = create_model("Reply", city=(str, ...))
    two = create_model("Reply", city=(str, ...), country=(str, ...))
    again = create_model("Reply", city=(str, ...))
    assert call(model, response_format=one) == call(model, response_format=again)
    assert call(model, response_format=one) != call(model, response_format=two)


def test_schema_class_differs_from_the_text_of_its_schema() -> None:
    model = openai()

    class Reply(BaseModel):
        city: str

    said = str(Reply.model_json_schema())
    assert call(model, response_format=Reply) != call(model, response_format=said)


def test_object_among_the_arguments_is_not_cacheable() -> None:
    with pytest.raises(NotCacheable, match="handler holds a value of class object"):
        call(openai(), handler=object())


def test_unserialisable_model_counts_by_all_its_fields() -> None:
    class Local(GenericFakeChatModel):
        messages: Any = None
        base_url: str = "http://one"
        api_key: str = "sk-1"

    assert call(Local()) == call(Local(api_key="sk-2"))
    assert call(Local()) != call(Local(base_url="http://two"))


def test_unserialisable_model_has_the_name_that_a_field_says() -> None:
    class Local(GenericFakeChatModel):
        messages: Any = None
        model: str = "local-1"

    assert read_call(Local(), CONVERSATION, None, {}).model == "local-1"
    assert read_call(Local(), CONVERSATION, None, {"model": "local-2"}).model == "local-2"


def test_unserialisable_model_with_an_object_is_not_cacheable() -> None:
    with pytest.raises(NotCacheable, match="model holds a value of class list_iterator"):
        call(GenericFakeChatModel(messages=iter([AIMessage("hi")])))


def test_field_that_changes_later_changes_the_key() -> None:
    model = openai(temperature=0.1, model_kwargs={"top_k": 1})
    keys = [call(model), call(model.model_copy(update={"temperature": 0.9}))]
    model.temperature = 0.5
    keys.append(call(model))
    model.model_kwargs["top_k"] = 2
    keys.append(call(model))
    assert len(set(keys)) == 4
    model.temperature, model.model_kwargs["top_k"] = 0.1, 1
    assert call(model) == keys[0]


def test_what_a_model_only_caches_is_no_part_of_its_key() -> None:
    class Local(GenericFakeChatModel):
        messages: Any = None

    model = Local()
    before = call(model)
    assert model._serialized
    assert call(model) == before


VARIABLES = {
    "OPENAI_BASE_URL": "http://localhost:1/v1",
    "OPENAI_PROJECT_ID": "proj_1",
    "OPENAI_ORG_ID": "org_1",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_address_that_only_the_environment_says_changes_the_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = call(openai())
    monkeypatch.setenv(name, VARIABLES[name])
    assert call(openai()) != usual


def test_address_that_only_a_client_says_changes_the_key() -> None:
    clients = [OpenAI(api_key="k", base_url=f"http://localhost:{port}/v1") for port in (1, 2)]
    models = [openai(), *(openai(client=client.chat.completions) for client in clients)]
    assert len({call(model) for model in models}) == 3
    moved = openai().model_copy(update={"openai_api_base": "http://localhost:1/v1"})
    assert call(moved) != call(openai(base_url="http://localhost:1/v1"))  # its client stayed


def test_headers_of_a_client_count_without_secrets() -> None:
    def by(**headers: str) -> str:
        client = OpenAI(api_key="k", default_headers=headers)
        return call(openai(client=client.chat.completions))

    assert by(version="1") != by(version="2")
    assert by(authorization="1") == by(authorization="2")
