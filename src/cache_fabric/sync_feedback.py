"""The blocking view of the methods on feedback; `FeedbackMethods` documents them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cache_fabric.line_files import Place, Progress
from cache_fabric.records import Feedback, Page
from cache_fabric.sync_view import SyncView

__all__ = ["SyncFeedbackMethods"]


class SyncFeedbackMethods(SyncView):
    """Feedback, blocking."""

    def record_feedback(
        self,
        execution_id: str,
        feedback: Mapping[str, Any],
        *,
        trusted: bool = True,
        allow_unknown: bool = False,
    ) -> Feedback:
        return self._call(
            lambda: self._fabric.record_feedback(
                execution_id, feedback, trusted=trusted, allow_unknown=allow_unknown
            )
        )

    def list_feedback(
        self,
        execution_id: str | None = None,
        *,
        context: str | None = None,
        verdict: str | None = None,
        annotator: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Feedback]:
        return self._call(
            lambda: self._fabric.list_feedback(
                execution_id,
                context=context,
                verdict=verdict,
                annotator=annotator,
                tenant=tenant,
                user=user,
                since=since,
                until=until,
                limit=limit,
                cursor=cursor,
            )
        )

    def export_feedback(
        self,
        place: Place,
        *,
        progress: Progress | None = None,
        context: str | None = None,
        verdict: str | None = None,
        annotator: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
    ) -> int:
        return self._call(
            lambda: self._fabric.export_feedback(
                place,
                progress=progress,
                context=context,
                verdict=verdict,
                annotator=annotator,
                tenant=tenant,
                user=user,
                since=since,
                until=until,
            )
        )
