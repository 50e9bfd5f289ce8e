"""The blocking view of the methods on feedback; `FeedbackMethods` documents them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cache_fabric.records import Feedback
from cache_fabric.sync_view import SyncView

__all__ = ["SyncFeedbackMethods"]


class SyncFeedbackMethods(SyncView):
    """Feedback, blocking."""

    def record_feedback(self, execution_id: str, feedback: Mapping[str, Any]) -> Feedback:
        return self._call(lambda: self._fabric.record_feedback(execution_id, feedback))
