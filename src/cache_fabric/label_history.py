"""Where a label came from: its last move, found in the change log from the newest backwards."""

from __future__ import annotations

from dataclasses import dataclass

from cache_fabric.context_view import items_of
from cache_fabric.stores.base import Store

__all__ = ["LabelMoved", "last_move"]

_PAGE = 1_000
_ABOVE_ALL = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMoved:
    """A move of a label; ``before`` is ``None`` for its first, ``at`` seconds since the epoch."""

    version: int
    before: int | None
    at: float
    author: str | None


async def last_move(records: Store, secret: bytes, path: str, label: str) -> LabelMoved | None:
    """Return the last move of a label, ``None`` where the log no longer tells."""
    page = await records.changes(_ABOVE_ALL, 1)
    end, floor = page.head, page.floor
    while end > floor:
        start = max(floor, end - _PAGE)
        page = await records.changes(start, end - start)
        for change in reversed(page.items):
            for item in reversed(items_of(change, secret)):
                if (item["op"], item["path"], item["label"]) != ("label", path, label):
                    continue
                if item["before"] != item["version"]:
                    return LabelMoved(
                        version=item["version"],
                        before=item["before"],
                        at=change.at,
                        author=item["author"],
                    )
        end, floor = start, page.floor
    return None
