"""The contexts that an agent's system prompt and its tool definitions come from, live.

What cannot be had (an unknown key, a store that was never reached, a value of another shape, a
variable without a value) leaves the agent what it was built with, and is logged once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict

from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import SystemMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import ContextEntry
from cache_fabric.template import fill
from cache_fabric.template import variables as names_in

__all__ = ["AgentPrompt", "Prompted", "Read", "Variables"]

Variables = Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None
"""By name; or a function of the ``ModelRequest``, whose class older LangChains cannot subscript."""
_MARK = "cache_fabric_context"
_log = logging.getLogger("cache_fabric")


class Read(TypedDict):
    """One context as it was read: plain data, that a checkpointer can keep."""

    key: str
    version: int
    behaviour: int
    value: Any


class Prompted:
    """A model request with what its contexts say.

    Attributes:
        request: As the agent executes it.
        template: Text and variables of the system message, ``None`` if it is the agent's own.
        context: Key, version and behaviour of the prompt, or else of the tool definitions.
    """

    def __init__(self, request: ModelRequest[Any]) -> None:
        self.request = request
        self.template: tuple[str, dict[str, str]] | None = None
        self.context: dict[str, Any] | None = None

    @property
    def marks(self) -> dict[str, Any]:
        """What callbacks find in the metadata of the model's run, and in the event of a hit."""
        return {} if self.context is None else {_MARK: self.context}


class AgentPrompt:
    """Reads the contexts of an agent and puts them into its model requests.

    Args:
        fabric: Whose contexts are read.
        prompt_key: Of a text, the system prompt.
        tools_key: Of a list of tool definitions.
        variables: Of the system prompt; ``None`` leaves its braces as they are.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        prompt_key: str | None,
        tools_key: str | None,
        variables: Variables,
    ) -> None:
        self._fabric = fabric
        self._prompt_key = prompt_key
        self._tools_key = tools_key
        self._variables = variables
        self._told: set[str] = set()

    @property
    def keys(self) -> list[str]:
        """Keys of the contexts; empty for an agent that has none."""
        return [key for key in (self._prompt_key, self._tools_key) if key is not None]

    def read(self, tenant: str | None, user: str | None) -> list[Read]:
        """Return what is known of the contexts now; waits for no store beyond the budget."""
        return self._as_read(self._fabric.sync.known_contexts(self.keys, tenant=tenant, user=user))

    async def aread(self, tenant: str | None, user: str | None) -> list[Read]:
        """As `read`, without blocking the running loop."""
        return self._as_read(await self._fabric.known_contexts(self.keys, tenant=tenant, user=user))

    def apply(self, request: ModelRequest[Any], read: list[Read]) -> Prompted:
        """Return the request with the system prompt and the tool definitions that were read."""
        prompted = Prompted(request)
        found = {one["key"]: one for one in read}
        for key, put in (
            (self._tools_key, self._put_tools),
            (self._prompt_key, self._put_prompt),
        ):
            one = found.get(key) if key is not None else None
            if one is not None and put(prompted, one):
                about = ("key", "version", "behaviour")
                prompted.context = {name: one[name] for name in about}  # type: ignore[literal-required]
        return prompted

    def _as_read(self, entries: list[ContextEntry | None]) -> list[Read]:
        for key, entry in zip(self.keys, entries, strict=True):
            if entry is None:
                self._tell_once(key, "it is not known")
        return [
            Read(key=e.key, version=e.version, behaviour=e.behaviour, value=e.value)
            for e in entries
            if e is not None
        ]

    def _put_prompt(self, prompted: Prompted, one: Read) -> bool:
        text = one["value"]
        if not isinstance(text, str):
            self._tell_once(one["key"], "it is not text")
            return False
        rendered, used = text, {}
        if self._variables is not None:
            given = self._variables
            values = given(prompted.request) if callable(given) else given
            try:
                rendered = fill(text, values)
            except ValidationError as error:
                self._tell_once(one["key"], error.expected)
                return False
            used = {name: str(values[name]) for name in names_in(text)}
        prompted.request = prompted.request.override(system_message=SystemMessage(rendered))
        prompted.template = (text, used)
        return True

    def _put_tools(self, prompted: Prompted, one: Read) -> bool:
        definitions = dict(_definitions(one["value"]))
        if not definitions:
            self._tell_once(one["key"], "it is not a list of tool definitions")
            return False
        tools = [
            _defined(tool, definitions[tool.name])
            if isinstance(tool, BaseTool) and tool.name in definitions
            else tool
            for tool in prompted.request.tools
        ]
        prompted.request = prompted.request.override(tools=tools)
        return True

    def _tell_once(self, key: str, why: str) -> None:
        if key not in self._told:
            self._told.add(key)
            _log.warning("an agent goes on with what it was built with, not with %s: %s", key, why)


def _definitions(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for definition in value if isinstance(value, list) else ():
        if isinstance(definition, Mapping) and isinstance(definition.get("name"), str):
            yield definition["name"], definition


def _defined(tool: BaseTool, definition: Mapping[str, Any]) -> BaseTool:
    """Return the tool as the definition describes it; what it takes and does stays its own."""
    function = convert_to_openai_tool(tool)["function"]
    said = definition.get("parameters")
    said = said.get("properties") if isinstance(said, Mapping) else None
    said = said if isinstance(said, Mapping) else {}
    schema = function.get("parameters", {})
    arguments = {
        name: {**known, "description": text}
        if isinstance(text := _described(said.get(name)), str)
        else known
        for name, known in schema.get("properties", {}).items()
    }
    description = _described(definition)
    return tool.model_copy(
        update={
            "description": tool.description if description is None else description,
            "args_schema": {**schema, "properties": arguments},
        }
    )


def _described(said: Any) -> str | None:
    text = said.get("description") if isinstance(said, Mapping) else None
    return text if isinstance(text, str) and text else None
