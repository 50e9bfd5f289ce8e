"""Parameters of a model call as a key sees them, the same for every host.

Everything counts, but for two short lists: how the answer travels (`_TRANSPORT`) and secrets. What
is sent to OpenAI's chat completions has one spelling, so that hosts share its answers. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cache_fabric.errors import NotCacheable

__all__ = ["is_secret", "kept", "openai_params", "plain", "without_secrets"]

_LEAVES = (str, int, float, bytes, type(None))

_TRANSPORT = frozenset(
    {
        "async_client",
        "cache",
        "callback_manager",
        "callbacks",
        "client",
        "custom_get_token_ids",
        "default_request_timeout",
        "disable_streaming",
        "http_async_client",
        "http_client",
        "http_socket_options",
        "max_retries",
        "metadata",
        "name",
        "openai_proxy",
        "rate_limiter",
        "request_timeout",
        "root_async_client",
        "root_client",
        "stream",
        "stream_chunk_timeout",
        "stream_options",
        "stream_usage",
        "streaming",
        "tags",
        "timeout",
        "verbose",
    }
)
_CARRIERS = frozenset(
    {"default_headers", "default_query", "extra_body", "extra_headers", "extra_query", "headers"}
    | {"model_kwargs"}
)
_SECRET = re.compile(
    r"(^|_)(api_?key|access_key|access_key_id|private_key|secret|secret_key|passwd|password"
    r"|authorization|cookie|credentials?)$"
    r"|(^|_)(access|ad|api|auth|bearer|hub|id|refresh|security|session)_token(_provider)?$"
    r"|^token$"
)
_SPELLINGS = {
    "base_url": "api_base",
    "max_completion_tokens": "max_tokens",
    "openai_api_base": "api_base",
    "openai_organization": "organization",
    "default_headers": "extra_headers",
    "default_query": "extra_query",
    "stop_sequences": "stop",
}
_MODEL = frozenset({"model", "model_name"})
_OPENAI = frozenset(
    {
        "api_base",
        "extra_body",
        "extra_headers",
        "extra_query",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "n",
        "organization",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "tool_choice",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
    }
)
_REAL = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty"})


def kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may change the answer: without the transport and without secrets."""
    return without_secrets({k: v for k, v in settings.items() if k not in _TRANSPORT})


def without_secrets(settings: Mapping[Any, Any]) -> dict[Any, Any]:
    """Drop secrets by name, here and in headers and the like; a tool may well have a "token"."""
    return {
        name: without_secrets(value) if name in _CARRIERS and isinstance(value, dict) else value
        for name, value in settings.items()
        if not (isinstance(name, str) and is_secret(name))
    }


def plain(
    value: Any, name: str, fields_of: Callable[[Any], Any] = lambda model: model.model_dump()
) -> Any:
    """Return a value without classes and objects, a class as the schema that a provider is sent.

    Args:
        value: Of an argument or a field.
        name: What it is called, for the error.
        fields_of: Returns the fields that count of an object of pydantic.

    Raises:
        NotCacheable: It holds an object that has no stable key.
    """
    if isinstance(value, _LEAVES):
        return value
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return {"json_schema": value.model_json_schema()}
    if isinstance(value, Mapping):
        return {key: plain(item, name, fields_of) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return type(value)(plain(item, name, fields_of) for item in value)
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return plain(fields_of(value), name, fields_of)
    kind = value.__name__ if isinstance(value, type) else type(value).__name__
    raise NotCacheable(f"{name} holds a value of class {kind}, which has no stable key")


def is_secret(name: str) -> bool:
    """Say whether a field of this name holds a credential."""
    return _SECRET.search(name.lower().replace("-", "_")) is not None


def openai_params(params: Mapping[str, Any], tools: Sequence[Any] = ()) -> dict[str, Any] | None:
    """Return parameters of OpenAI's chat completions in one spelling, without the model's name.

    ``None`` is absence, one answer is what everybody gets, a whole number is a number.

    Returns:
        ``None`` where something among them, or a tool that the provider runs itself, is not of
        chat completions: then the answer has the form of its host, and stays with it.
    """
    spelled: dict[str, Any] = {"provider": "openai"}
    for given, value in params.items():
        name = _SPELLINGS.get(given, given)
        if value is None or name in _MODEL or (name == "n" and value == 1):
            continue
        if name not in _OPENAI or name in spelled:
            return None
        spelled[name] = _spelled(name, value)
    if all(isinstance(tool, Mapping) and tool.get("type") == "function" for tool in tools):
        return spelled
    return None


def _spelled(name: str, value: Any) -> Any:
    if name in _REAL and isinstance(value, int):
        return float(value)
    if name == "stop" and isinstance(value, str):
        return [value]
    return value
