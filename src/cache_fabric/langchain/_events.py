"""What LangChain's events say: names, tags, metadata, errors, the mark of a hit. Pure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.outputs import ChatGeneration, Generation

from cache_fabric.langchain._answer import MARK
from cache_fabric.langchain._plain import Allowance, Detail, plain, text
from cache_fabric.langchain._trace import Status
from cache_fabric.types import Usage

__all__ = [
    "contexts_of",
    "error_of",
    "hit_of",
    "is_node",
    "is_plumbing",
    "label",
    "mark_of",
    "model_of",
    "models_reported",
    "name_of",
    "own_metadata",
    "own_tags",
    "status_of",
    "thread_of",
]

CONTEXT = "cache_fabric_context"

_MOST_TAGS = 16
_NAME = 128
_MESSAGE = 500
_METADATA = Detail(characters=256, items=16)
_CONTEXT = Detail(characters=256, items=4)
_NODE = "langgraph_node"
_NOISE = ("__", "lc_", "ls_", "langgraph_", "checkpoint_")
_NOISY_TAGS = ("seq:step:", "graph:step:", "langsmith:")
_NODE_TAG = "graph:step:"
_PLUMBING = "langsmith:hidden"


def name_of(kind: str, serialized: Any, given: Any) -> str:
    """Return the name of a run: the one it was given, else that of its class, else its kind."""
    if isinstance(given, str) and given:
        return text(given, _NAME)
    if isinstance(serialized, Mapping):
        path = serialized.get("id")
        for name in (serialized.get("name"), path[-1] if isinstance(path, list) and path else None):
            if isinstance(name, str) and name:
                return text(name, _NAME)
    return kind


def label(value: str) -> str:
    """Return a text as the name of a graph or a tag may be: printable, never empty."""
    return "".join(c for c in text(value, _NAME - 1) if c.isprintable()) or "unnamed"


def is_plumbing(tags: Iterable[str]) -> bool:
    """Say whether LangChain itself calls a run not worth showing."""
    return _PLUMBING in tags


def is_node(name: str, tags: Iterable[str], metadata: Mapping[str, Any]) -> bool:
    """Say whether a run is a node of a graph, not something inside one."""
    return metadata.get(_NODE) == name and any(tag.startswith(_NODE_TAG) for tag in tags)


def own_tags(tags: Sequence[str], inherited: Iterable[str]) -> list[str]:
    """Return the tags that a person gave to this run, and not to the whole of it."""
    if not tags:
        return []
    outer = set(inherited)
    kept = (tag for tag in tags if tag not in outer and not tag.startswith(_NOISY_TAGS))
    return [label(tag) for tag, _ in zip(dict.fromkeys(kept), range(_MOST_TAGS), strict=False)]


def own_metadata(
    metadata: Mapping[str, Any], inherited: Mapping[str, Any], allowance: Allowance
) -> Any:
    """Return the metadata of this run alone, without what LangChain adds for other tracers."""
    kept = {
        name: value
        for name, value in metadata.items()
        if name == _NODE or not name.startswith(_NOISE)
        if name != CONTEXT and (name not in inherited or inherited[name] is not value)
    }
    return plain(kept, allowance, _METADATA) if kept else {}


def thread_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the conversation that a run belongs to."""
    thread = metadata.get("thread_id")
    return text(str(thread), _NAME) if isinstance(thread, str | int | UUID) else None


def contexts_of(metadata: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the versions of contexts that a run says it uses: one, or a list of them."""
    said = metadata.get(CONTEXT)
    for context in said if isinstance(said, list | tuple) else (said,):
        if isinstance(context, Mapping) and isinstance(context.get("key"), str):
            fields = {name: context.get(name) for name in ("key", "version", "behaviour")}
            yield plain(fields, Allowance(1024), _CONTEXT)


def status_of(error: BaseException) -> Status:
    """Return how a run ended that raised; LangGraph pauses and jumps by raising."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "ParentCommand" in kinds:
        return "success"
    if "GraphBubbleUp" in kinds:
        return "interrupted"
    if isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
        return "cancelled"
    return "error"


def error_of(error: BaseException) -> dict[str, str]:
    """Return class and message of an error."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - foreign code
        message = "(no message: the error cannot be written)"
    return {"type": text(type(error).__name__, _NAME), "message": text(message, _MESSAGE)}


def model_of(metadata: Mapping[str, Any], params: Any) -> str | None:
    """Return the name of the model that is asked, ``None`` where nobody says."""
    asked = params if isinstance(params, Mapping) else {}
    for name in (asked.get("model"), asked.get("model_name"), metadata.get("ls_model_name")):
        if isinstance(name, str) and name:
            return text(name, _NAME)
    return None


def models_reported(response: Any, generations: Sequence[Generation]) -> Iterator[str]:
    """Yield the names under which the provider says it answered."""
    places: list[Any] = [response.llm_output]
    places += [g.message.response_metadata for g in generations if isinstance(g, ChatGeneration)]
    for place in places:
        for field in ("model_name", "model"):
            name = place.get(field) if isinstance(place, Mapping) else None
            if isinstance(name, str) and name:
                yield name


def mark_of(generations: Iterable[Generation]) -> Mapping[str, Any] | None:
    """Return the mark that our hits carry; nothing else is proof of a hit."""
    for generation in generations:
        places = [generation.generation_info]
        if isinstance(generation, ChatGeneration):
            places.append(generation.message.response_metadata)
        for place in places:
            if isinstance(place, Mapping) and isinstance(place.get(MARK), Mapping):
                mark: Mapping[str, Any] = place[MARK]
                return mark
    return None


def hit_of(
    mark: Mapping[str, Any], saved: Usage | None, told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a hit as an execution holds it; no tokens known means ``None``, never 0.

    ``told`` is what the cache itself told of it: more than a mark, which is shown to users.
    """
    is_same = told is not None and told["entry_id"] == mark.get("entry_id")
    known = told if told is not None and is_same else {}
    total = mark.get("saved_tokens") if saved is None else saved.total_tokens
    tokens = total if isinstance(total, int) and total > 0 else None
    return {
        **known,
        "outcome": "hit",
        "tier": _word(mark.get("tier")),
        "similarity": _number(mark.get("similarity")),
        "entry_id": _word(mark.get("entry_id")),
        "saved_cost": _number(mark.get("saved_cost")),
        "saved_tokens": known.get("saved_tokens", tokens),
        "stale": mark.get("stale") is True,
    }


def _word(value: Any) -> str | None:
    return text(value, _NAME) if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and -1e12 < value < 1e12 else None
