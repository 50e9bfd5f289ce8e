"""The same methods, blocking: one line each, but for the two that have a door without a hop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self

from cache_fabric.context_answers import ContextAnswers
from cache_fabric.explanation import EntryExplanation, LookupExplanation
from cache_fabric.fabric_parts import Backends
from cache_fabric.instrumentation.measured import FabricMetrics
from cache_fabric.instrumentation.standing import Standing
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.instrumentation.window import Window
from cache_fabric.ledger import Inspection
from cache_fabric.line_files import Place
from cache_fabric.line_files import Progress as LineProgress
from cache_fabric.receipt import Receipt
from cache_fabric.records import SimilarItem
from cache_fabric.reindex import Progress, Reindexed
from cache_fabric.sync_contexts import SyncContextMethods
from cache_fabric.sync_executions import SyncExecutionMethods
from cache_fabric.sync_feedback import SyncFeedbackMethods
from cache_fabric.sync_judged_contexts import SyncJudgedContextMethods
from cache_fabric.sync_verdicts import SyncVerdictMethods
from cache_fabric.sync_view import SyncView
from cache_fabric.taken_back import Invalidation
from cache_fabric.types import (
    Bypass,
    CacheEntry,
    CacheRequest,
    Hit,
    LookupResult,
    Miss,
    Ticket,
    Usage,
)
from cache_fabric.verdict_rules import State
from cache_fabric.version_records import Agent

__all__ = ["SyncCacheFabric"]


class SyncCacheFabric(
    SyncContextMethods,
    SyncExecutionMethods,
    SyncFeedbackMethods,
    SyncJudgedContextMethods,
    SyncVerdictMethods,
    SyncView,
):
    """A blocking view of a fabric; `CacheFabric` documents the methods.

    Works in any thread and inside a running loop (a notebook cell), but for the loop that the
    fabric has adopted: there a call raises `SyncCallOnIOLoopError`.
    """

    def begin(self, request: CacheRequest) -> Ticket | Hit | Bypass:
        life = self._fabric._life()
        if life.contexts.live.view is None:
            life.portal.call(life.know_contexts)
        return life.caller_side.begin(request)

    def lookup(self, request: CacheRequest | Ticket) -> LookupResult:
        begun = request if isinstance(request, Ticket) else self.begin(request)
        if not isinstance(begun, Ticket):
            return begun
        life = self._fabric._life()
        try:
            result = life.portal.call(lambda: life.engine.lookup(begun))
        except BaseException as error:
            life.leave(begun, error)
            raise
        return life.caller_side.end(begun, life.caller_side.judge_age(begun, result))

    def store(
        self,
        ticket: Ticket | CacheRequest,
        response: Any,
        *,
        usage: Usage | None = None,
        latency: float | None = None,
    ) -> str | None:
        life = self._fabric._life()
        return life.settle(life.caller_side.prepare(ticket, response, usage, latency))

    def release(self, ticket: Ticket, *, failed: bool = True) -> None:
        life = self._fabric._life()
        if failed:
            life.caller_side.released(ticket)
        life.abandon(ticket)

    def get_or_call(self, request: CacheRequest, call: Callable[[], Any]) -> Any:
        result = self.lookup(request)
        if isinstance(result, Hit):
            return result.entry.payload
        if not isinstance(result, Miss):
            return call()
        try:
            response = call()
        except Exception:
            standing_in = self.stale(result.ticket)
            if standing_in is None:
                raise
            return standing_in.entry.payload
        except BaseException:
            self.release(result.ticket)
            raise
        self.store(result.ticket, response)
        return response

    def stale(self, ticket: Ticket) -> Hit | None:
        life = self._fabric._life()
        found = life.caller_side.stood_in(ticket)
        life.abandon(ticket)
        return found

    def joined(self, ticket: Ticket) -> Hit | Miss:
        return self._fabric.joined(ticket)

    def bypass(self, model: str, reason: str) -> Bypass:
        return self._fabric.bypass(model, reason)

    def add_hook(self, hook: Any, *, content: bool = False) -> None:
        self._fabric.add_hook(hook, content=content)

    def remove_hook(self, hook: Any) -> None:
        self._fabric.remove_hook(hook)

    def unread(self, hit: Hit) -> None:
        self._fabric.unread(hit)

    def lookup_values(self, kind: str, whose: Any, names: Sequence[str]) -> list[Any | None]:
        return self._call(lambda: self._fabric.lookup_values(kind, whose, names))

    def store_values(
        self, kind: str, whose: Any, values: Mapping[str, Any], *, ttl: float | None = None
    ) -> None:
        self._fabric.store_values(kind, whose, values, ttl=ttl)

    def clear_values(self, kind: str, whose: Any = ()) -> int:
        return self._call(lambda: self._fabric.clear_values(kind, whose))

    def search_similar(
        self, query: str, limit: int = 10, *, tenant: str | None = None
    ) -> list[SimilarItem]:
        return self._call(lambda: self._fabric.search_similar(query, limit, tenant=tenant))

    def get_entry(self, entry_id: str) -> CacheEntry | None:
        return self._call(lambda: self._fabric.get_entry(entry_id))

    def explain(self, of: str, *, texts: bool = False) -> LookupExplanation | EntryExplanation:
        return self._call(lambda: self._fabric.explain(of, texts=texts))

    def list_answers(
        self,
        *,
        context: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        state: State = "active",
        limit: int = 100,
    ) -> list[CacheEntry]:
        return self._call(
            lambda: self._fabric.list_answers(
                context=context,
                tenant=tenant,
                user=user,
                tag=tag,
                model=model,
                state=state,
                limit=limit,
            )
        )

    def count_answers(
        self,
        contexts: Collection[str],
        *,
        tenant: str | None = None,
        progress: LineProgress | None = None,
    ) -> ContextAnswers:
        return self._call(
            lambda: self._fabric.count_answers(contexts, tenant=tenant, progress=progress)
        )

    def invalidate(
        self,
        *,
        entry: str | None = None,
        context: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        dry_run: bool = False,
    ) -> Invalidation:
        return self._call(
            lambda: self._fabric.invalidate(
                entry=entry,
                context=context,
                tenant=tenant,
                user=user,
                tag=tag,
                model=model,
                dry_run=dry_run,
            )
        )

    def export_answers(
        self,
        place: Place,
        *,
        context: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        progress: LineProgress | None = None,
    ) -> int:
        return self._call(
            lambda: self._fabric.export_answers(
                place,
                context=context,
                tenant=tenant,
                user=user,
                tag=tag,
                model=model,
                progress=progress,
            )
        )

    def import_answers(self, place: Place, *, progress: LineProgress | None = None) -> int:
        return self._call(lambda: self._fabric.import_answers(place, progress=progress))

    def similarity(self, one: str, two: str) -> float:
        return self._call(lambda: self._fabric.similarity(one, two))

    def clear(self) -> int:
        return self._call(self._fabric.clear)

    def reindex(self, progress: Progress | None = None) -> Reindexed:
        return self._call(lambda: self._fabric.reindex(progress))

    def erase(
        self, *, user: str | None = None, tenant: str | None = None, dry_run: bool = False
    ) -> Receipt:
        return self._call(lambda: self._fabric.erase(user=user, tenant=tenant, dry_run=dry_run))

    def fleet(self) -> list[Agent]:
        return self._call(self._fabric.fleet)

    def get_metrics(self, window: Window | None = None) -> FabricMetrics:
        return self._call(lambda: self._fabric.get_metrics(window))

    def get_metrics_series(self, window: Window | None = None) -> list[dict[str, Any]]:
        return self._call(lambda: self._fabric.get_metrics_series(window))

    def metrics_frame(self, window: Window | None = None, by: str | None = None) -> Any:
        return self._call(lambda: self._fabric.metrics_frame(window, by))

    def own_sums(self) -> Totals:
        return self._fabric.own_sums()

    def kept_sums(self) -> Totals:
        return self._call(self._fabric.kept_sums)

    def standing(self) -> Standing:
        return self._fabric.standing()

    def backends(self) -> Backends:
        return self._fabric.backends()

    def inspect(self) -> Inspection:
        return self._call(self._fabric.inspect)

    def open(self) -> Self:
        self._call(self._fabric.open)
        return self

    def flush(self) -> None:
        return self._call(self._fabric.flush)

    def close(self) -> None:
        """Write what waits, close what the fabric made; idempotent (`CacheFabric.aclose`)."""
        self._fabric._stop_page()
        life = self._fabric._life()
        if not life.portal.closed:
            life.portal.call(lambda: life.close())
            life.portal.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()
