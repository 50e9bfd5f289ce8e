"""What the tests of documents stand on: making one, and finding all by paging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Blob, Document, Query, Term

__all__ = ["doc", "found"]

_EVERYTHING = Query()
_MOST_PAGES = 10_000


def doc(
    key: str,
    *,
    at: float = 1.0,
    value: bytes = b"v",
    terms: Set[Term] = frozenset(),
    numbers: Mapping[str, float] | None = None,
    text: str = "",
    blobs: Sequence[Blob] = (),
) -> Document:
    """Return a document that is found by nothing but what is given."""
    return Document(
        key=key,
        value=value,
        at=at,
        terms=frozenset(terms),
        numbers=numbers or {},
        text=text,
        blobs=blobs,
    )


async def found(
    store: Store, query: Query = _EVERYTHING, *, kind: str = "x", limit: int = 50
) -> list[str]:
    """Return the keys of all that matches, page by page; the count must say the same."""
    keys: list[str] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await store.documents.find(kind, query, after=cursor, limit=limit)
        assert len(page.items) <= limit
        keys += [key for key, _ in page.items]
        cursor = page.cursor
        if cursor is None:
            assert await store.documents.count(kind, query) == len(keys)
            return keys
    raise AssertionError("the pages never end")
