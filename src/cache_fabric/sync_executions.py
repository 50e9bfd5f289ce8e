"""The blocking view of the methods on executions; `ExecutionMethods` documents them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cache_fabric.records import Execution
from cache_fabric.sync_view import SyncView

__all__ = ["SyncExecutionMethods"]


class SyncExecutionMethods(SyncView):
    """Executions, blocking."""

    def track_execution(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
    ) -> Execution:
        return self._call(
            lambda: self._fabric.track_execution(execution_id, graph_name, state, tags=tags)
        )

    def track_soon(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
    ) -> bool:
        return self._fabric.track_soon(execution_id, graph_name, state, tags=tags)

    def get_execution(self, execution_id: str) -> Execution | None:
        return self._call(lambda: self._fabric.get_execution(execution_id))

    def search_executions(
        self,
        text: str | None = None,
        *,
        graph: str | None = None,
        status: str | None = None,
        limit: int = 50,
    ) -> list[Execution]:
        return self._call(
            lambda: self._fabric.search_executions(text, graph=graph, status=status, limit=limit)
        )
