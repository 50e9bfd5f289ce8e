"""``/v1/parts``: the store and the index for fabrics of other processes (`stores.http`).

Who may use it may write any bytes, as anybody may who reaches a Redis. So it is there only where a
token is asked for, and it is in no document: nothing but a fabric can make sense of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import fields
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from cache_fabric.errors import CacheFabricError, ConfigurationError, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.part_calls import CALLS, Introduction, RemoteItem, packed, unpacked
from cache_fabric.parts import Parts
from cache_fabric.stores.base import CommitConflict
from cache_fabric.types import Neighbor
from cache_fabric.web.errors import answer_to, refusal
from cache_fabric.web.operations import read_body

__all__ = ["part_routes"]

_MOST_BYTES = 128 * 1024 * 1024
_PAGE = 256
_TYPE = "application/msgpack"
_Endpoint = Callable[[Request], Awaitable[Response]]


def part_routes(fabric: CacheFabric) -> list[Route]:
    """Return the routes to the parts of a fabric."""

    async def call(request: Request) -> Response:
        part, method = request.path_params["part"], request.path_params["method"]
        asked = CALLS.get(part, {}).get(method)
        if asked is None:
            return refusal(404, None, "no such part or method")
        given = unpacked(await _sent(request), asked.takes)
        arguments = {field.name: getattr(given, field.name) for field in fields(given)}

        async def called(parts: Parts) -> Any:
            if (part, method) == ("store", "open"):
                store = parts.store
                return Introduction(fabric.config.namespace, store.durability, store.log_span)
            return await getattr(_places(parts)[part], method)(**arguments)

        return _told(await fabric.use_parts(called))

    async def scan(request: Request) -> Response:
        prefix = unpacked(await _sent(request), str)
        return StreamingResponse(_pages(fabric, prefix), media_type=_TYPE)

    return [
        Route("/v1/parts/store/scan", _answered(scan), methods=["POST"]),
        Route("/v1/parts/{part}/{method}", _answered(call), methods=["POST"]),
    ]


def _answered(endpoint: _Endpoint) -> _Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except CommitConflict as error:
            current = {"key": error.key, "revision": error.current}
            return refusal(409, None, "a commit expected another revision", current)
        except ConfigurationError as error:
            return refusal(400, None, str(error))
        except CacheFabricError as error:
            return answer_to(error)
        except msgspec.DecodeError as error:
            return refusal(422, "arguments", f"arguments: {error}")

    return answer


def _places(parts: Parts) -> dict[str, Any]:
    return {
        "store": parts.store,
        "documents": parts.store.documents,
        "index": _OnTheWire(parts.index),
    }


def _told(value: Any) -> Response:
    return Response(packed(value), media_type=_TYPE)


async def _sent(request: Request) -> bytes:
    data = await read_body(request, _MOST_BYTES)
    if data is None:
        raise ValidationError("arguments", f"expected at most {_MOST_BYTES} bytes")
    return data


async def _pages(fabric: CacheFabric, prefix: str) -> AsyncIterator[bytes]:
    """Yield the entries of a store in pages, each after its length."""
    entries: list[AsyncIterator[tuple[str, bytes]]] = []

    async def page(parts: Parts) -> list[tuple[str, bytes]]:
        if not entries:
            entries.append(parts.store.scan(prefix))
        found: list[tuple[str, bytes]] = []
        async for entry in entries[0]:
            found.append(entry)
            if len(found) == _PAGE:
                break
        return found

    while found := await fabric.use_parts(page):
        data = packed(found)
        yield len(data).to_bytes(4) + data


class _OnTheWire:
    """An index as `RemoteIndex`."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self.delete = index.delete
        self.count = index.count
        self.clear = index.clear
        self.scrub = index.scrub

    async def open(self, *, embedder: str, dimension: int, replace: bool) -> None:
        await self._index.open(embedder=embedder, dimension=dimension, replace=replace)

    async def upsert(self, items: Sequence[RemoteItem]) -> None:
        await self._index.upsert([VectorItem(i, p, _vector(v), ttl) for i, p, v, ttl in items])

    async def search(self, vector: bytes, *, partition: str | None, k: int) -> list[Neighbor]:
        return await self._index.search(_vector(vector), partition=partition, k=k)

    async def partition_items(self, partition: str, limit: int) -> list[RemoteItem]:
        return _remote(await self._index.partition_items(partition, limit))

    async def fetch(self, ids: Sequence[str]) -> list[RemoteItem]:
        return _remote(await self._index.fetch(ids))


def _vector(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    if len(data) % 4:
        raise ValidationError("vector", "expected float32 numbers")
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def _remote(items: Sequence[VectorItem]) -> list[RemoteItem]:
    return [(i.id, i.partition, i.vector.astype("<f4").tobytes(), i.ttl) for i in items]
