"""The blocking view of the methods on executions; `ExecutionMethods` documents them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from cache_fabric.line_files import Place, Progress
from cache_fabric.open_execution import OpenExecution
from cache_fabric.records import ContextEntry, Execution, Page
from cache_fabric.sync_view import SyncView
from cache_fabric.types import LookupResult

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
        tenant: str | None = None,
        user: str | None = None,
        answers: Iterable[LookupResult | str | None] = (),
        durable: bool = False,
    ) -> Execution:
        return self._call(
            lambda: self._fabric.track_execution(
                execution_id,
                graph_name,
                state,
                tags=tags,
                tenant=tenant,
                user=user,
                answers=answers,
                durable=durable,
            )
        )

    def track_soon(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
        tenant: str | None = None,
        user: str | None = None,
        answers: Iterable[LookupResult | str | None] = (),
    ) -> bool:
        return self._fabric.track_soon(
            execution_id, graph_name, state, tags=tags, tenant=tenant, user=user, answers=answers
        )

    def start_execution(
        self,
        graph_name: str,
        *,
        execution_id: str | None = None,
        input: Any = None,  # noqa: A002
        tags: Iterable[str] | None = None,
        tenant: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        conversation: str | None = None,
        contexts: Iterable[ContextEntry | Mapping[str, Any] | str] = (),
    ) -> OpenExecution:
        return self._fabric.start_execution(
            graph_name,
            execution_id=execution_id,
            input=input,
            tags=tags,
            tenant=tenant,
            user=user,
            agent=agent,
            conversation=conversation,
            contexts=contexts,
        )

    def get_execution(self, execution_id: str) -> Execution | None:
        return self._call(lambda: self._fabric.get_execution(execution_id))

    def search_executions(  # noqa: PLR0913
        self,
        text: str | None = None,
        *,
        like: str | None = None,
        graph: str | None = None,
        agent: str | None = None,
        conversation: str | None = None,
        status: str | None = None,
        tag: str | None = None,
        user: str | None = None,
        tenant: str | None = None,
        outcome: str | None = None,
        context: str | None = None,
        feedback: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        min_cost: float | None = None,
        max_cost: float | None = None,
        min_score: float | None = None,
        max_score: float | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        return self._call(
            lambda: self._fabric.search_executions(
                text,
                like=like,
                graph=graph,
                agent=agent,
                conversation=conversation,
                status=status,
                tag=tag,
                user=user,
                tenant=tenant,
                outcome=outcome,
                context=context,
                feedback=feedback,
                since=since,
                until=until,
                min_cost=min_cost,
                max_cost=max_cost,
                min_score=min_score,
                max_score=max_score,
                limit=limit,
                cursor=cursor,
            )
        )

    def export_executions(
        self, place: Place, *, progress: Progress | None = None, **filters: Any
    ) -> int:
        return self._call(
            lambda: self._fabric.export_executions(place, progress=progress, **filters)
        )

    def import_executions(self, place: Place, *, progress: Progress | None = None) -> int:
        return self._call(lambda: self._fabric.import_executions(place, progress=progress))
