"""The facade's methods on executions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from cache_fabric.executions import draft
from cache_fabric.life import Life
from cache_fabric.records import Execution

__all__ = ["ExecutionMethods"]

T = TypeVar("T")


class ExecutionMethods:
    """Track runs and find them."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def track_execution(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
    ) -> Execution:
        """Keep a run (``state``: input, output, nodes_executed ...); the same id replaces it."""
        return await self._run(
            lambda life: life.executions.track(execution_id, graph_name, state, tags)
        )

    def track_soon(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        """As `track_execution`, without waiting; the same method in both colours.

        The run is written behind, at the latest by `flush` or `aclose`. No fault reaches the
        caller: a run that cannot be kept (too many wait, not plain data, the store fails) is
        dropped, and ``get_metrics()["executions"]`` counts both. Returns whether it was queued.
        """
        return self._life().tracked.put(execution_id, draft(execution_id, graph_name, state, tags))

    async def get_execution(self, execution_id: str) -> Execution | None:
        """Return a run with its feedback, or ``None``."""
        return await self._run(lambda life: life.executions.get(execution_id))

    async def search_executions(
        self,
        text: str | None = None,
        *,
        graph: str | None = None,
        status: str | None = None,
        limit: int = 50,
    ) -> list[Execution]:
        """Return the newest runs that match everything asked for."""
        return await self._run(lambda life: life.executions.search(text, graph, status, limit))
