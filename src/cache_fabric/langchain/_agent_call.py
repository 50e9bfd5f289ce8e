"""A model call of an agent as a `CacheRequest`: what the agent is about to send, and to whom.

Without a response format it is the request of the same call without an agent, so that an agent and
a plain model share their answers. With one, the agent binds more than a middleware can see; then
the format itself counts, under a name of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from langchain.agents.middleware.types import ModelRequest
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import SystemMessage
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ensure_config, var_child_runnable_config

from cache_fabric.errors import NotCacheable
from cache_fabric.fabric import CacheFabric
from cache_fabric.filled_prompt import VARIABLES
from cache_fabric.langchain._call import read_call
from cache_fabric.langchain._graph import named_graph
from cache_fabric.langchain._hooks import desk_of
from cache_fabric.langchain._lookups import foretold
from cache_fabric.langchain._runs import Runs
from cache_fabric.langchain._seam import asking
from cache_fabric.options import CacheOptions
from cache_fabric.types import CacheRequest, LookupResult

__all__ = ["agent_name", "calling", "options_here", "read_agent_call", "specs_of"]


def read_agent_call(
    request: ModelRequest[Any],
    *,
    template: tuple[str, Mapping[str, str]] | None,
    tenant: str | None,
    user: str | None,
    options: CacheOptions,
) -> CacheRequest:
    """Return the request of a model call.

    Args:
        request: As the agent is about to execute it.
        template: Text and variables that the system message was rendered from. They count in its
            place: the fabric knows a context by its text, not by what was rendered from it.
        tenant: Whose call it is.
        user: End user of the call.
        options: What the call asks of the cache.

    Raises:
        NotCacheable: Something that the model is told has no stable key; the reason names it.
    """
    model, arguments = _bound(request)
    system = request.system_message if template is None else SystemMessage(template[0])
    call = read_call(
        model,
        request.messages if system is None else [system, *request.messages],
        arguments.pop("stop", None),
        arguments,
        tenant=tenant,
        user=user,
        options=options,
    )
    more: dict[str, Any] = {}
    if template is not None and template[1]:
        more[VARIABLES] = dict(template[1])
    if request.response_format is not None:
        more["langchain:format"] = _format(request.response_format)
    name = agent_name()
    if name is not None:  # the agent writes it into the message
        more["langchain:agent"] = name
    return dataclasses.replace(call, params={**call.params, **more}) if more else call


def agent_name() -> str | None:
    """Return the name of the agent that runs; older LangChains do not say it."""
    name = ensure_config().get("metadata", {}).get("lc_agent_name")
    return name if isinstance(name, str) else None


def options_here(fabric: CacheFabric, options: CacheOptions) -> CacheOptions:
    """Return the options with the name of the graph that runs, as far as it is known."""
    config = ensure_config()
    around = getattr(config.get("callbacks"), "parent_run_id", None)
    tracked = Runs.of(fabric).graph_of(around)
    return named_graph(options, config.get("metadata", {}), tracked, agent_name())


@contextlib.contextmanager
def calling(
    fabric: CacheFabric, result: LookupResult | None, marks: Mapping[str, Any]
) -> Iterator[None]:
    """Within it a model is called: hosts inside leave the fabric alone, runs carry the marks.

    Args:
        fabric: Has been asked for the call.
        result: What that came to, for the callbacks of the run.
        marks: Metadata of the run.
    """
    config = ensure_config()
    marked: RunnableConfig = {**config, "metadata": {**config.get("metadata", {}), **marks}}
    token = var_child_runnable_config.set(marked)
    try:
        with asking(fabric), foretold(result):
            yield
    finally:
        var_child_runnable_config.reset(token)


def specs_of(response_format: Any) -> dict[str, Any]:
    """Return the schemas that a response format allows, by the name that the model is told."""
    if isinstance(response_format, ProviderStrategy):
        specs = [response_format.schema_spec]
    elif isinstance(response_format, ToolStrategy):
        specs = response_format.schema_specs
    else:
        automatic = isinstance(response_format, AutoStrategy)
        schema = response_format.schema if automatic else response_format
        specs = ToolStrategy(schema=schema).schema_specs
    return {spec.name: spec for spec in specs}


def _bound(request: ModelRequest[Any]) -> tuple[BaseChatModel, dict[str, Any]]:
    """Return the plain model and the arguments of its call, bound as the agent binds them."""
    model, settings = request.model, request.model_settings
    if request.tools:
        bound = model.bind_tools(request.tools, tool_choice=request.tool_choice, **settings)
    else:
        bound = model.bind(**settings)
    if not isinstance(bound, RunnableBinding) or not isinstance(bound.bound, BaseChatModel):
        raise NotCacheable("a model that binds its tools in a way of its own")
    desk = desk_of(bound.bound)
    plain = bound.bound if desk is None else desk.upstream.plain(bound.bound)
    return plain, dict(bound.kwargs)


def _format(response_format: Any) -> dict[str, Any]:
    specs = specs_of(response_format)
    schemas = {}
    for name, spec in specs.items():
        if isinstance(spec.schema, dict) and not spec.schema.get("title"):
            raise NotCacheable("a response schema without a title, which has a random name")
        schemas[name] = [spec.schema_kind, spec.description, spec.json_schema, spec.strict]
    return {
        "strategy": type(response_format).__name__ if _is_strategy(response_format) else "auto",
        "schemas": schemas,
        "reply": getattr(response_format, "tool_message_content", None),
    }


def _is_strategy(response_format: Any) -> bool:
    return isinstance(response_format, ToolStrategy | ProviderStrategy)
