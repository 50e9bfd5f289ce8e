"""Vectors of a whole stream at once, and what each request has before it in order of arrival."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.drivers import make_embedder
from cache_fabric.embedders.base import Embedder, unit_rows

if TYPE_CHECKING:
    from cache_fabric.embedders.base import Matrix

__all__ = ["KnownEmbedder", "earlier", "embed_all", "embed_stream", "embedding_ms"]

_BATCH = 256
_PROBES = 500


class KnownEmbedder:
    """An `Embedder` that knows the vectors of all texts beforehand, so that only we are timed.

    Another text, such as the probe of a first use, goes to the embedder behind it.
    """

    def __init__(self, behind: Embedder, texts: Sequence[str], vectors: Matrix) -> None:
        self.identity = behind.identity
        self._behind = behind
        self._row = {text: row for row, text in enumerate(texts)}
        self._vectors = vectors

    async def open(self) -> None:
        await self._behind.open()

    async def embed(self, texts: Sequence[str]) -> Matrix:
        rows = [self._row.get(text, -1) for text in texts]
        if -1 in rows:
            return await self._behind.embed(texts)
        known: Matrix = self._vectors[rows]
        return known

    async def aclose(self) -> None:
        await self._behind.aclose()


async def embed_all(embedder: Embedder, texts: Sequence[str]) -> Matrix:
    """Return one unit vector a text; a text without a vector (no known token) gets zeros."""
    await embedder.open()
    parts = []
    for start in range(0, len(texts), _BATCH):
        raw = np.asarray(await embedder.embed(texts[start : start + _BATCH]), dtype=np.float32)
        empty = np.linalg.norm(raw, axis=1) == 0
        raw[empty, 0] = 1.0
        rows = unit_rows(raw, len(raw), None, embedder.identity)
        rows[empty] = 0.0
        parts.append(rows)
    return np.concatenate(parts)


def embedding_ms(spec: str, texts: Sequence[str]) -> float:
    """Return the median milliseconds that one text takes, over a sample."""

    async def run() -> float:
        embedder = make_embedder(spec)
        await embedder.open()
        taken = []
        for text in texts[:: max(1, len(texts) // _PROBES)]:
            started = time.perf_counter()
            await embedder.embed([text])
            taken.append(1e3 * (time.perf_counter() - started))
        await embedder.aclose()
        return float(np.median(taken))

    return asyncio.run(run())


def embed_stream(spec: str, texts: Sequence[str]) -> Matrix:
    """Return the vectors of a stream's texts by the embedder of this name."""

    async def run() -> Matrix:
        embedder = make_embedder(spec)
        try:
            return await embed_all(embedder, texts)
        finally:
            await embedder.aclose()

    return asyncio.run(run())


def earlier(vectors: Matrix, scopes: Sequence[str | None]) -> Iterator[tuple[int, Matrix]]:
    """Yield (row, its similarities to all rows before it); other scopes are at -1.

    One product of a block against all before it is some ten times faster than row by row.
    """
    number = {scope: position for position, scope in enumerate(dict.fromkeys(scopes))}
    scope_of = np.array([number[scope] for scope in scopes])
    for start in range(0, len(vectors), _BATCH):
        block = vectors[start : start + _BATCH] @ vectors[: start + _BATCH].T
        for offset, similarities in enumerate(block):
            row = start + offset
            before = similarities[:row]
            if len(number) > 1:
                before[scope_of[:row] != scope_of[row]] = -1.0
            yield row, before
