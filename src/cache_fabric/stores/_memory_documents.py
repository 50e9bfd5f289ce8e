"""The documents of a store inside this process.

Each kind is a dict, a list of its places in order, and one such list for each term. A search walks
the shortest list that must hold what it looks for, from the newest end, and gives way to the loop
every few hundred documents; it goes on by the place where it stopped, which is right whatever was
put or deleted in between. All else runs to its end without an await.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain

from cache_fabric.stores._document_cursor import Place, cursor_at, read_cursor
from cache_fabric.stores.documents import Document, Found, Query, Term, words

__all__ = ["MemoryDocuments"]

_STEP = 200  # documents looked at between two turns of the loop: below a millisecond


@dataclass(slots=True)
class _Kept:
    document: Document
    words: Set[str]
    marks: frozenset[Term] = frozenset()
    marked: Mapping[str, float] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        return self.document.at, self.document.key

    @property
    def terms(self) -> Set[Term]:
        return self.document.terms | self.marks

    @property
    def blobs(self) -> Set[str]:
        return {blob.key for blob in self.document.blobs}


@dataclass(slots=True)
class _KeptBlob:
    value: bytes
    words: Set[str]
    named: int = 0  # by how many documents


class _Kind:
    """The documents of one kind."""

    def __init__(self) -> None:
        self.kept: dict[str, _Kept] = {}
        # Places, oldest first: of all documents under ``None``, of those that have a term under it.
        self.places: defaultdict[Term | None, list[Place]] = defaultdict(list)

    def put(self, kept: _Kept) -> None:
        self.kept[kept.document.key] = kept
        for term in (None, *kept.terms):
            insort(self.places[term], kept.place)

    def pop(self, key: str) -> _Kept | None:
        kept = self.kept.pop(key, None)
        if kept is not None:
            for term in (None, *kept.terms):
                places = self.places[term]
                del places[bisect_left(places, kept.place)]
                if not places:
                    del self.places[term]
        return kept

    def below(self, place: Place | None, terms: Set[Term]) -> list[_Kept]:
        """Return the next few below a place that may have all the terms, newest first."""
        lists = [self.places.get(term, []) for term in terms] or [self.places.get(None, [])]
        places = min(lists, key=len)
        end = len(places) if place is None else bisect_left(places, place)
        return [self.kept[key] for _, key in reversed(places[max(0, end - _STEP) : end])]


class MemoryDocuments:
    """Documents in the memory of this process.

    Args:
        check_open: Raises for a closed store; hears what is being done.
    """

    def __init__(self, check_open: Callable[[str], None]) -> None:
        self._check_open = check_open
        self._kinds: defaultdict[str, _Kind] = defaultdict(_Kind)
        self._blobs: dict[str, _KeptBlob] = {}

    async def put(self, kind: str, documents: Sequence[Document]) -> None:
        self._check_open("put documents")
        last = {document.key: document for document in documents}.values()
        # The words come first: what cannot be read must not leave half of the documents behind.
        read = [_Kept(document, frozenset(words(document.text))) for document in last]
        self._blobs |= self._new_blobs(last)
        for kept in read:  # all, before any blob is swept that one of them names again
            self._name(kept)
        for kept in read:
            earlier = self._kinds[kind].pop(kept.document.key)
            if earlier is not None:
                kept.marks, kept.marked = earlier.marks, earlier.marked
                self._forget(earlier)
            self._kinds[kind].put(kept)

    async def mark(
        self, kind: str, key: str, *, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> bool:
        self._check_open("mark a document")
        kept = self._kinds[kind].pop(key)
        if kept is None:
            return False
        kept.marks, kept.marked = terms, dict(numbers)
        self._kinds[kind].put(kept)
        return True

    async def get(self, kind: str, keys: Sequence[str]) -> list[bytes | None]:
        self._check_open("get documents")
        found = [self._kinds[kind].kept.get(key) for key in keys]
        return [None if kept is None else kept.document.value for kept in found]

    async def blobs(self, keys: Sequence[str]) -> list[bytes | None]:
        self._check_open("get blobs")
        found = [self._blobs.get(key) for key in keys]
        return [None if blob is None else blob.value for blob in found]

    async def find(
        self, kind: str, query: Query, *, after: str | None = None, limit: int = 50
    ) -> Found:
        self._check_open("find documents")
        place = None if after is None else read_cursor(after)
        matching = await self._matching(kind, query, place, limit + 1)
        page = matching[:limit]
        items = tuple((kept.document.key, kept.document.value) for kept in page)
        return Found(items, cursor_at(page[-1].place) if len(matching) > limit else None)

    async def count(self, kind: str, query: Query) -> int:
        self._check_open("count documents")
        return len(await self._matching(kind, query, None, None))

    async def delete(self, kind: str, keys: Sequence[str]) -> int:
        self._check_open("delete documents")
        gone = [kept for key in keys if (kept := self._kinds[kind].pop(key)) is not None]
        for kept in gone:
            self._forget(kept)
        return len(gone)

    def clear(self) -> None:
        """Forget everything."""
        self._kinds.clear()
        self._blobs.clear()

    async def _matching(
        self, kind: str, query: Query, place: Place | None, most: int | None
    ) -> list[_Kept]:
        asked = frozenset(words(query.text))
        matching: list[_Kept] = []
        while step := self._kinds[kind].below(place, query.terms):
            for kept in step:
                if self._matches(kept, query, asked):
                    matching.append(kept)
                    if len(matching) == most:
                        return matching
            place = step[-1].place
            await asyncio.sleep(0)
        return matching

    def _matches(self, kept: _Kept, query: Query, asked: Set[str]) -> bool:
        at = kept.document.at
        return (
            (query.since is None or at >= query.since)
            and (query.until is None or at < query.until)
            and query.terms <= kept.terms
            and _within({**kept.document.numbers, **kept.marked}, query)
            and (asked <= kept.words or any(asked <= self._blobs[key].words for key in kept.blobs))
        )

    def _new_blobs(self, documents: Iterable[Document]) -> dict[str, _KeptBlob]:
        new: dict[str, _KeptBlob] = {}
        for blob in chain.from_iterable(document.blobs for document in documents):
            if blob.key not in self._blobs and blob.key not in new:
                new[blob.key] = _KeptBlob(blob.value, frozenset(words(blob.text)))
        return new

    def _name(self, kept: _Kept) -> None:
        for key in kept.blobs:
            self._blobs[key].named += 1

    def _forget(self, kept: _Kept) -> None:
        for key in kept.blobs:
            self._blobs[key].named -= 1
            if not self._blobs[key].named:
                del self._blobs[key]


def _within(numbers: Mapping[str, float], query: Query) -> bool:
    return all(
        name in numbers and numbers[name] >= bound for name, bound in query.least.items()
    ) and all(name in numbers and numbers[name] <= bound for name, bound in query.most.items())
