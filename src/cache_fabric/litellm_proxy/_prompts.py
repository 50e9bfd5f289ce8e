"""``prompt_id`` in a request: messages and tools from the fabric's contexts.

In the proxy's first hook, for LiteLLM's own prompt interface is asked after its cache: the cache
would be asked for what the request does not say yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cache_fabric.errors import BackendError, NotFound, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import ContextEntry
from cache_fabric.template import fill

__all__ = ["Prompt", "PromptError", "resolve"]

_FIELDS = ("prompt_id", "prompt_version", "prompt_label", "prompt_variables")
_PLAIN = (str, int, float, bool)


class PromptError(Exception):
    """A request names a prompt that cannot be had; the text is for who sent it.

    Attributes:
        status: Of the HTTP answer.
        field: Of the request.
    """

    def __init__(self, message: str, *, field: str = "prompt_id", status: int = 400) -> None:
        self.status = status
        self.field = field
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt with its variables filled.

    Attributes:
        context: Key, version, behaviour and label of where it comes from.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any]
    context: Mapping[str, Any]

    def put_into(self, data: dict[str, Any]) -> None:
        """Put it in front of what a request says, and take out how it was named."""
        for name in _FIELDS:
            data.pop(name, None)
        data["messages"] = [*self.messages, *(data.get("messages") or ())]
        if self.tools:
            data["tools"] = [*self.tools, *(data.get("tools") or ())]


async def resolve(fabric: CacheFabric, data: Mapping[str, Any], tenant: str | None) -> Prompt:
    """Return the prompt that a request names.

    A context's value is the text of a system message, a list of messages, or a mapping with
    ``system`` or ``messages``, and ``tools``. Variables (``{name}``) are filled in the text of the
    messages. The tenant's own context of that name stands above the global one.

    Raises:
        PromptError: There is no such prompt or version, or the request does not fit it.
    """
    key, version, label = (data.get(name) for name in _FIELDS[:3])
    values = _values(data.get("prompt_variables"))
    if not isinstance(key, str):
        raise PromptError("expected the name of a prompt")
    if version is not None and label is not None:
        raise PromptError("expected prompt_label or prompt_version, not both", field="prompt_label")
    try:
        entry = await fabric.get_context(
            key, tenant=tenant, version=_number(version), label=_name(label)
        )
    except NotFound as error:
        asked = f"label {label!r}" if version is None else f"version {version}"
        raise PromptError(f"prompt {key!r} has no {asked}") from error
    except ValidationError as error:
        raise PromptError(f"prompt_id: {error.expected}") from error
    except BackendError as error:
        raise PromptError("prompts cannot be read at the moment", status=503) from error
    if entry is None:
        raise PromptError(f"no prompt {key!r}")
    return _prompt(entry, values, label)


def _prompt(entry: ContextEntry, values: Mapping[str, Any], label: str | None) -> Prompt:
    value = entry.value
    tools: Any = ()
    if isinstance(value, Mapping):
        tools = value.get("tools") or ()
        value = value["messages"] if "messages" in value else value.get("system", [])
    messages = [{"role": "system", "content": value}] if isinstance(value, str) else value
    if not _are(messages, "role") or not _are(tools, "type"):
        raise PromptError(f"context {entry.key!r} is not a prompt")
    context = {"key": entry.key, "version": entry.version, "behaviour": entry.behaviour}
    try:
        filled = [{**one, "content": _filled(one.get("content"), values)} for one in messages]
    except ValidationError as error:
        missing = f"prompt {entry.key!r} version {entry.version}: {error.expected}"
        raise PromptError(missing, field="prompt_variables") from error
    return Prompt(filled, list(tools), context if label is None else {**context, "label": label})


def _are(items: Any, field: str) -> bool:
    return isinstance(items, list | tuple) and all(
        isinstance(item, Mapping) and isinstance(item.get(field), str) for item in items
    )


def _filled(content: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(content, str):
        return fill(content, values)
    if isinstance(content, list):
        return [
            {**part, "text": fill(part["text"], values)}
            if isinstance(part, Mapping) and isinstance(part.get("text"), str)
            else part
            for part in content
        ]
    return content


def _values(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping) and all(isinstance(value, _PLAIN) for value in given.values()):
        return given
    raise PromptError("expected a mapping of texts and numbers", field="prompt_variables")


def _number(version: Any) -> int | None:
    if version is None:
        return None
    text = "" if isinstance(version, bool) else str(version)
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise PromptError("prompt_version: expected a whole number from 1", field="prompt_version")


def _name(label: Any) -> str | None:
    if label is None or isinstance(label, str):
        return label
    raise PromptError("expected a name", field="prompt_label")
