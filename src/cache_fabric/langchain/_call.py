"""A live call of a chat model as the `CacheRequest` that `read_request` makes of its two strings.

So an answer is one entry, whether a wrapper, a middleware or ``FabricCache`` asks. Two things are
seen here only: a class among the arguments counts by its JSON schema, where LangChain writes its
name (an edited class has another key), and a model that LangChain cannot serialise counts by all
its fields, where LangChain leaves out some that matter (``base_url``). And an address that is only
in the environment or in a client counts as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import BaseModel, SecretStr

from cache_fabric.call_form import kept, plain
from cache_fabric.chat_form import canonical
from cache_fabric.errors import NotCacheable
from cache_fabric.langchain._endpoint import endpoints
from cache_fabric.langchain._settings import named, read_settings
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.types import CacheRequest

__all__ = ["declared", "message_node", "read_call"]

_TOLD = "_cache_fabric_told"


def read_call(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    stop: list[str] | None,
    arguments: Mapping[str, Any],
    *,
    tenant: str | None = None,
    user: str | None = None,
    options: CacheOptions = NO_OPTIONS,
) -> CacheRequest:
    """Return the request that a model is about to be sent.

    Args:
        model: As it is configured.
        messages: Of the conversation, the question last.
        stop: As the model's hooks get it.
        arguments: The other arguments of the call: bound tools, a schema, overrides.
        tenant: Whose call it is.
        user: End user of the call.
        options: What the call asks of the cache.

    Raises:
        NotCacheable: Something that the model is told has no stable key; the reason names it.
    """
    _forget_if_changed(model)
    said = {name: plain(value, name, _counting) for name, value in arguments.items()}
    settings = read_settings(model._get_llm_string(stop=stop, **said))
    if settings.refusal is not None:
        raise NotCacheable(settings.refusal)
    fields = _unserialised(model)
    params = {"langchain:fields": fields} if fields else {}
    return CacheRequest(
        model=named(said, fields) or settings.model,
        messages=canonical(map(message_node, messages)),
        tools=settings.tools,
        params={**settings.params, **params, **endpoints(model)},
        tenant=tenant,
        user=user,
        options=options,
    )


def message_node(message: BaseMessage) -> Mapping[str, Any]:
    """Return the constructor arguments of a message; raises `NotCacheable` if it has none."""
    written = message.to_json()
    if written["type"] != "constructor":
        raise NotCacheable("a message of a class that LangChain cannot serialise")
    return written["kwargs"]


def _forget_if_changed(model: BaseChatModel) -> None:
    """Let a model be written down anew when a field has changed.

    LangChain writes it down once, and keeps that in the object and in its copies: without this a
    copy with another temperature would have the key, and the answers, of the model before.
    """
    state = model.__dict__
    told = repr([state.get(name) for name in type(model).model_fields])
    if state.get(_TOLD) != told:
        state.pop("_serialized", None)
        state[_TOLD] = told


def _unserialised(model: BaseChatModel) -> dict[str, Any]:
    if model.is_lc_serializable():
        return {}
    kind = type(model)
    fields = plain(_counting(model), "model", _counting)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", **fields}


def declared(value: BaseModel) -> dict[str, Any]:
    """Return the fields of an object; what it only caches is no field.

    Not by ``getattr``, which warns of deprecated ones.
    """
    state = value.__dict__
    fields = {name: state[name] for name in type(value).model_fields if name in state}
    return {**fields, **(value.model_extra or {})}


def _counting(value: BaseModel) -> dict[str, Any]:
    fields = declared(value).items()
    return kept({name: field for name, field in fields if not isinstance(field, SecretStr)})
