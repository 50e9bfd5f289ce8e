"""A context as a LangChain prompt: every call renders the version that is current then."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
)
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config

from cache_fabric.errors import NotFound, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import ContextEntry
from cache_fabric.template import fill, variables
from cache_fabric.validation import check_key

__all__ = ["CONTEXT_MARK", "FabricPrompt"]

CONTEXT_MARK = "cache_fabric_context"
"""In the metadata of a prompt's run: ``key``, ``version`` and ``behaviour`` of what it rendered."""

_CONVERSATION = "messages"
_QUESTIONS = ("question", "input")
_PLACEHOLDER = "placeholder"


class FabricPrompt(Runnable[Any, PromptValue]):
    """The current messages of a context; ``fabric.prompt`` makes it.

    A text becomes a system message. A list of messages (``{"role": ..., "content": ...}``) becomes
    these messages; one of role ``placeholder`` whose content is ``"{name}"`` stands for the
    messages that the input gives under that name, or for none.

    The input is a dict. It fills the variables that ``fabric.prompt`` was not given, and says what
    follows the prompt: the messages under ``messages``, then the text or messages under
    ``question`` or ``input``. What the prompt uses as a variable or placeholder is not repeated
    after it, and keys of the input that it does not use are ignored. Text alone is the
    ``question``, messages alone are the ``messages``.

    Args:
        fabric: Whose contexts are read; never closed.
        key: Of the context.
        asked: Which version of it, as the arguments of ``get_context``.
        bound: Variables that no input replaces.

    Calls raise:
        NotFound: There is no such context, version or label.
        ValidationError: A variable has no value, the context is no prompt, or the input is not as
            above; the message says which.
        BackendUnavailable: The contexts were never read and the store cannot be reached.
        SyncCallOnIOLoopError: ``invoke`` on the loop that the fabric adopted: use ``ainvoke``.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        key: str,
        asked: Mapping[str, Any],
        bound: Mapping[str, Any],
    ) -> None:
        self._fabric = fabric
        self._key = check_key(key)
        self._asked = dict(asked)
        self._bound = dict(bound)

    def invoke(
        self,
        input: Any,  # noqa: A002 - the host's name, and callers use it
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> PromptValue:
        """Return the messages of the current version."""
        entry = self._known(self._fabric.sync.get_context(self._key, **self._asked))
        render = partial(_render, entry, self._bound)
        return self._call_with_config(render, input, _marked(config, entry), run_type="prompt")

    async def ainvoke(
        self,
        input: Any,  # noqa: A002 - as above
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> PromptValue:
        """As `invoke`, without blocking the running loop."""
        entry = self._known(await self._fabric.get_context(self._key, **self._asked))

        async def render(given: Any) -> PromptValue:
            return _render(entry, self._bound, given)

        marked = _marked(config, entry)
        return await self._acall_with_config(render, input, marked, run_type="prompt")

    def _known(self, entry: ContextEntry | None) -> ContextEntry:
        if entry is None:
            raise NotFound(f"no context {self._key!r} for this prompt: set_context makes it")
        return entry


def _marked(config: RunnableConfig | None, entry: ContextEntry) -> RunnableConfig:
    marked = ensure_config(config)
    mark = {"key": entry.key, "version": entry.version, "behaviour": entry.behaviour}
    marked["metadata"] = {**marked.get("metadata", {}), CONTEXT_MARK: mark}
    return marked


def _render(entry: ContextEntry, bound: Mapping[str, Any], given: Any) -> PromptValue:
    given = _by_name(given)
    items, values = _items(entry), {**given, **bound}
    slots = [_slot(entry.key, item) for item in items]
    texts = [item["content"] for item, slot in zip(items, slots, strict=True) if slot is None]
    names = list(dict.fromkeys(name for text in _texts(texts) for name in variables(text)))
    missing = [name for name in names if name not in values]
    if missing:
        raise ValidationError(entry.key, f"expected values for {', '.join(missing)}")
    messages: list[BaseMessage] = []
    for item, slot in zip(items, slots, strict=True):
        if slot is not None:
            messages += _as_messages(slot, values.get(slot))
        elif isinstance(entry.value, str):
            messages.append(SystemMessage(fill(entry.value, values)))
        else:
            filled = {**copy.deepcopy(item), "content": _filled(item["content"], values)}
            messages += convert_to_messages([filled])
    used = {*names, *slots}
    return ChatPromptValue(messages=[*messages, *_following(given, used)])


def _by_name(given: Any) -> Mapping[str, Any]:
    if given is None or isinstance(given, Mapping):
        return given or {}
    return {_QUESTIONS[0] if isinstance(given, str) else _CONVERSATION: given}


def _items(entry: ContextEntry) -> Sequence[Mapping[str, Any]]:
    """Return the messages of a context as dicts with a role and a content."""
    if isinstance(entry.value, str):
        return [{"role": "system", "content": entry.value}]
    items = entry.value if isinstance(entry.value, list) else []
    if not items or not all(isinstance(i, Mapping) and {"role", "content"} <= {*i} for i in items):
        raise ValidationError(
            entry.key, "expected text, or a list of messages with role and content, to be a prompt"
        )
    return items


def _slot(key: str, item: Mapping[str, Any]) -> str | None:
    """Return the name under which the input gives the messages of a placeholder."""
    if item["role"] != _PLACEHOLDER:
        return None
    names = variables(item["content"]) if isinstance(item["content"], str) else ()
    if len(names) != 1:
        raise ValidationError(key, 'expected one name as the content of a placeholder: "{name}"')
    return names[0]


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping | list):
        for part in content.values() if isinstance(content, Mapping) else content:
            yield from _texts(part)


def _filled(content: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(content, str):
        return fill(content, values)
    if isinstance(content, Mapping):
        return {name: _filled(part, values) for name, part in content.items()}
    return [_filled(part, values) for part in content] if isinstance(content, list) else content


def _following(given: Mapping[str, Any], used: set[str | None]) -> list[BaseMessage]:
    """Return what the input says beyond the prompt: the conversation, then the question."""
    asked = [name for name in _QUESTIONS if name in given and name not in used]
    if len(asked) > 1:
        raise ValidationError("input", f"expected {' or '.join(asked)} to be asked, got both")
    if _CONVERSATION in given and _CONVERSATION not in used:
        asked.insert(0, _CONVERSATION)
    return [message for name in asked for message in _as_messages(name, given[name])]


def _as_messages(name: str, given: Any) -> list[BaseMessage]:
    if given is None:
        return []
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, BaseMessage):
        return [given]
    if isinstance(given, PromptValue | list | tuple):
        return convert_to_messages(given)
    raise ValidationError(name, f"expected text or messages, got {type(given).__name__}")
