"""A model that LiteLLM reaches, as `replay` calls it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from cache_fabric.errors import MissingExtraError, ValidationError
from cache_fabric.replay import Model
from cache_fabric.types import Answer, CacheRequest, Usage
from cache_fabric.usage_forms import read_usage

__all__ = ["litellm_model"]

# What every provider's chat has, by the names that LiteLLM takes; it drops what one does not know.
_PARAMS = frozenset(
    {"frequency_penalty", "max_tokens", "presence_penalty", "reasoning_effort", "response_format"}
    | {"seed", "stop", "temperature", "tool_choice", "top_p"}
)
_SAID = frozenset({"role", "content", "name"})


def litellm_model(name: str) -> Model:
    """Return a model by LiteLLM's name for it; its keys come from the environment.

    Raises:
        MissingExtraError: LiteLLM is not installed.
    """
    if find_spec("litellm") is None:
        raise MissingExtraError("litellm", f"replay with {name}")

    async def call(request: CacheRequest) -> tuple[Answer, Usage | None]:
        response = await _litellm().acompletion(
            model=name,
            messages=[_message(message) for message in request.messages],
            **_arguments(request),
            # Its cache may be this fabric, which is not to answer for the model here.
            caching=False,
            drop_params=True,
        )
        usage = getattr(response, "usage", None)
        tier = getattr(response, "service_tier", None)
        return _answer(response), read_usage(usage, tier)

    return call


def _litellm() -> ModuleType:
    # Read at import: without it LiteLLM fetches its price map from the internet.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    return litellm


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    if not _SAID.issuperset(message):
        raise ValidationError("model", "calls of tools are not replayed here: use fabric.replay")
    return dict(message)


def _arguments(request: CacheRequest) -> dict[str, Any]:
    given = {name: value for name, value in request.params.items() if name in _PARAMS}
    return {**given, "tools": list(request.tools)} if request.tools else given


def _answer(response: Any) -> Answer:
    choice = response.choices[0]
    text = choice.message.content or ""
    calls = [call.function.name or "" for call in choice.message.tool_calls or ()]
    return Answer(
        payload=text,
        text=text,
        finish_reasons=(choice.finish_reason,),
        tool_calls=tuple(calls),
    )
