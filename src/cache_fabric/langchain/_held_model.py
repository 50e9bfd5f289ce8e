"""A chat model that holds another one, for classes that cannot be subclassed.

It answers as `cached` says, but it is not of the model's class, and serialises as no model does.
What the model's own methods return is given the holder in place of the model; a function that
they have closed over the model is not reached.
"""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from cache_fabric.langchain._upstream import Upstream

__all__ = ["HeldChatModel", "HeldUpstream", "holding"]

_SHARED = (
    *("callbacks", "custom_get_token_ids", "disable_streaming", "metadata", "name"),
    *("output_version", "profile", "rate_limiter", "tags", "verbose"),
)


class HeldChatModel(BaseChatModel):
    """Stands in for ``bound``; its subclasses have the hooks that ``bound`` has."""

    bound: BaseChatModel

    @property
    def _llm_type(self) -> str:
        return self.bound._llm_type

    @property
    def _identifying_params(self) -> Any:
        return self.bound._identifying_params

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return self.bound._get_ls_params(stop=stop, **kwargs)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self.bound._generate(messages, *args, **kwargs)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Return what the model binds, around this holder."""
        return _swapped(self.bound.bind_tools(tools, **kwargs), self)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        """Return what the model makes, around this holder."""
        return _swapped(self.bound.with_structured_output(schema, **kwargs), self)

    def get_token_ids(self, text: str) -> list[int]:
        """Count as the model does."""
        return self.bound.get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """Count as the model does."""
        return self.bound.get_num_tokens(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
        """Count as the model does."""
        return self.bound.get_num_tokens_from_messages(messages, tools)


class HeldUpstream(Upstream):
    """The hooks of a held model."""

    def plain(self, model: BaseChatModel) -> BaseChatModel:
        """Return the model inside a holder."""
        assert isinstance(model, HeldChatModel)
        return model.bound

    def _asking(self, plain: BaseChatModel) -> BaseChatModel:
        return plain


def holding(kind: type[HeldChatModel], model: BaseChatModel) -> HeldChatModel:
    """Return a holder of a model, with what LangChain itself reads of a model's fields."""
    shared: dict[str, Any] = {name: getattr(model, name, None) for name in _SHARED}
    return kind(bound=model, cache=False, **shared)


def _swapped(value: Any, holder: HeldChatModel) -> Any:
    """Return a runnable with the holder wherever its model stands, or a copy of that model."""
    if value is holder.bound:
        return holder
    if type(value) is type(holder.bound):
        return holder.model_copy(update={"bound": value})
    if isinstance(value, Runnable) and isinstance(value, BaseModel):
        fields = {name: _swapped(field, holder) for name, field in value.__dict__.items()}
        return value.model_copy(update=fields)
    if isinstance(value, dict):
        return {name: _swapped(item, holder) for name, item in value.items()}
    if isinstance(value, list):
        return [_swapped(item, holder) for item in value]
    return value
