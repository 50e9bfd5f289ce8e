"""On what terms LiteLLM's calls are answered from a fabric, and the request that a call makes."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cache_fabric.call_form import openai_params, plain
from cache_fabric.chat_form import canonical
from cache_fabric.errors import NotCacheable, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.litellm._arguments import counting_arguments
from cache_fabric.litellm._controls import Controls, read_controls
from cache_fabric.litellm._messages import message_nodes
from cache_fabric.litellm._tenants import end_user_of, metadata_of, tenant_of
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.seam import check_terms
from cache_fabric.types import CacheRequest
from cache_fabric.validation import check_id

__all__ = ["Asked", "Kind", "Name", "Terms", "kind_of"]

Kind = Literal["chat", "text", "responses", "embedding"]
Name = str | Callable[[Mapping[str, Any]], str | None] | None
"""A tenant or a user: a text, or a function of a call's arguments."""

_HOST = "litellm"  # keeps answers of two hosts apart; no argument of a call has a colon in it
_EMBEDDINGS = ("embedding", "aembedding")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call of LiteLLM as the fabric sees it.

    Attributes:
        provider: Who is asked.
        parses: Whether a class was given as the format of the answer.
    """

    kind: Kind
    request: CacheRequest
    controls: Controls
    provider: str
    parses: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What `enable` was given.

    Raises:
        ValidationError: A value is not usable; the message names the argument.
    """

    fabric: CacheFabric
    tenant: Name = None
    user: Name = None
    options: CacheOptions = NO_OPTIONS

    def __post_init__(self) -> None:
        check_terms(self.fabric, self.tenant, self.user, self.options)

    def read(self, kwargs: Mapping[str, Any]) -> Asked:
        """Return what a call asks.

        Raises:
            NotCacheable: It has no stable key, or a control that is not usable.
            ValidationError: A function named a tenant or a user that is no name.
        """
        kind = kind_of(kwargs)
        controls = read_controls(kwargs, self.options, self._longest())
        model, provider = _model_of(kwargs)
        params = counting_arguments(kwargs)
        base = _default_base(provider, kwargs)
        if base is not None:
            params["api_base"] = base
        tools = _tools_of(kwargs)
        shared = openai_params(params, tools) if provider == "openai" and kind == "chat" else None
        if shared is None:
            shared = {f"{_HOST}:form": 1, f"{_HOST}:call": kind, "provider": provider, **params}
        if controls.namespace is not None:
            shared["cache_fabric:namespace"] = controls.namespace
        request = CacheRequest(
            model=model,
            messages=_messages_of(kind, kwargs),
            tools=tools,
            params=shared,
            tenant=_asked(self.tenant, kwargs, "tenant", tenant_of),
            user=_asked(self.user, kwargs, "user", _nobody),
            kind="completion" if kind == "text" else "chat",
            options=_of_graph(controls.options, kwargs),
        )
        parses = isinstance(kwargs.get("response_format"), type)
        return Asked(kind, request, controls, provider, parses)

    def whose(self, kwargs: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return tenant and user of a call as far as they can be named, for its execution.

        The user is the end user that the proxy or the call names, where no rule names another:
        that only says whose the execution is, and keeps no answers apart.
        """
        tenant = _quietly(lambda: _asked(self.tenant, kwargs, "tenant", tenant_of))
        user = _quietly(lambda: _asked(self.user, kwargs, "user", end_user_of))
        return tenant, user

    def _longest(self) -> float | None:
        return self.options.ttl or self.fabric.config.ttl


def kind_of(kwargs: Mapping[str, Any]) -> Kind:
    """Return which of LiteLLM's functions was called; raises `NotCacheable` for any other."""
    if kwargs.get("messages") is not None:
        return "chat"
    if kwargs.get("input") is not None:
        logged = getattr(kwargs.get("litellm_logging_obj"), "call_type", None)
        return "embedding" if logged in _EMBEDDINGS else "responses"
    if kwargs.get("prompt") is not None:
        return "text"
    raise NotCacheable("a call without a prompt")


def _messages_of(kind: Kind, kwargs: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if kind == "chat":
        return canonical(message_nodes(kwargs["messages"]))
    if kind == "text":
        if not isinstance(kwargs["prompt"], str):
            raise NotCacheable("several prompts in one call")
        return [{"role": "user", "content": kwargs["prompt"]}]
    if kwargs.get("conversation") or kwargs.get("background") or kwargs.get("prompt"):
        raise NotCacheable("a response that rests on what the provider keeps")
    return [{"role": "input", "content": plain(kwargs["input"], "input")}]


def _tools_of(kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    tools = [*(kwargs.get("tools") or ())]
    tools += ({"function": function} for function in kwargs.get("functions") or ())
    return tuple(plain(tool, "tools") for tool in tools)


def _model_of(kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """Return the model's name without its provider, and the provider."""
    named = str(kwargs.get("model"))
    given = kwargs.get("custom_llm_provider")
    try:
        model, provider, *_ = importlib.import_module("litellm").get_llm_provider(
            named, custom_llm_provider=given, api_base=kwargs.get("api_base")
        )
    except Exception:  # noqa: BLE001 - LiteLLM says it itself when it makes the call
        return named, str(given or "unknown")
    return str(model), str(provider)


def _default_base(provider: str, kwargs: Mapping[str, Any]) -> str | None:
    """Return the server that OpenAI's models are asked at when the call does not say."""
    if provider != "openai" or kwargs.get("api_base") or kwargs.get("base_url"):
        return None
    set_globally = importlib.import_module("litellm").api_base
    environment = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    return set_globally or environment or None


def _asked(
    name: Name,
    kwargs: Mapping[str, Any],
    field: str,
    default: Callable[[Mapping[str, Any]], str | None],
) -> str | None:
    rule = default if name is None else name
    given = rule(kwargs) if callable(rule) else rule
    return None if given is None else check_id(given, field)


def _of_graph(options: CacheOptions, kwargs: Mapping[str, Any]) -> CacheOptions:
    """Return the options with the graph that a call's metadata names, for the figures alone."""
    graph = metadata_of(kwargs).get("cache_fabric_graph")
    if options.graph is not None or not isinstance(graph, str):
        return options
    try:
        return dataclasses.replace(options, graph=graph)
    except ValidationError:
        return options  # no call loses its answer for a label


def _quietly(name: Callable[[], str | None]) -> str | None:
    try:
        return name()
    except Exception:  # noqa: BLE001 - a rule is foreign code, and its fault was counted at the lookup
        return None


def _nobody(_: Mapping[str, Any]) -> None:
    return None
