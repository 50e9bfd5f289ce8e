"""A subject's contexts are erased: heads, versions and labels, as if they had never been.

Their watchers are told by one note that names nobody; each live view then looks which of its heads
are still there. What cannot be taken back is the change log, which named them when they were
written: a watch promises every change or to say that some were missed, and rewriting what it tells
would break that. It is trimmed in time, and the receipt says when.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from cache_fabric import codec
from cache_fabric.context_view import items_of
from cache_fabric.live_contexts import HEADS, VERSIONS
from cache_fabric.part import Part
from cache_fabric.scopes import SEPARATOR, is_of
from cache_fabric.stores.base import CommitConflict, Record, Store, Write
from cache_fabric.subject import Subject

__all__ = ["ContextErasure", "Named"]

_TOGETHER = 200
_PAGE = 1000


class Named(NamedTuple):
    """How many changes of the log name a subject, and after how many more they are gone."""

    changes: int
    gone_after: int


class ContextErasure:
    """Erases contexts; the arguments are those of `Contexts`."""

    def __init__(self, store: Part, records: Store, secret: bytes) -> None:
        self._store = store
        self._records = records
        self._secret = secret

    async def erase(self, subject: Subject, runs: Container[str]) -> int:
        """Delete every version of a subject's contexts; returns how many contexts there were.

        Raises `BackendError`; what was deleted until then stays so.
        """
        note, count = codec.pack({"items": []}, self._secret), 0
        while True:
            heads = await self._owned(HEADS, subject, runs)
            versions = await self._owned(VERSIONS, subject, runs)
            found = [*versions, *heads]  # a head without versions is found again
            if not found:
                return count
            try:
                for start in range(0, len(found), _TOGETHER):
                    batch = found[start : start + _TOGETHER]
                    await self._records.commit(
                        [Write(record.key, None) for record in batch],
                        note=note,
                        expect={record.key: record.revision for record in batch},
                    )
                    count += sum(record.key.startswith(HEADS) for record in batch)
            except CommitConflict:
                continue  # somebody wrote a new version meanwhile: it goes too

    async def count(self, subject: Subject, runs: Container[str]) -> int:
        """Return how many contexts `erase` would delete."""
        return len(await self._owned(HEADS, subject, runs))

    async def named(self, subject: Subject, runs: Container[str]) -> Named:
        """Return how far the change log still names a subject."""
        after, changes, last = 0, 0, 0
        while True:
            page = await self._records.changes(after, _PAGE)
            for change in page.items:
                if any(is_of(subject, runs, i["path"]) for i in items_of(change, self._secret)):
                    changes, last = changes + 1, change.revision
            if not page.items:
                return Named(changes, max(0, last + self._records.log_span - page.head))
            after = page.items[-1].revision

    async def _owned(self, prefix: str, subject: Subject, runs: Container[str]) -> list[Record]:
        await self._store.open()
        found = await self._records.records(prefix)
        return [r for r in found if is_of(subject, runs, _path(prefix, r.key))]


def _path(prefix: str, key: str) -> str:
    path = key.removeprefix(prefix)
    return path.rpartition(SEPARATOR)[0] if prefix == VERSIONS else path
