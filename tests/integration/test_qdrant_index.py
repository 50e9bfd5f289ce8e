"""`QdrantIndex` against an imitation of a Qdrant server, a folder in use, and no server at all."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheRequest, FabricConfig, Hit, Miss, Threshold, create_cache_fabric
from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ConfigurationError,
)
from cache_fabric.indexes import qdrant
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.indexes.qdrant import QdrantIndex
from cache_fabric.testing._index_suite import found, item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER, VectorIndexContract
from fake_http import Refusal, serving
from fake_qdrant import FakeQdrant


@pytest.fixture
def server() -> FakeQdrant:
    return FakeQdrant()


@pytest.fixture
def url(server: FakeQdrant) -> Iterator[str]:
    with serving(server) as url:
        yield url


@contextlib.asynccontextmanager
async def opened(index: QdrantIndex) -> AsyncIterator[QdrantIndex]:
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    try:
        yield index
    finally:
        await index.aclose()


class TestServedQdrantIndex(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, url: str) -> AsyncIterator[VectorIndex]:
        async with opened(QdrantIndex(url, collection="contract")) as index:
            yield index


async def test_a_partition_of_many_pages_is_read_whole(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qdrant, "_PAGE", 3)
    monkeypatch.setattr(qdrant, "_BATCH", 2)
    async with opened(QdrantIndex(url, collection="c")) as index:
        ids = [f"{n}" for n in range(8)]
        await index.upsert([item_at(n, key) for n, key in enumerate(ids)])
        assert sorted(item.id for item in await index.partition_items("p", 100)) == ids
        assert sorted(item.id for item in await index.fetch(ids)) == ids
        assert len(await index.partition_items("p", 4)) == 4


async def test_two_that_make_the_collection_at_once_share_it(
    url: str, server: FakeQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(QdrantIndex(url, collection="c")) as first:
        answer = server.answer

        def late(method: str, path: str, *rest: Any) -> Any:
            if path.endswith("/exists"):
                return {"result": {"exists": False}, "status": "ok", "time": 0.0}
            return answer(method, path, *rest)

        monkeypatch.setattr(server, "answer", late)
        async with opened(QdrantIndex(url, collection="c")) as second:
            await first.upsert([item_at(0, "a")])
            assert await found(second) == ["a"]


@pytest.mark.parametrize("form", ["qdrant+http://se%3Acret@{}", "http://:se%3Acret@{}"])
async def test_the_key_of_the_url_is_sent_and_never_said(
    url: str, server: FakeQdrant, form: str
) -> None:
    server.key = "se:cret"
    index = QdrantIndex.from_url(form.format(url.removeprefix("http://")), "n")
    assert "cret" not in index.name
    async with opened(index):
        assert await index.count() == 0


async def test_the_key_may_be_in_the_environment(
    url: str, server: FakeQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "secret"
    monkeypatch.setenv("QDRANT_API_KEY", "secret")
    async with opened(QdrantIndex.from_url(url, "n")) as index:
        assert await index.count() == 0


async def test_a_refused_key_is_named(url: str, server: FakeQdrant) -> None:
    server.key = "secret"
    with pytest.raises(BackendUnavailable, match="QDRANT_API_KEY"):
        await QdrantIndex(url, collection="c").open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_a_server_that_fails_is_a_backend_error(
    url: str, server: FakeQdrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise Refusal(500, "disk full")

    async with opened(QdrantIndex(url, collection="c")) as index:
        monkeypatch.setattr(server, "answer", fail)
        with pytest.raises(BackendError, match="500"):
            await found(index)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    index = QdrantIndex(f"http://127.0.0.1:{port}", collection="c")
    with pytest.raises(BackendUnavailable, match=re.escape(index.name)):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_a_server_that_says_nothing_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BackendTimeout):
            await QdrantIndex(url, collection="c", timeout=0.1).open(
                embedder=EMBEDDER, dimension=DIMENSION
            )


async def test_a_folder_in_use_is_refused_and_names_the_server(tmp_path: Path) -> None:
    async with opened(QdrantIndex.from_url(f"qdrant://{tmp_path}", "n")):
        with pytest.raises(BackendUnavailable, match=rf"{os.getpid()}.*qdrant\+http://host:6333"):
            await QdrantIndex(str(tmp_path), collection="c").open(
                embedder=EMBEDDER, dimension=DIMENSION
            )


async def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ConfigurationError, match="path"):
        await QdrantIndex(str(file), collection="c").open(embedder=EMBEDDER, dimension=DIMENSION)


@pytest.mark.parametrize("url", ["qdrant://", "qdrant+http://", "http://host:port"])
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="index"):
        QdrantIndex.from_url(url, "n")


def request(question: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


async def test_the_vector_preset_finds_by_meaning(url: str, server: FakeQdrant) -> None:
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=30)
    async with create_cache_fabric("vector", url=url, policy=Threshold(), config=patient) as fabric:
        await fabric.get_or_call(request("How do I return an item?"), lambda: "By post.")
        await fabric.flush()
        hit = await fabric.lookup(request("How can I return an item?"))
    assert isinstance(hit, Hit)
    assert (hit.tier, hit.entry.payload) == ("semantic", "By post.")
    [collection] = server.collections.values()
    assert len(collection.points) == 1


async def test_a_vector_server_that_is_gone_costs_the_semantic_tier_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    fabric = create_cache_fabric("vector", url=f"http://127.0.0.1:{port}")
    miss = await fabric.lookup(request("How do I return an item?"))
    assert isinstance(miss, Miss)
    assert miss.degraded == "index"
    await fabric.store(miss.ticket, "By post.")
    assert isinstance(await fabric.lookup(request("How do I return an item?")), Hit)
    await fabric.aclose()
