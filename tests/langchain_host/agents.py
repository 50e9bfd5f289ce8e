"""A chat model that agents can use: it binds tools, counts its calls and answers by a rule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

Ask = Callable[..., Any]
QUESTION: Any = {"messages": [("user", "capital?")]}
Rule = Callable[[list[BaseMessage], dict[str, Any]], AIMessage]


def says(text: str) -> AIMessage:
    return AIMessage(
        text,
        response_metadata={"model_name": "agent-1", "finish_reason": "stop"},
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    )


def calls(*wanted: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A message that calls tools, under ids of its own as every provider's."""
    made = [{"name": n, "args": a, "id": f"call-{next_number()}"} for n, a in wanted]
    return AIMessage(text, tool_calls=made, response_metadata={"finish_reason": "tool_calls"})


_numbers = iter(range(10**9))


def next_number() -> int:
    return next(_numbers)


def paris(messages: list[BaseMessage], bound: dict[str, Any]) -> AIMessage:
    return says("Paris.")


@dataclass
class Seen:
    """Every call: its messages and what was bound."""

    rule: Rule = paris
    calls: list[tuple[list[BaseMessage], dict[str, Any]]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)


class AgentChat(BaseChatModel):
    """Serialisable, so that a cache sees its settings; a copy of it shares what it has seen."""

    model: str = "agent-1"
    temperature: float = 0.0

    _seen: Seen = PrivateAttr(default_factory=Seen)

    @property
    def calls(self) -> int:
        return len(self._seen.calls)

    @property
    def prompts(self) -> list[str]:
        """The system prompt of each call."""
        return [str(messages[0].text) for messages, _ in self._seen.calls]

    @property
    def bound(self) -> dict[str, Any]:
        """What was bound in the last call."""
        return self._seen.calls[-1][1]

    @property
    def _llm_type(self) -> str:
        return "agent-chat"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Any:
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        choice = {} if tool_choice is None else {"tool_choice": tool_choice}
        return self.bind(tools=formatted, **choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        with self._seen.lock:
            self._seen.calls.append((messages, kwargs))
        return ChatResult(generations=[ChatGeneration(message=self._seen.rule(messages, kwargs))])


def agent_chat(rule: Rule = paris, **fields: Any) -> AgentChat:
    chat = AgentChat(**fields)
    chat._seen.rule = rule
    return chat


class Heard(BaseCallbackHandler):
    """What callbacks are told: custom events, and the metadata of every model's run."""

    run_inline = True

    def __init__(self) -> None:
        self.hits: list[dict[str, Any]] = []
        self.contexts: list[Any] = []
        self.models = 0

    def on_custom_event(self, name: str, data: Any, **known: Any) -> None:
        assert name == "cache_fabric"
        self.hits.append(data)

    def on_chat_model_start(self, *args: Any, metadata: Any = None, **known: Any) -> None:
        self.models += 1
        self.contexts.append((metadata or {}).get("cache_fabric_context"))
