"""Vectors kept by Pinecone, in an index that you have made for cosine and the embedder's size.

One Pinecone namespace a namespace of ours, with the partition as metadata that every search filters
by. Whose vectors they are is told by one record in a namespace beside it.

Pinecone is eventually consistent: what was just written is found moments later, and so is what
another process wrote. The client is the real one; it is tested against a small imitation of the
HTTP API (version 2025-10 of its data plane), because the service needs an account.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from cache_fabric.errors import BackendUnavailable, ConfigurationError, MissingExtraError

try:
    from pinecone import AsyncPinecone
    from pinecone.errors import NotFoundError
except ImportError as error:
    raise MissingExtraError("pinecone", "the Pinecone index") from error

from cache_fabric.indexes._block import as_row
from cache_fabric.indexes._pinecone_errors import translated
from cache_fabric.indexes.base import VectorItem
from cache_fabric.types import Neighbor

if TYPE_CHECKING:
    from pinecone.async_client.async_index import AsyncIndex

    from cache_fabric.indexes.base import Vector

__all__ = ["PineconeIndex"]

_WRITTEN = 100  # rows a request, which may hold 2 MB
_FETCHED = 100  # ids a request: they are part of its URL
_DELETED = 1000  # ids a request, as the service allows
_PAGE = 100
_MOST = 10_000  # neighbors that one query may ask for
_ABOUT = "about"


class PineconeIndex:
    """A `VectorIndex` in one namespace of a Pinecone index; ids, vectors and partition hashes.

    Args:
        index: Name of the Pinecone index; made by you.
        namespace: Pinecone namespace, of ``a-z A-Z 0-9 . _ -``; one a namespace of ours.
        api_key: Default ``PINECONE_API_KEY``; never part of a message.
        host: URL of the index, where it is known; else asked for by its name.
        timeout: Seconds that one request may take.

    Raises:
        ConfigurationError: There is no key.
    """

    def __init__(
        self,
        index: str,
        *,
        namespace: str,
        api_key: str | None = None,
        host: str = "",
        timeout: float = 10.0,
    ) -> None:
        key = api_key or os.environ.get("PINECONE_API_KEY")
        if not key:
            raise ConfigurationError("api_key: Pinecone needs one, set PINECONE_API_KEY")
        self.name = f"pinecone {index}"
        self._index = index
        self._namespace = namespace
        self._key = key
        self._host = host
        self._timeout = timeout
        self._client: AsyncIndex | None = None
        self._dimension = 0

    @classmethod
    def from_url(cls, url: str, namespace: str) -> PineconeIndex:
        """An index for ``pinecone://index-name`` or ``pinecone://index-name?host=https://…``.

        Each namespace has a Pinecone namespace of its own.
        """
        address = urlsplit(url)
        given = parse_qs(address.query)
        if not address.netloc or address.path.strip("/") or set(given) - {"host"}:
            raise ConfigurationError(
                "index: expected pinecone://index-name or pinecone://index-name?host=https://…, "
                "and the key in PINECONE_API_KEY"
            )
        # Pinecone allows fewer characters in a name than a namespace may hold.
        theirs = "cache-fabric-" + hashlib.sha256(namespace.encode()).hexdigest()[:16]
        return cls(address.netloc, namespace=theirs, host=given.get("host", [""])[0])

    async def open(self, *, embedder: str, dimension: int, replace: bool = False) -> None:
        client = self._client
        with translated(self.name, "open"):
            if client is None:
                client = await self._connected()
            try:
                await self._check_shape(client, dimension)
                await self._claim(client, embedder, dimension, replace)
            except BaseException:
                if self._client is None:
                    await client.close()
                raise
        self._client, self._dimension = client, dimension

    async def upsert(self, items: Sequence[VectorItem]) -> None:
        client = self._opened("upsert")
        latest = {item.id: (item, self._row(item.vector, "upsert")) for item in items}
        vectors = [
            {
                "id": _theirs(item.id),
                "values": row.tolist(),
                "metadata": {"id": item.id, "partition": item.partition},
            }
            for item, row in latest.values()
        ]
        with translated(self.name, "upsert"):
            for start in range(0, len(vectors), _WRITTEN):
                await client.upsert(
                    vectors=vectors[start : start + _WRITTEN], namespace=self._namespace
                )

    async def search(self, vector: Vector, *, partition: str | None, k: int) -> list[Neighbor]:
        client = self._opened("search")
        row = self._row(vector, "search")
        if k < 1:
            return []
        with translated(self.name, "search"):
            found = await client.query(
                vector=row.tolist(),
                top_k=min(k, _MOST),
                namespace=self._namespace,
                filter=None if partition is None else _within(partition),
                include_metadata=True,
            )
            return [
                Neighbor(_metadata(match)["id"], max(-1.0, min(1.0, match.score)))
                for match in found.matches
            ]

    async def partition_items(self, partition: str, limit: int) -> list[VectorItem]:
        client = self._opened("partition_items")
        items: list[VectorItem] = []
        place: str | None = None
        with translated(self.name, "partition_items"):
            while len(items) < limit:
                page = await client.fetch_by_metadata(
                    filter=_within(partition),
                    namespace=self._namespace,
                    limit=min(_PAGE, limit - len(items)),
                    pagination_token=place,
                )
                items += map(_item, page.vectors.values())
                place = page.pagination.next if page.pagination else None
                if not place:
                    break
        return items

    async def fetch(self, ids: Sequence[str]) -> list[VectorItem]:
        client = self._opened("fetch")
        items: list[VectorItem] = []
        with translated(self.name, "fetch"):
            for start in range(0, len(ids), _FETCHED):
                page = [_theirs(key) for key in ids[start : start + _FETCHED]]
                found = await client.fetch(ids=page, namespace=self._namespace)
                items += map(_item, found.vectors.values())
        return items

    async def delete(self, ids: Sequence[str]) -> None:
        client = self._opened("delete")
        theirs = [_theirs(key) for key in dict.fromkeys(ids)]
        with translated(self.name, "delete"):
            for start in range(0, len(theirs), _DELETED):
                batch = theirs[start : start + _DELETED]
                await _unless_absent(client.delete(ids=batch, namespace=self._namespace))

    async def count(self, partition: str | None = None) -> int:
        """As the protocol says; of one partition it costs as much as reading all its items."""
        client = self._opened("count")
        if partition is not None:
            return len(await self.partition_items(partition, 2**62))
        with translated(self.name, "count"):
            summary = (await client.describe_index_stats()).namespaces.get(self._namespace)
            return 0 if summary is None else summary.vector_count

    async def clear(self) -> None:
        client = self._opened("clear")
        with translated(self.name, "clear"):
            await _unless_absent(client.delete(delete_all=True, namespace=self._namespace))

    async def scrub(self) -> Sequence[str]:
        self._opened("scrub")
        return (
            f"{self.name} may find deleted vectors for some moments more; when their bytes leave "
            "its disks and its backups is up to the service",
        )

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with translated(self.name, "aclose"):
                await client.close()

    def _opened(self, operation: str) -> AsyncIndex:
        if self._client is None:
            raise BackendUnavailable(self.name, operation, "the index is not open")
        return self._client

    def _row(self, vector: Vector, operation: str) -> Vector:
        return as_row(vector, self._dimension, self.name, operation)

    async def _connected(self) -> AsyncIndex:
        async with AsyncPinecone(api_key=self._key, timeout=self._timeout) as control:
            return await control.index(self._index, host=self._host)

    async def _check_shape(self, client: AsyncIndex, dimension: int) -> None:
        stats = await client.describe_index_stats()
        if stats.dimension != dimension or stats.metric not in (None, "cosine"):
            raise ConfigurationError(
                f"index: {self.name} was made for {stats.dimension} numbers and {stats.metric}, "
                f"expected {dimension} and cosine: make one that fits this embedder"
            )

    async def _claim(
        self, client: AsyncIndex, embedder: str, dimension: int, replace: bool
    ) -> None:
        """Write down whose vectors these are, or see that it is written so."""
        beside = f"{self._namespace}.{_ABOUT}"
        found = (await client.fetch(ids=[_ABOUT], namespace=beside)).vectors.get(_ABOUT)
        kept = None if found is None else _metadata(found).get("embedder")
        if kept == embedder:
            return
        if kept is not None and not replace:
            raise ConfigurationError(
                f"namespace {self._namespace} of {self.name} holds vectors of {kept}, not of "
                f"{embedder}: use the same embedder, another namespace=, or "
                "`cache-fabric reindex`, which deletes them"
            )
        if kept is not None:
            await _unless_absent(client.delete(delete_all=True, namespace=self._namespace))
        about = {"id": _ABOUT, "values": [1.0] * dimension, "metadata": {"embedder": embedder}}
        await client.upsert(vectors=[about], namespace=beside)


async def _unless_absent(deletion: Any) -> None:
    """Deleting from a namespace that nothing was ever written to is no fault."""
    try:
        await deletion
    except NotFoundError:
        return


def _theirs(key: str) -> str:
    """Their ids are ASCII and short."""
    return hashlib.sha256(key.encode()).hexdigest()


def _within(partition: str) -> dict[str, Any]:
    return {"partition": {"$eq": partition}}


def _metadata(vector: Any) -> dict[str, Any]:
    return vector.metadata or {}


def _item(vector: Any) -> VectorItem:
    metadata = _metadata(vector)
    return VectorItem(
        metadata["id"], metadata["partition"], np.asarray(vector.values, dtype=np.float32)
    )
