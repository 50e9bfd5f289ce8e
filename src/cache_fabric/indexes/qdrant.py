"""Vectors kept by Qdrant: on a server, or by its client in a folder or in memory.

One collection a namespace, cosine, with the partition as an indexed payload field that every
search filters by; Qdrant builds its graph so that such a filter is part of the walk. Whose vectors
they are is in the collection's metadata, which a server keeps from version 1.16 on.

The client's local mode passes the contract suite as it is. What it says to a server is tested
against a small imitation of the HTTP API, because no Qdrant server could be had where this was
written.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np

from cache_fabric.errors import BackendUnavailable, ConfigurationError, MissingExtraError

try:
    from qdrant_client import AsyncQdrantClient, models
    from qdrant_client.http.exceptions import UnexpectedResponse
except ModuleNotFoundError as error:
    raise MissingExtraError("qdrant", "the Qdrant index") from error

from cache_fabric.indexes._block import as_row
from cache_fabric.indexes._qdrant_errors import translated
from cache_fabric.indexes._qdrant_places import connect, is_server, sweep
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from cache_fabric.indexes.base import Vector

__all__ = ["QdrantIndex"]

_BATCH = 256  # rows a write: 1 MB of JSON at 256 dimensions
_PAGE = 1000  # rows a read
_CONFLICT = 409


class QdrantIndex:
    """A `VectorIndex` in one Qdrant collection, which holds ids, vectors and partition hashes.

    Args:
        location: ``http://host:6333``, ``https://…``, a folder for the client's local mode (which
            one process alone may use), or ``:memory:``.
        collection: Name of the collection; one a namespace.
        api_key: For a server; never part of a message.
        timeout: Seconds that one request may take, rounded up.
    """

    def __init__(
        self,
        location: str,
        *,
        collection: str,
        api_key: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._on_server = is_server(location)
        self._location = location
        self._collection = collection
        self._api_key = api_key
        self._timeout = timeout
        self.name = f"qdrant {location}" if self._on_server else "qdrant"
        self._client: AsyncQdrantClient | None = None
        self._leave: Callable[[], None]
        self._identity: dict[str, Any] = {}

    @classmethod
    def from_url(cls, url: str, namespace: str) -> QdrantIndex:
        """An index for ``qdrant+http://host:6333``, ``qdrant+https://key@host``, the same without
        ``qdrant+``, ``qdrant:///folder`` or ``qdrant://:memory:``.

        The key may come from ``QDRANT_API_KEY`` instead. Each namespace has a collection of its
        own.
        """
        # Qdrant allows fewer characters in a name than a namespace may hold.
        collection = "cache-fabric-" + hashlib.sha256(namespace.encode()).hexdigest()[:16]
        scheme, _, rest = url.partition("://")
        if scheme == "qdrant":
            if not rest:
                raise ConfigurationError("index: expected qdrant:///folder")
            return cls(rest, collection=collection)
        try:
            address = urlsplit(url.removeprefix("qdrant+"))
            port = address.port or 6333
        except ValueError as error:
            raise ConfigurationError(f"index: {error}; expected http://host:6333") from error
        if not address.hostname:
            raise ConfigurationError("index: expected qdrant+http://host:6333")
        host = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
        key = address.password or address.username or os.environ.get("QDRANT_API_KEY")
        return cls(
            f"{address.scheme}://{host}:{port}{address.path.rstrip('/')}",
            collection=collection,
            api_key=unquote(key) if key else None,
        )

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        asked: dict[str, Any] = {"embedder": embedder, "dimension": dimension}
        if self._client is not None:
            with translated(self.name, "open"):
                await self._resolve(self._client, asked, replace)
        else:
            with translated(self.name, "open"):
                client, leave = connect(self._location, self._api_key, self._timeout)
                try:
                    await self._resolve(client, asked, replace)
                except BaseException:
                    await client.close()
                    leave()
                    raise
            self._client, self._leave = client, leave
        self._identity = asked

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        client = self._opened("upsert")
        latest = {item.id: (item, self._row(item.vector, "upsert")) for item in items}
        points = [
            models.PointStruct(
                id=_point_id(item.id),
                vector=row.tolist(),
                payload={"id": item.id, "partition": item.partition},
            )
            for item, row in latest.values()
        ]
        with translated(self.name, "upsert"):
            for start in range(0, len(points), _BATCH):
                batch = points[start : start + _BATCH]
                await client.upsert(self._collection, points=batch, wait=True)

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        client = self._opened("search")
        row = self._row(vector, "search")
        if k < 1:
            return []
        with translated(self.name, "search"):
            found = await client.query_points(
                self._collection,
                query=row.tolist(),
                query_filter=_within(partition),
                limit=k,
                with_payload=["id"],
            )
            return [Neighbor(_payload(p)["id"], max(-1.0, min(1.0, p.score))) for p in found.points]

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        client = self._opened("partition_items")
        items: list[VectorItem] = []
        place: Any = None
        with translated(self.name, "partition_items"):
            while len(items) < limit:
                records, place = await client.scroll(
                    self._collection,
                    scroll_filter=_within(partition),
                    limit=min(_PAGE, limit - len(items)),
                    offset=place,
                    with_payload=True,
                    with_vectors=True,
                )
                items += map(_item, records)
                if place is None:
                    break
        return items

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        client = self._opened("fetch")
        items: list[VectorItem] = []
        with translated(self.name, "fetch"):
            for start in range(0, len(ids), _PAGE):
                page = [_point_id(key) for key in ids[start : start + _PAGE]]
                records = await client.retrieve(
                    self._collection, ids=page, with_payload=True, with_vectors=True
                )
                items += map(_item, records)
        return items

    async def delete(self, ids: Sequence[str]) -> None:
        client = self._opened("delete")
        if not ids:
            return
        points = models.PointIdsList(points=[_point_id(key) for key in ids])
        with translated(self.name, "delete"):
            await client.delete(self._collection, points_selector=points, wait=True)

    async def count(self, partition: str | None = None) -> int:
        client = self._opened("count")
        with translated(self.name, "count"):
            found = await client.count(self._collection, count_filter=_within(partition))
            return found.count

    async def clear(self) -> None:
        client = self._opened("clear")
        everything = models.FilterSelector(filter=models.Filter())
        with translated(self.name, "clear"):
            await client.delete(self._collection, points_selector=everything, wait=True)

    async def scrub(self) -> Sequence[str]:
        self._opened("scrub")
        with translated(self.name, "scrub"):
            return await asyncio.to_thread(sweep, self._location)

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with translated(self.name, "aclose"):
                await client.close()
            self._leave()

    def _opened(self, operation: str) -> AsyncQdrantClient:
        if self._client is None:
            raise BackendUnavailable(self.name, operation, "the index is not open")
        return self._client

    def _row(self, vector: Vector, operation: str) -> Vector:
        return as_row(vector, self._identity["dimension"], self.name, operation)

    async def _resolve(
        self, client: AsyncQdrantClient, asked: Mapping[str, Any], replace: bool
    ) -> None:
        """Make the collection if need be, and see that it holds this embedder's vectors."""
        if not await client.collection_exists(self._collection):
            await self._create(client, asked)
        config = (await client.get_collection(self._collection)).config
        kept = config.metadata or {}
        vectors = config.params.vectors
        cosine = (
            isinstance(vectors, models.VectorParams)
            and vectors.distance == models.Distance.COSINE
            and vectors.size == kept.get("dimension")
        )
        if cosine and all(kept.get(name) == value for name, value in asked.items()):
            return
        if replace:
            await client.delete_collection(self._collection)
            await self._create(client, asked)
            return
        raise ConfigurationError(
            f"collection {self._collection} of {self.name} holds vectors of "
            f"{kept.get('embedder', 'an unknown embedder')} ({kept.get('dimension')} numbers), not "
            f"of {asked['embedder']} ({asked['dimension']} numbers): use the same embedder, "
            "another namespace=, or `cache-fabric reindex`, which deletes them"
        )

    async def _create(self, client: AsyncQdrantClient, identity: Mapping[str, Any]) -> None:
        try:
            await client.create_collection(
                self._collection,
                vectors_config=models.VectorParams(
                    size=identity["dimension"], distance=models.Distance.COSINE
                ),
                metadata=dict(identity),
            )
        except UnexpectedResponse as error:
            if error.status_code != _CONFLICT:  # another process has just made it
                raise
        if self._on_server:  # locally it has no effect but a warning
            await client.create_payload_index(
                self._collection, "partition", models.PayloadSchemaType.KEYWORD, wait=True
            )


def _point_id(key: str) -> str:
    """A UUID for an id: Qdrant takes no other text."""
    return str(uuid.UUID(bytes=hashlib.sha256(key.encode()).digest()[:16]))


def _within(partition: str | None) -> models.Filter | None:
    if partition is None:
        return None
    match = models.MatchValue(value=partition)
    return models.Filter(must=[models.FieldCondition(key="partition", match=match)])


def _payload(point: Any) -> dict[str, Any]:
    payload: dict[str, Any] = point.payload
    return payload


def _item(record: Any) -> VectorItem:
    payload = _payload(record)
    vector = np.asarray(record.vector, dtype=np.float32)
    return VectorItem(payload["id"], payload["partition"], vector)
