"""A structured response comes back as an object of the class that the agent has now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain.agents.middleware.types import ModelResponse
from langchain.agents.structured_output import (
    AutoStrategy,
    ProviderStrategy,
    StructuredOutputValidationError,
    ToolStrategy,
)
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field, create_model
from typing_extensions import TypedDict

from cache_fabric import CacheFabric
from cache_fabric.errors import CodecError
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.langchain import FabricMiddleware
from cache_fabric.langchain._agent_answer import read_response, to_agent_answer
from langchain_host.agents import QUESTION, AgentChat, Ask, agent_chat, calls, says


class City(BaseModel):
    """A city."""

    name: str
    people: int = 0


@dataclass
class Place:
    name: str


class Spot(TypedDict):
    name: str


PARIS: dict[str, Any] = {"name": "Paris", "people": 2}
JSON_SCHEMA = {
    "title": "Town",
    "description": "A town.",
    "type": "object",
    "properties": {"name": {"type": "string"}},
}
FORMATS = {
    "tool, pydantic": (ToolStrategy(City), City(**PARIS)),
    "tool, dataclass": (ToolStrategy(Place), Place("Paris")),
    "tool, typed dict": (ToolStrategy(Spot), {"name": "Paris"}),
    "tool, JSON schema": (ToolStrategy(JSON_SCHEMA), {"name": "Paris"}),
    "tool, union": (ToolStrategy(City | Place), City(**PARIS)),
    "provider, pydantic": (ProviderStrategy(City), City(**PARIS)),
    "provider, JSON schema": (ProviderStrategy(JSON_SCHEMA), {"name": "Paris"}),
    "auto": (AutoStrategy(City), City(**PARIS)),
    "a class": (City, City(**PARIS)),
}


@tool
def weather(city: str) -> str:
    """Say the weather of a city."""
    return "Sunny."


def fills_in(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
    """Answer as the schema asks for it, by its first tool or as JSON."""
    if "response_format" in bound:
        schema = bound["response_format"]["json_schema"]["schema"]
        return says(json.dumps({k: v for k, v in PARIS.items() if k in schema["properties"]}))
    function = bound["tools"][-1]["function"]
    if len(bound["tools"]) > 1 and function["name"] == "Place":
        function = bound["tools"][0]["function"]
    known = function["parameters"]["properties"]
    return calls((function["name"], {k: v for k, v in PARIS.items() if k in known}))


def make_agent(chat: AgentChat, fabric: CacheFabric, response_format: Any, **options: Any) -> Any:
    middleware = [*options.pop("before", []), FabricMiddleware(fabric), *options.pop("after", [])]
    return create_agent(
        chat,
        options.pop("tools", []),
        middleware=middleware,
        response_format=response_format,
        **options,
    )


def reasons(events: list[Event]) -> list[str]:
    return [e.reason for e in events if isinstance(e, StoreEvent) and e.outcome == "refused"]


@pytest.mark.parametrize(("response_format", "expected"), FORMATS.values(), ids=FORMATS)
def test_it_is_kept(exact: CacheFabric, ask: Ask, response_format: Any, expected: Any) -> None:
    chat = agent_chat(fills_in)
    agent = make_agent(chat, exact, response_format)
    first, second = [ask(agent, QUESTION) for _ in range(2)]
    assert chat.calls == 1
    assert first["structured_response"] == second["structured_response"] == expected
    assert type(second["structured_response"]) is type(expected)
    said = [[(m.type, m.content) for m in state["messages"]] for state in (first, second)]
    assert said[0] == said[1]


def test_a_reply_answers_the_call_of_its_own_message(exact: CacheFabric) -> None:
    agent = make_agent(agent_chat(fills_in), exact, ToolStrategy(City))
    ids = set()
    for _ in range(3):
        _, message, reply = agent.invoke(QUESTION)["messages"]
        assert reply.tool_call_id == message.tool_calls[0]["id"]
        ids |= {message.id, reply.id, reply.tool_call_id}
    assert len(ids) == 9


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy, AutoStrategy])
def test_a_class_with_other_fields_under_the_same_name_is_asked_for_anew(
    exact: CacheFabric, strategy: Any
) -> None:
    chat = agent_chat(fills_in)
    fields: list[dict[str, Any]] = [
        {"name": (str, ...)},
        {"name": (str, ...), "people": (int, 0)},
        {"name": (str, Field(description="in French"))},
        {"name": (str, ...)},
    ]
    kinds = [create_model("City", **{"__module__": __name__, **named}) for named in fields]
    for kind in kinds:
        answer = make_agent(chat, exact, strategy(kind)).invoke(QUESTION)["structured_response"]
        assert type(answer) is kind
    assert chat.calls == 3


def test_the_strategy_and_its_reply_count(exact: CacheFabric) -> None:
    chat = agent_chat(fills_in)
    for response_format in (
        ToolStrategy(City),
        ToolStrategy(City, tool_message_content="Noted."),
        ProviderStrategy(City),
        ProviderStrategy(City, strict=True),
        ToolStrategy(City),
    ):
        make_agent(chat, exact, response_format).invoke(QUESTION)
    assert chat.calls == 4


def test_a_kept_answer_that_no_longer_fits_is_a_miss(
    exact: CacheFabric, events: list[Event]
) -> None:
    """The same schema may be stricter in code than it says: then the model is asked again."""
    strict = [False]

    class Checked(City):
        def model_post_init(self, _: Any) -> None:
            if strict[0] and self.people == PARIS["people"]:
                raise ValueError("too few")

    chat = agent_chat(fills_in)
    agent = make_agent(chat, exact, ToolStrategy(Checked, handle_errors=False))
    agent.invoke(QUESTION)
    strict[0] = True
    chat._seen.rule = lambda messages, bound: calls(("Checked", {"name": "Paris", "people": 3}))
    answers = [agent.invoke(QUESTION)["structured_response"].people for _ in range(2)]
    assert (answers, chat.calls) == ([3, 3], 2)
    lookups = [(e.outcome, e.reason) for e in events if isinstance(e, LookupEvent)]
    # One call is one request: the hit that could not be read stays one.
    assert [outcome for outcome, _ in lookups] == ["miss", "hit", "hit"]


@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy])
def test_what_the_agent_could_not_read_is_not_kept(
    exact: CacheFabric, ask: Ask, strategy: Any
) -> None:
    """A retry must not be served the answer that failed."""
    said = [says("no JSON"), calls(("City", {"name": []}))]
    chat = agent_chat(lambda messages, bound: said[0 if "response_format" in bound else 1])
    options = {} if strategy is ProviderStrategy else {"handle_errors": False}
    agent = make_agent(chat, exact, strategy(City, **options))
    for _ in range(2):
        with pytest.raises(StructuredOutputValidationError):
            ask(agent, QUESTION)
    assert chat.calls == 2
    chat._seen.rule = fills_in
    assert ask(agent, QUESTION)["structured_response"] == City(**PARIS)


def test_what_the_agent_has_refused_is_not_kept(exact: CacheFabric, events: list[Event]) -> None:
    said = [calls(("City", {"name": []})), calls(("City", PARIS))] * 2
    chat = agent_chat(lambda messages, bound: said.pop(0))
    agent = make_agent(chat, exact, ToolStrategy(City))
    for _ in range(2):
        assert agent.invoke(QUESTION)["structured_response"] == City(**PARIS)
    assert reasons(events) == ["a structured response that the agent has refused"] * 2
    assert chat.calls == 3  # the second time round the corrected answer is a hit


def test_a_response_that_another_middleware_has_changed_is_not_kept(
    exact: CacheFabric, events: list[Event]
) -> None:
    @wrap_model_call
    def change(request: Any, handler: Any) -> Any:
        return ModelResponse(handler(request).result, City(name="Lyon"))

    chat = agent_chat(fills_in)
    agent = make_agent(chat, exact, ToolStrategy(City), after=[change])
    for _ in range(2):
        assert agent.invoke(QUESTION)["structured_response"] == City(name="Lyon")
    assert chat.calls == 2
    assert reasons(events) == ["a structured response that its message does not hold"] * 2


def test_a_schema_with_a_random_name_is_not_cacheable(
    exact: CacheFabric, events: list[Event]
) -> None:
    chat = agent_chat(fills_in)
    untitled = {name: value for name, value in JSON_SCHEMA.items() if name != "title"}
    agent = make_agent(chat, exact, ToolStrategy(untitled))
    for _ in range(2):
        assert agent.invoke(QUESTION)["structured_response"] == {"name": "Paris"}
    assert chat.calls == 2
    assert {e.outcome for e in events if isinstance(e, LookupEvent)} == {"bypass"}


def test_an_answer_that_also_calls_a_tool_is_not_kept(exact: CacheFabric) -> None:
    chat = agent_chat(lambda *_: calls(("City", PARIS), ("weather", {"city": "Paris"})))
    agent = make_agent(chat, exact, ToolStrategy(City), tools=[weather])
    for _ in range(2):
        assert agent.invoke(QUESTION)["structured_response"] == City(**PARIS)
    assert chat.calls == 2


def test_a_turn_without_a_structured_response_is_kept_as_such(exact: CacheFabric) -> None:
    chat = agent_chat(lambda *_: says("I do not know."))
    agent = make_agent(chat, exact, ToolStrategy(City))
    for _ in range(2):
        state = agent.invoke(QUESTION)
        assert state["messages"][-1].content == "I do not know."
        assert state.get("structured_response") is None
    assert chat.calls == 1


def kept(message: AIMessage) -> dict[str, Any]:
    """What is kept of a message alone."""
    answer, _ = to_agent_answer(ModelResponse([message]), None, ())
    payload: dict[str, Any] = answer.payload
    return payload


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"generations": []},
        {**kept(says("x")), "structured": "provider"},
        {**kept(says("x")), "structured": "tool"},
        {**kept(says("x")), "structured": "pickle"},
        {**kept(says("x")), "replies": [{"call": 7, "content": "x", "name": "y"}]},
        {**kept(calls(("City", PARIS))), "replies": [{"call": 0}]},
        {**kept(calls(("City", PARIS))), "replies": 7},
    ],
)
def test_a_payload_of_somebody_else_is_no_response(payload: Any) -> None:
    with pytest.raises(CodecError):
        read_response(payload, ToolStrategy(City), {})
