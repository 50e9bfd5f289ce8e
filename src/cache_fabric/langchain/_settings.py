"""LangChain's ``llm_string`` as the settings of a model: its name, its tools, its parameters.

The string is what ``BaseChatModel._get_llm_string`` writes: for serialisable models the JSON of
the constructor, ``---`` and the repr of the sorted call arguments; for other models, and for
completion models, only such a repr. Everything in it counts but for what `call_form.kept` leaves
out. Nothing is executed: JSON and literals are read.
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

from cache_fabric.call_form import kept, openai_params
from cache_fabric.chat_form import holds_object

__all__ = ["ModelSettings", "named", "read_settings"]

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
_CHAT_COMPLETIONS = ["langchain", "chat_models", "openai", "ChatOpenAI"]
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
    fields, refusal = {}, None
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
    model = _model_name(call, constructor)
    tools = _taken_tools(call)
    if constructor.get("id") == _CHAT_COMPLETIONS and f"{_HOST}:arguments" not in params:
        shared = openai_params({**fields, **kept(call)}, tools)
        if shared is not None:
            return ModelSettings(model, tools, shared, refusal)
    params |= kept(call)
    if "n" not in params and "n" in built:
        params["n"] = built["n"]
    return ModelSettings(model, tools, params, refusal)


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


def named(*sources: Mapping[str, Any]) -> str | None:
    """Return the name of a model from the first of these settings that has one."""
    for source in sources:
        for name in _MODEL_NAMES:
            if isinstance(source.get(name), str) and source[name]:
                return str(source[name])
    return None


def _model_name(call: Mapping[str, Any], constructor: Mapping[str, Any]) -> str:
    name = named(call, constructor.get("kwargs", {}))
    if name is not None:
        return name
    path = constructor.get("id")
    label = path[-1] if isinstance(path, list) and path else call.get("_type")
    return label if isinstance(label, str) else "unknown"
