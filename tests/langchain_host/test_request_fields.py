"""Every field of a request, changed in turn: what makes another request and what does not.

The policy serves whatever is at all alike, so that only the key can keep two requests apart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr, create_model

from cache_fabric import CacheFabric, FabricConfig, Threshold, create_cache_fabric
from cache_fabric.langchain import FabricCache, cached
from fake_openai import Upstream, serving
from langchain_host.asks import (
    BASE,
    OTHERS,
    SAME,
    SCHEMAS,
    Ask,
    conversation,
    message,
    model,
    schema,
)

KEY = SecretStr("sk-1")


@pytest.fixture(scope="module")
def server() -> Iterator[Upstream]:
    with serving() as made:
        yield made


@pytest.fixture
def upstream(server: Upstream) -> Upstream:
    server.reset()
    return server


@pytest.fixture
def lax() -> Iterator[CacheFabric]:
    patient = FabricConfig(
        exact_timeout=30, semantic_timeout=30, repeatable_tools=frozenset({"lookup_stock", "Stock"})
    )
    fabric = create_cache_fabric("memory", policy=Threshold(0.1), config=patient)
    yield fabric
    fabric.sync.close()


@pytest.fixture(params=["cache", "wrapper"])
def ask(
    request: pytest.FixtureRequest, lax: CacheFabric, upstream: Upstream
) -> Callable[[Ask], AIMessage]:
    """Ask a model with this way of caching, made anew for each call."""

    def through(what: Ask) -> AIMessage:
        fields = {"base_url": upstream.url, **what.model}
        if request.param == "cache":
            chat = ChatOpenAI(**fields, cache=FabricCache(lax, **what.owner))
        else:
            chat = cached(ChatOpenAI(**fields), lax, **what.owner)
        return chat.bind(**what.bound).invoke(list(what.messages), config=what.config)

    return through


Asking = Callable[[Ask], AIMessage]


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS)
def test_a_changed_field_is_another_request(ask: Asking, upstream: Upstream, changed: Ask) -> None:
    first, other = ask(BASE), ask(changed)
    assert len(upstream.calls) == 2
    assert (ask(changed).text, ask(BASE).text) == (other.text, first.text)
    assert len(upstream.calls) == 2


def test_another_base_url_is_another_request(ask: Asking, upstream: Upstream) -> None:
    ask(BASE)
    ask(model(base_url=upstream.url.replace("127.0.0.1", "localhost")))
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("changed", SAME.values(), ids=SAME)
def test_what_the_model_does_not_see_changes_nothing(
    ask: Asking, upstream: Upstream, changed: Ask
) -> None:
    first = ask(BASE)
    assert ask(changed).text == first.text
    assert len(upstream.calls) == 1


def test_another_wording_of_the_question_may_be_served(ask: Asking, upstream: Upstream) -> None:
    first = ask(BASE)
    blocks: Any = copy.deepcopy(conversation()[-1].content)
    blocks[0]["text"] = "And how can I give this pan back to you?"
    again = ask(message(-1, content=blocks))
    assert again.text == first.text
    assert again.response_metadata["cache_fabric"]["tier"] == "semantic"
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("changed", SCHEMAS.values(), ids=SCHEMAS)
def test_another_schema_is_another_request(ask: Asking, upstream: Upstream, changed: Ask) -> None:
    first, other = ask(schema()), ask(changed)
    assert len(upstream.calls) == 2
    assert (ask(changed).text, ask(schema()).text) == (other.text, first.text)
    assert len(upstream.calls) == 2


def test_streams_and_plain_calls_are_the_same_request(lax: CacheFabric, upstream: Upstream) -> None:
    chat = cached(ChatOpenAI(**BASE.model, base_url=upstream.url), lax).bind(**BASE.bound)
    streamed = "".join(chunk.text for chunk in chat.stream(conversation()))
    assert chat.invoke(conversation()).text == streamed
    assert len(upstream.calls) == 1


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_class_of_the_same_name_with_other_fields_is_another_request(
    lax: CacheFabric, upstream: Upstream, method: Any
) -> None:
    chat = cached(ChatOpenAI(**BASE.model, base_url=upstream.url), lax)
    old = create_model("Stock", item=(str, ...), count=(int, ...))
    new = create_model("Stock", item=(str, ...), shelf=(str, ...))
    for kind in (old, new, old, new):
        answer = chat.with_structured_output(kind, method=method).invoke("How many pans?")
        assert type(answer) is kind
    assert len(upstream.calls) == 2


@pytest.mark.parametrize("way", ["cache", "wrapper"])
def test_an_address_of_the_environment_is_the_same_address_as_a_named_one(
    lax: CacheFabric, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def asked(**fields: Any) -> None:
        if way == "cache":
            chat = ChatOpenAI(model="gpt-4o", api_key=KEY, cache=FabricCache(lax), **fields)
        else:
            chat = cached(ChatOpenAI(model="gpt-4o", api_key=KEY, **fields), lax)
        chat.invoke("capital?")

    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
    asked()
    asked(base_url=upstream.url)
    assert len(upstream.calls) == 1
    monkeypatch.setenv("OPENAI_BASE_URL", upstream.url.replace("127.0.0.1", "localhost"))
    asked()
    assert len(upstream.calls) == 2
