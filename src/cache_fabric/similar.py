"""Search by meaning over contexts and kept answers together, nearest first."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from cache_fabric.contexts import Contexts
from cache_fabric.engine import Engine
from cache_fabric.errors import ValidationError
from cache_fabric.records import ContextEntry, SimilarItem
from cache_fabric.scopes import Owner
from cache_fabric.types import Candidate

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["SimilarSearch"]

_REMEMBERED = 10_000


class SimilarSearch:
    """Finds what is near a text.

    Answers are searched in the index. Contexts are few (a deployment has hundreds), so they are
    embedded once a version and compared in process: they need no second index to keep in step.
    """

    def __init__(self, engine: Engine, contexts: Contexts) -> None:
        self._engine = engine
        self._contexts = contexts
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    async def find(self, query: str, limit: int, tenant: str | None) -> list[SimilarItem]:
        """Return at most ``limit`` items that this tenant may see.

        Raises:
            ValidationError: An empty query or a limit below 1.
            BackendError: The embedder, the index or the store failed.
        """
        if not query.strip():
            raise ValidationError("query", "expected text")
        if limit < 1:
            raise ValidationError("limit", f"expected a whole number above 0, got {limit}")
        await self._contexts.live.load()
        answers = await self._engine.search(query, limit)
        items = [_from_answer(c) for c in answers if c.entry.tenant in (None, tenant)]
        items += await self._near_contexts(query, tenant)
        return sorted(items, key=lambda item: item.similarity, reverse=True)[:limit]

    def forget(self) -> None:
        """Let go of the texts that were compared."""
        self._vectors.clear()

    async def _near_contexts(self, query: str, tenant: str | None) -> list[SimilarItem]:
        entries = await self._contexts.visible(Owner(tenant=tenant))
        if not entries:
            return []
        texts = [_text(entry.value) for entry in entries]
        unknown = [text for text in dict.fromkeys([query, *texts]) if text not in self._vectors]
        if unknown:
            fresh = await self._engine.semantic.embed(unknown)
            self._vectors.update(zip(unknown, fresh, strict=True))
        near = self._vectors[query]
        found = [
            _from_context(entry, float(near @ self._vectors[text]))
            for entry, text in zip(entries, texts, strict=True)
        ]
        while len(self._vectors) > _REMEMBERED:
            self._vectors.popitem(last=False)
        return found


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.strip() else "empty"


def _from_context(entry: ContextEntry, similarity: float) -> SimilarItem:
    about = {"type": "context", "scope": entry.scope.value, "version": entry.version}
    return SimilarItem(
        key=entry.key,
        value=entry.value,
        similarity=similarity,
        metadata={**entry.metadata, **about},
    )


def _from_answer(found: Candidate) -> SimilarItem:
    entry = found.entry
    return SimilarItem(
        key=entry.id,
        value=entry.text,
        similarity=found.similarity,
        metadata={"type": "answer", "question": entry.question, "model": entry.model},
    )
