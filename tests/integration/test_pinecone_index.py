"""`PineconeIndex`: the real client against an imitation of the service."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cache_fabric import create_cache_fabric
from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ConfigurationError,
)
from cache_fabric.indexes import pinecone
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.indexes.pinecone import PineconeIndex
from cache_fabric.testing._index_suite import item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER, VectorIndexContract
from fake_http import Refusal, serving
from fake_pinecone import FakePinecone


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_API_KEY", "secret")


@pytest.fixture
def service() -> FakePinecone:
    return FakePinecone(DIMENSION)


@pytest.fixture
def host(service: FakePinecone) -> Iterator[str]:
    with serving(service) as url:
        service.host = url
        yield url


@contextlib.asynccontextmanager
async def opened(index: PineconeIndex) -> AsyncIterator[PineconeIndex]:
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    try:
        yield index
    finally:
        await index.aclose()


def made(host: str, timeout: float = 10.0) -> PineconeIndex:
    return PineconeIndex("made", namespace="n", host=host, timeout=timeout)


class TestPineconeIndex(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, host: str) -> AsyncIterator[VectorIndex]:
        async with opened(made(host)) as index:
            yield index


async def test_the_index_is_found_by_its_name(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINECONE_CONTROLLER_HOST", host)
    async with opened(PineconeIndex.from_url("pinecone://made", "n")) as index:
        assert await index.count() == 0


async def test_an_index_that_nobody_made_is_named(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINECONE_CONTROLLER_HOST", host)
    index = PineconeIndex.from_url("pinecone://other", "n")
    with pytest.raises(BackendUnavailable, match="pinecone other open: there is no such index"):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_what_takes_many_requests_is_whole(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_WRITTEN", "_FETCHED", "_DELETED", "_PAGE"):
        monkeypatch.setattr(pinecone, limit, 3)
    async with opened(made(host)) as index:
        ids = [f"{n}" for n in range(8)]
        await index.upsert([item_at(n, key) for n, key in enumerate(ids)])
        assert sorted(item.id for item in await index.partition_items("p", 100)) == ids
        assert len(await index.partition_items("p", 4)) == 4
        assert sorted(item.id for item in await index.fetch(ids)) == ids
        await index.delete(ids[1:])
        assert await index.count() == 1


@pytest.mark.parametrize(("dimension", "metric"), [(4, "cosine"), (DIMENSION, "euclidean")])
async def test_an_index_of_another_shape_is_refused(
    host: str, service: FakePinecone, dimension: int, metric: str
) -> None:
    service.dimension, service.metric = dimension, metric
    with pytest.raises(ConfigurationError, match=f"{dimension} numbers and {metric}"):
        await made(host).open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_a_refused_key_is_named(host: str, service: FakePinecone) -> None:
    service.key = "another"
    with pytest.raises(BackendUnavailable, match="PINECONE_API_KEY"):
        await made(host).open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_a_service_that_fails_is_a_backend_error(
    host: str, service: FakePinecone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise Refusal(400, "no")

    async with opened(made(host)) as index:
        monkeypatch.setattr(service, "answer", fail)
        with pytest.raises(BackendError):
            await index.count()


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    index = made(f"http://127.0.0.1:{port}")
    with pytest.raises(BackendUnavailable, match=re.escape(index.name)):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_a_service_that_says_nothing_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = made(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)
        with pytest.raises(BackendTimeout):
            await index.open(embedder=EMBEDDER, dimension=DIMENSION)


@pytest.mark.parametrize("url", ["pinecone://", "pinecone://a/b", "pinecone://a?colour=red"])
def test_a_url_that_names_no_index_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected pinecone://index-name"):
        PineconeIndex.from_url(url, "n")


def test_a_key_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PINECONE_API_KEY")
    with pytest.raises(ConfigurationError, match="PINECONE_API_KEY"):
        create_cache_fabric("vector", url="pinecone://made")
