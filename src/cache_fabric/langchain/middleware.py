"""Cache Fabric as middleware of LangChain's agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, get_args

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    OmitFromSchema,
)
from langchain_core.messages import ToolMessage
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command

from cache_fabric.errors import NotCacheable, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._agent_answer import read_response, to_agent_answer
from cache_fabric.langchain._agent_call import calling, options_here, read_agent_call
from cache_fabric.langchain._agent_prompt import AgentPrompt, Prompted, Read, Variables
from cache_fabric.langchain._agent_turn import AgentTurn
from cache_fabric.langchain._hit_event import atell_hit, tell_hit
from cache_fabric.langchain._seam import Seam
from cache_fabric.langchain._tool_call import (
    Declared,
    Repeatable,
    read_result,
    read_tool_call,
    sees_more,
    to_tool_answer,
)
from cache_fabric.langchain._whose import Whose, check_whose, named_by
from cache_fabric.options import NO_OPTIONS, CacheOptions
from cache_fabric.types import CacheRequest
from cache_fabric.usage import NO_TOKENS
from cache_fabric.validation import check_key, check_ttl

__all__ = ["FabricMiddleware"]

Pin = Literal["run", "live"]


if TYPE_CHECKING:
    _Base = AgentMiddleware[Any, Any, Any]
else:
    _Base = AgentMiddleware  # older LangChains know fewer type parameters


class FabricMiddleware(_Base):
    """Answers an agent's model calls, and declared tools, from a fabric; brings its prompt live.

    For ``create_agent(middleware=[...])``, sync and async. List it last: what comes after it
    changes a call without its knowing.

    A model call is found by all that the agent sends (model and settings, tools, response format,
    system message, history) and by its tenant and user. On a hit no model is called, messages and
    tool calls have fresh ids, ``structured_response`` is parsed into the current class, and since
    LangChain then reports no model run, a custom event ``cache_fabric`` tells the callbacks. An
    answer that calls tools is kept only if all of them are repeatable, one with a structured
    response only if the agent accepted it. A `FabricCache` or a wrapped model of the same fabric
    inside the agent leaves the call to this middleware.

    No fault, of a backend or of this class, reaches the agent: the model or the tool is called, and
    that is counted as a bypass and logged once for its kind.

    Args:
        fabric: Used as it is and never closed.
        tenant: Whose calls these are; answers are not shared between tenants. A text, or a function
            of the run's ``Runtime``. Without it the run's context says it: its attribute or key
            ``tenant``, or else ``tenant_id``; and without that the run's metadata, under
            ``cache_fabric_tenant``. What is no text there keeps a call out of the cache.
        user: The same for end users (``user``, ``user_id``, ``cache_fabric_user``).
        options: Of every request.
        prompt_key: Key of a context, a text, that takes the place of the agent's system prompt.
        tools_key: Key of a context, a list of ``{"name", "description", "parameters"}``: their
            descriptions, and those of the properties in ``parameters``, are told to the model.
        variables: Of the system prompt: a mapping, or a function of the ``ModelRequest``. Without
            them braces in it are text.
        pin: ``"run"``: both contexts are read once a run and hold for all its model calls.
            ``"live"``: they are read before each. What is not to be had (an unknown key, another
            type of value, a variable without a value) leaves the agent what it was built with.
        repeatable_tools: Names of tools, or a function that says it of a tool, whose results may be
            served again for the same arguments. Answers that call them may be kept as well, as
            those that call ``FabricConfig.repeatable_tools``. Failures, commands and artifacts
            that are not plain data are not kept.
        tool_ttl: Seconds that a tool's result may be served; without it as ``options`` say.
        tool_context: A function of the ``ToolCallRequest`` that says, as plain data, what tools see
            beside their arguments. Without it no tool is answered that is given state, store,
            runtime or config.

    Raises:
        ValidationError: An argument is not usable; the message names it.
    """

    def __new__(
        cls,
        *_: Any,
        pin: Pin = "run",
        prompt_key: str | None = None,
        tools_key: str | None = None,
        **__: Any,
    ) -> FabricMiddleware:
        # LangChain makes a graph node of ``before_agent``, which about doubles the cost of a run:
        # only a class that needs it has it.
        if pin == "run" and (prompt_key is not None or tools_key is not None):
            cls = type(cls.__name__, (_Pinning, cls), {"__module__": cls.__module__})
        return super().__new__(cls)

    def __init__(  # noqa: PLR0913 - what one agent needs to say, all by name
        self,
        fabric: CacheFabric,
        *,
        tenant: Whose = None,
        user: Whose = None,
        options: CacheOptions = NO_OPTIONS,
        prompt_key: str | None = None,
        tools_key: str | None = None,
        variables: Variables = None,
        pin: Pin = "run",
        repeatable_tools: Declared = (),
        tool_ttl: float | None = None,
        tool_context: Callable[[ToolCallRequest], Any] | None = None,
    ) -> None:
        super().__init__()
        for name, key in (("prompt_key", prompt_key), ("tools_key", tools_key)):
            if key is not None:
                check_key(key, name)
        if pin not in get_args(Pin):
            raise ValidationError("pin", f"expected {' or '.join(get_args(Pin))}, got {pin!r:.40}")
        self._fabric = fabric
        self._tenant = check_whose(tenant, "tenant")
        self._user = check_whose(user, "user")
        self._options = options
        ttl = check_ttl(tool_ttl, "tool_ttl")
        self._tool_options = options if ttl is None else replace(options, ttl=ttl)
        self._tool_context = tool_context
        self._repeatable = Repeatable(repeatable_tools)
        self._prompt = AgentPrompt(fabric, prompt_key, tools_key, variables)
        self._seam = Seam(fabric)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Return the kept response, or call the model and keep what it says."""
        pinned = self._pinned_in(request)
        prompted = self._applied(request, self._read(request.runtime) if pinned is None else pinned)

        turn = self._model_turn(prompted)

        def call() -> ModelResponse[Any]:
            with calling(self._fabric, turn.result, prompted.marks):
                return handler(prompted.request)

        response = turn.through(call)
        tell_hit(turn.said_of_hit(kind="model", model=turn.model, **prompted.marks))
        return response

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`, without blocking the running loop."""
        pinned = self._pinned_in(request)
        read = await self._aread(request.runtime) if pinned is None else pinned
        prompted = self._applied(request, read)

        turn = self._model_turn(prompted)

        async def call() -> ModelResponse[Any]:
            with calling(self._fabric, turn.result, prompted.marks):
                return await handler(prompted.request)

        response = await turn.athrough(call)
        await atell_hit(turn.said_of_hit(kind="model", model=turn.model, **prompted.marks))
        return response

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Return the kept result of a repeatable tool, or call the tool."""
        if not self._repeatable.covers(request.tool):
            return handler(request)
        turn = self._tool_turn(request)
        result = turn.through(lambda: handler(request))
        tell_hit(turn.said_of_hit(kind="tool", name=request.tool_call["name"]))
        return result

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """As `wrap_tool_call`, without blocking the running loop."""
        if not self._repeatable.covers(request.tool):
            return await handler(request)
        turn = self._tool_turn(request)
        result = await turn.athrough(lambda: handler(request))
        await atell_hit(turn.said_of_hit(kind="tool", name=request.tool_call["name"]))
        return result

    def _model_turn(self, prompted: Prompted) -> AgentTurn[ModelResponse[Any]]:
        request = prompted.request

        def make() -> CacheRequest:
            tenant, user = self._whose(request.runtime)
            return read_agent_call(
                request,
                template=prompted.template,
                tenant=tenant,
                user=user,
                options=options_here(self._fabric, self._options),
            )

        schema, repeatable = request.response_format, self._repeatable.among(request.tools)
        return AgentTurn(
            self._fabric,
            self._seam,
            make=make,
            read=lambda payload, mark: read_response(payload, schema, mark),
            write=lambda response: to_agent_answer(response, schema, repeatable),
        )

    def _tool_turn(self, request: ToolCallRequest) -> AgentTurn[ToolMessage | Command[Any]]:
        def make() -> CacheRequest:
            tool = request.tool
            assert tool is not None
            if self._tool_context is None and sees_more(tool):
                raise NotCacheable("a tool that sees more than its arguments, and no tool_context")
            sees = None if self._tool_context is None else self._tool_context(request)
            tenant, user = self._whose(request.runtime)
            options = options_here(self._fabric, self._tool_options)
            return read_tool_call(request, tool, sees, tenant=tenant, user=user, options=options)

        return AgentTurn(
            self._fabric,
            self._seam,
            make=make,
            read=lambda payload, mark: read_result(payload, request, mark),
            write=lambda result: (to_tool_answer(result), NO_TOKENS),
        )

    def _whose(self, runtime: Any) -> tuple[str | None, str | None]:
        tenant = named_by(self._tenant, runtime, "tenant")
        return tenant, named_by(self._user, runtime, "user")

    def _pinned_in(self, request: ModelRequest[Any]) -> list[Read] | None:
        """Return what has been read for this run, ``None`` if it is to be read now."""
        return None if self._prompt.keys else []

    def _applied(self, request: ModelRequest[Any], read: list[Read]) -> Prompted:
        with self._seam.harmless(lambda: "unknown", counts_bypass=False):
            return self._prompt.apply(request, read)
        return Prompted(request)

    def _read(self, runtime: Any) -> list[Read]:
        with self._seam.harmless(lambda: "unknown", counts_bypass=False):
            return self._prompt.read(*self._whose(runtime))
        return []

    async def _aread(self, runtime: Any) -> list[Read]:
        with self._seam.harmless(lambda: "unknown", counts_bypass=False):
            return await self._prompt.aread(*self._whose(runtime))
        return []


class PinnedState(AgentState[Any]):
    """An agent's state, with what this run has read of its contexts."""

    cache_fabric_read: NotRequired[Annotated[list[Read], OmitFromSchema()]]


class _Pinning(FabricMiddleware):
    """Reads the contexts once a run, and keeps them in the state: also over an interrupt."""

    state_schema = PinnedState

    def before_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return {"cache_fabric_read": self._read(runtime)}

    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        return {"cache_fabric_read": await self._aread(runtime)}

    def _pinned_in(self, request: ModelRequest[Any]) -> list[Read] | None:
        state: dict[str, Any] = {**request.state}
        return state.get("cache_fabric_read")
