"""One call of LiteLLM as the state of an execution, with the names that LangChain's host uses.

Of the call's arguments only the messages are kept, of an error only its class and its status: the
rest may hold secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cache_fabric.litellm._chat_answer import to_chat_answer, usage_of
from cache_fabric.litellm._tenants import metadata_of
from cache_fabric.offline_encodings import at_hand
from cache_fabric.pricing import PriceTable
from cache_fabric.token_estimates import settled
from cache_fabric.types import Answer, CacheRequest, Usage

__all__ = ["execution_state", "execution_tags"]

_CHARACTERS = 16_000
_ITEMS = 64
_DEPTH = 8
_CUT = "…"


def execution_state(
    kwargs: Mapping[str, Any],
    response: Any,
    times: tuple[datetime, datetime],
    prices: PriceTable,
    said: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the state of a call that has ended; money in dollars, unknown is ``None``.

    Args:
        kwargs: What LiteLLM tells its loggers of the call.
        response: The answer, ``None`` for a call that failed.
        times: Of its start and its end.
        prices: What tokens cost.
        said: What the fabric did.
    """
    said = said or {}
    is_hit = said.get("outcome") == "hit" or bool(kwargs.get("cache_hit"))
    failed = response is None
    body = {} if failed else _dumped(response)
    model = str(kwargs.get("model"))
    usage = _usage(kwargs, model, body)
    started, ended = times
    metadata = metadata_of(kwargs.get("litellm_params") or {})
    nothing = Usage(input_tokens=0, output_tokens=0)
    spent = nothing if is_hit or failed else usage
    cost = 0.0 if is_hit or failed else _cost(prices, model, body, usage)
    return {
        "status": "error" if failed else "success",
        "started": started.timestamp(),
        "seconds": (ended - started).total_seconds(),
        "input": _clipped(kwargs.get("messages") or kwargs.get("input"), [_CHARACTERS]),
        "output": None if failed else _clipped(_output(body), [_CHARACTERS]),
        "error": _error(kwargs.get("exception")) if failed else None,
        "thread_id": _text(metadata.get("session_id")),
        "nodes_executed": [model],
        "steps": [],
        "model": model,
        "tokens": _tokens(spent),
        "cost": cost,
        "hits": int(is_hit),
        "misses": int(said.get("outcome") == "miss"),
        "saved_tokens": _saved_tokens(said, usage) if is_hit else 0,
        "saved_cost": said.get("saved_cost") if is_hit else 0.0,
        "cache": dict(said) or None,
        "contexts": _contexts(metadata.get("cache_fabric_contexts")),
        "metadata": {"call_type": _text(kwargs.get("call_type")), "group": _group(metadata)},
    }


def execution_tags(kwargs: Mapping[str, Any]) -> list[str]:
    """Return the tags that a call was given."""
    tags = metadata_of(kwargs.get("litellm_params") or {}).get("tags")
    given = tags if isinstance(tags, list | tuple) else ()
    return [
        tag[:128] for tag in given[:_ITEMS] if isinstance(tag, str) and tag.isprintable() and tag
    ]


def _dumped(response: Any) -> Mapping[str, Any]:
    dumped = response.model_dump() if hasattr(response, "model_dump") else response
    return dumped if isinstance(dumped, Mapping) else {}


def _output(body: Mapping[str, Any]) -> Any:
    choices = body.get("choices")
    if choices:
        said = [choice.get("message") or choice.get("text") for choice in choices]
        return said[0] if len(said) == 1 else said
    return body.get("output")


def _usage(kwargs: Mapping[str, Any], model: str, body: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a call; those of a chat that nobody counted are estimated."""
    params = kwargs.get("optional_params") or {}
    request = CacheRequest(
        model=model,
        messages=kwargs.get("messages") or (),
        tools=params.get("tools") or (),
        params=params,
    )
    usage = usage_of(body)
    is_read = usage is None and body.get("choices")
    answer = to_chat_answer(body, "", parses=False) if is_read else Answer(payload=None)
    return settled(usage, request, answer, at_hand)


def _saved_tokens(said: Mapping[str, Any], usage: Usage | None) -> int:
    return said.get("saved_tokens") or (0 if usage is None else usage.total_tokens)


def _cost(
    prices: PriceTable, model: str, body: Mapping[str, Any], usage: Usage | None
) -> float | None:
    if usage is None:
        return None
    for name in (model, str(body.get("model"))):
        micros = prices.cost_micros(name, usage)
        if micros is not None:
            return micros / 1e6
    return None


def _tokens(usage: Usage | None) -> dict[str, int] | None:
    if usage is None:
        return None
    return {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "total": usage.total_tokens,
        "cache_read": usage.cache_read_tokens,
        "cache_creation": usage.cache_creation_tokens,
        "reasoning": usage.reasoning_tokens,
        "estimated": usage.estimated,
    }


def _error(error: Any) -> dict[str, Any]:
    status = getattr(error, "status_code", None)
    return {"type": type(error).__name__, "status": status if isinstance(status, int) else None}


def _group(metadata: Mapping[str, Any]) -> str | None:
    return _text(metadata.get("model_group"))


def _text(value: Any) -> str | None:
    return value[:128] if isinstance(value, str) else None


def _contexts(given: Any) -> list[Any]:
    return _clipped(given, [_CHARACTERS]) if isinstance(given, list) else []


def _clipped(value: Any, left: list[int], depth: int = 0) -> Any:
    """Copy plain data down to a budget of characters, which is shared by all of it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if depth > _DEPTH or left[0] <= 0:
        return _CUT
    if isinstance(value, Mapping):
        return {
            str(name)[:128]: _clipped(item, left, depth + 1)
            for name, item in list(value.items())[:_ITEMS]
            if item is not None
        }
    if isinstance(value, list | tuple):
        return [_clipped(item, left, depth + 1) for item in value[:_ITEMS]]
    text = value if isinstance(value, str) else f"({type(value).__name__})"
    kept = text if len(text) <= left[0] else text[: left[0]] + _CUT
    left[0] -= len(text)
    return kept
