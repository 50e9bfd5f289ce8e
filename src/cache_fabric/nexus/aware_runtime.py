"""A foreign runtime of graphs, with its runs tracked and its prompts live."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.nexus.seed import as_plain, router_key, state_of
from cache_fabric.records import ContextEntry
from cache_fabric.seam import Seam

__all__ = ["FabricAwareRuntime"]

_UNNAMED = "main"


class FabricAwareRuntime:
    """Runs a graph by another runtime, ``LangGraphRuntime`` of `universal_agent_nexus` for one.

    Where that takes a LangChain config, the run is tracked step by step, with context versions,
    costs and cache outcomes; where it does not, input and result are kept. Either way under the id
    that it is given, also when it fails.

    Args:
        runtime: Has ``await execute(execution_id=..., input_data=...)``.
        fabric: Used as it is and never closed.
        manifest: The very object that the runtime was initialized with. Its routers are given the
            current prompts before each run: ``LangGraphRuntime`` looks them up at each call, so
            that a publish reaches it. Without this it goes on with what it was built with.

    Raises:
        ValidationError: The runtime has no ``execute``.
    """

    def __init__(self, runtime: Any, fabric: CacheFabric, manifest: Any = None) -> None:
        if not callable(getattr(runtime, "execute", None)):
            raise ValidationError("runtime", f"expected execute(), got {type(runtime).__name__}")
        self.runtime = runtime
        self.fabric = fabric
        self._seam = Seam(fabric)
        self._takes_config = "config" in inspect.signature(runtime.execute).parameters
        routers = getattr(manifest, "routers", None) or ()
        self._routers = [(router, router.system_message) for router in routers]

    async def execute(
        self,
        execution_id: str,
        input_data: dict[str, Any],
        graph_name: str | None = None,
    ) -> dict[str, Any]:
        """Return what the runtime returns; its errors come out as they are."""
        await self._refresh()
        graph = graph_name or getattr(self.runtime, "graph_name", None) or _UNNAMED
        if self._takes_config:
            return await self._execute_traced(execution_id, input_data, graph)
        try:
            result: dict[str, Any] = await self.runtime.execute(
                execution_id=execution_id, input_data=input_data
            )
        except Exception as error:
            fault = {"status": "error", "error": {"type": type(error).__name__}}
            self._track(execution_id, graph, input_data, fault)
            raise
        told = {"status": "success", **state_of(result)}
        self._track(execution_id, graph, input_data, told)
        return result

    async def record_feedback(self, execution_id: str, feedback: Mapping[str, Any]) -> None:
        """Keep what somebody said of a run, and act on it; see `CacheFabric.record_feedback`."""
        await self.fabric.record_feedback(execution_id, feedback)

    async def _refresh(self) -> None:
        """Give all routers their prompts as they are at one revision; no fault of ours stops it."""
        found: list[ContextEntry | None] = []
        with self._seam.harmless(lambda: "unknown", counts_bypass=False):
            found = await self.fabric.known_contexts(
                [router_key(router.name) for router, _ in self._routers]
            )
        for (router, own), entry in zip(self._routers, found, strict=False):
            is_text = entry is not None and isinstance(entry.value, str)
            router.system_message = entry.value if entry is not None and is_text else own

    async def _execute_traced(
        self, execution_id: str, input_data: dict[str, Any], graph: str
    ) -> dict[str, Any]:
        from cache_fabric.langchain._run_names import EXECUTION
        from cache_fabric.langchain.callback import FabricCallbackHandler

        config = {
            "callbacks": [FabricCallbackHandler(self.fabric, graph=graph)],
            "metadata": {EXECUTION: execution_id},
        }
        result: dict[str, Any] = await self.runtime.execute(
            execution_id=execution_id, input_data=input_data, config=config
        )
        return result

    def _track(
        self, execution_id: str, graph: str, given: Mapping[str, Any], told: Mapping[str, Any]
    ) -> None:
        state = {"input": as_plain(given), **told}
        self.fabric.track_soon(execution_id, graph, state)
