"""The blocking view of the methods on single answers; `VerdictMethods` documents them."""

from __future__ import annotations

from cache_fabric.sync_view import SyncView
from cache_fabric.votes import Effect

__all__ = ["SyncVerdictMethods"]


class SyncVerdictMethods(SyncView):
    """Verdicts, blocking."""

    def retire_answer(self, entry_id: str, *, by: str | None = None, why: str = "") -> Effect:
        return self._call(lambda: self._fabric.retire_answer(entry_id, by=by, why=why))

    def restore_answer(self, entry_id: str, *, by: str | None = None, why: str = "") -> Effect:
        return self._call(lambda: self._fabric.restore_answer(entry_id, by=by, why=why))

    def pin_answer(
        self,
        entry_id: str,
        *,
        answer: str | None = None,
        by: str | None = None,
        why: str = "",
    ) -> Effect:
        return self._call(lambda: self._fabric.pin_answer(entry_id, answer=answer, by=by, why=why))
