"""LangChain's ``llm_string`` as the settings of a model: its name, its tools, its parameters.

The string is what ``BaseChatModel._get_llm_string`` writes: for serialisable models the JSON of
the constructor, ``---`` and the repr of the sorted call arguments; for other models, and for
completion models, only such a repr. Everything in it counts, but for two short lists: how the
answer travels (`_TRANSPORT`) and secrets. Nothing is executed: JSON and literals are read.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["ModelSettings", "holds_object", "kept", "read_settings"]

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
_MODEL_NAMES = (
    "model",
    "model_name",
    "model_id",
    "deployment_name",
    "azure_deployment",
    "deployment",
    "deployment_id",
    "repo_id",
)
_UNSTABLE = re.compile(r"<class '|<enum '| at 0x")
_MOST_CHARACTERS = 2**20
_HOST = "langchain"  # keeps answers of two hosts apart; no argument of a call has a colon in it


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What an ``llm_string`` says of the model and of the call.

    Attributes:
        model: Name of the model, else of its class, else ``"unknown"``.
        tools: Definitions of the tools that the model may call.
        params: Everything else that may change the answer, without secrets.
        refusal: Why nothing can be cached under this string, else ``None``.
    """

    model: str
    tools: tuple[Any, ...]
    params: Mapping[str, Any]
    refusal: str | None = None


@lru_cache(maxsize=128)
def read_settings(llm_string: str) -> ModelSettings:
    """Return the settings that a string stands for; the same string gives the same object."""
    if len(llm_string) > _MOST_CHARACTERS:
        return ModelSettings("unknown", (), {}, f"settings over {_MOST_CHARACTERS} characters")
    constructor, text = _split(llm_string)
    built = constructor.get("kwargs", {})
    call = _arguments(text)
    params: dict[str, Any] = {f"{_HOST}:form": 1}
    refusal = None
    if constructor:
        fields = kept({name: value for name, value in built.items() if not _is_marker(value)})
        params[f"{_HOST}:constructor"] = {"class": constructor.get("id"), **fields}
        if holds_object(fields):
            refusal = "the model is built with an object that has no stable key"
    if call is None:
        # Text that is not literals counts as it stands, and only as a digest: a secret in it
        # cannot be told by its name.
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        params[f"{_HOST}:arguments"] = digest
        if _UNSTABLE.search(text):
            refusal = "a class or an object among the arguments of the call has no stable key"
        call = {}
    tools = _taken_tools(call)
    params |= kept(call)
    if "n" not in params and "n" in built:
        params["n"] = built["n"]
    return ModelSettings(_model_name(call, constructor), tools, params, refusal)


def holds_object(value: Any) -> bool:
    """Say whether LangChain wrote "not implemented" for a part, which leaves only a class name."""
    if isinstance(value, dict):
        if value.get("lc") == 1 and value.get("type") == "not_implemented":
            return True
        return any(holds_object(item) for item in value.values())
    return isinstance(value, list) and any(holds_object(item) for item in value)


def _split(llm_string: str) -> tuple[dict[str, Any], str]:
    """Cut the constructor off; ``---`` may occur inside its JSON, so JSON decides where it ends."""
    if llm_string.startswith("{"):
        try:
            constructor, end = json.JSONDecoder().raw_decode(llm_string)
        except (ValueError, RecursionError):
            return {}, llm_string
        if isinstance(constructor.get("kwargs"), dict) and llm_string.startswith("---", end):
            return constructor, llm_string[end + 3 :]
    return {}, llm_string


def _arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments of a repr of sorted pairs, ``None`` when it is anything else."""
    if not text.startswith("["):
        return None
    try:
        arguments = dict(ast.literal_eval(text))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    if arguments.get("stop", ...) is None:
        del arguments["stop"]  # the core adds it to every call
    return arguments


def kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may change the answer: without the transport and without secrets."""
    return _without_secrets({k: v for k, v in settings.items() if k not in _TRANSPORT})


def _without_secrets(settings: Mapping[Any, Any]) -> dict[Any, Any]:
    """Drop secrets by name, here and in headers and the like; a tool may well have a "token"."""
    return {
        name: _without_secrets(value) if name in _CARRIERS and isinstance(value, dict) else value
        for name, value in settings.items()
        if not (isinstance(name, str) and _SECRET.search(name.lower().replace("-", "_")))
    }


def _is_marker(value: Any) -> bool:
    """Say whether LangChain took a secret out and wrote the name of its variable instead."""
    return isinstance(value, dict) and value.get("lc") == 1 and value.get("type") == "secret"


def _taken_tools(call: dict[str, Any]) -> tuple[Any, ...]:
    """Move the tools out of the arguments; a legacy function keeps a shape of its own."""
    tools: list[Any] = []
    if isinstance(call.get("tools"), list | tuple):
        tools += call.pop("tools")
    if isinstance(call.get("functions"), list | tuple):
        tools += ({"function": function} for function in call.pop("functions"))
    return tuple(tools)


def _model_name(call: Mapping[str, Any], constructor: Mapping[str, Any]) -> str:
    for source in (call, constructor.get("kwargs", {})):
        for name in _MODEL_NAMES:
            if isinstance(source.get(name), str) and source[name]:
                return str(source[name])
    path = constructor.get("id")
    label = path[-1] if isinstance(path, list) and path else call.get("_type")
    return label if isinstance(label, str) else "unknown"
