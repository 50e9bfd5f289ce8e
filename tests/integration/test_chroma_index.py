"""Embedded Chroma: its folder, what a process shares of it, what it is told, what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

from cache_fabric.errors import (
    BackendError,
    BackendUnavailable,
    ConfigurationError,
    MissingExtraError,
)
from cache_fabric.indexes._folder_lock import FolderInUse, FolderLock
from cache_fabric.indexes.base import VectorItem
from cache_fabric.indexes.chroma import ChromaIndex
from cache_fabric.testing._index_suite import found, item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER


@contextlib.asynccontextmanager
async def opened(index: ChromaIndex) -> AsyncIterator[ChromaIndex]:
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    yield index
    await index.aclose()


def theirs(path: Path) -> Any:
    """A Chroma client of the application itself, which we share the folder with."""
    return chromadb.PersistentClient(path, settings=Settings(anonymized_telemetry=False))


async def test_a_forked_child_is_a_second_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(ChromaIndex(tmp_path, collection="parent")):
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: 1)
            with pytest.raises(BackendUnavailable, match="in use by process"):
                await ChromaIndex(tmp_path, collection="child").open(embedder="e", dimension=8)


async def test_indexes_of_one_process_share_a_folder(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    link.symlink_to(folder)
    async with opened(ChromaIndex(folder, collection="first")) as first:
        async with opened(ChromaIndex(str(link), collection="second")) as second:
            await first.upsert([item_at(0, "a")])
            await second.upsert([item_at(0, "b")])
            assert await found(second) == ["b"]
        assert await found(first) == ["a"]
        with pytest.raises(FolderInUse):
            FolderLock(folder)
    FolderLock(folder).release()


def test_a_forked_child_does_not_keep_a_released_lock(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    inherited = os.dup(lock._file.fileno())
    lock.release()
    FolderLock(tmp_path).release()
    os.close(inherited)


def open_files() -> list[str]:
    return [os.path.realpath(link) for link in Path("/proc/self/fd").glob("*")]


async def test_closing_lets_go_of_every_file(tmp_path: Path) -> None:
    async with opened(ChromaIndex(tmp_path, collection="files")) as index:
        await index.upsert([item_at(0, "a")])
    assert not [path for path in open_files() if path.startswith(str(tmp_path))]


async def test_indexes_of_one_process_on_one_collection_see_each_other(tmp_path: Path) -> None:
    async with (
        opened(ChromaIndex(tmp_path, collection="shared")) as one,
        opened(ChromaIndex(tmp_path, collection="shared")) as other,
    ):
        await one.upsert([item_at(0, "a")])
        assert await found(other) == ["a"]
        await other.upsert([item_at(10, "b")])
        assert await found(one) == ["a", "b"]
        await other.clear()
        assert await found(one) == []


async def test_clearing_leaves_other_collections_alone(tmp_path: Path) -> None:
    async with (
        opened(ChromaIndex(tmp_path, collection="first")) as first,
        opened(ChromaIndex(tmp_path, collection="second")) as second,
    ):
        await first.upsert([item_at(0, "a")])
        await second.upsert([item_at(0, "b")])
        await first.clear()
        assert await found(second) == ["b"]


async def test_a_chroma_client_of_the_application_does_not_close_ours(tmp_path: Path) -> None:
    async with opened(ChromaIndex(tmp_path, collection="ours")) as index:
        theirs(tmp_path).close()
        await index.upsert([item_at(0, "a")])
        assert await found(index) == ["a"]


async def test_an_open_that_was_cancelled_leaves_no_lock_behind(tmp_path: Path) -> None:
    index = ChromaIndex(tmp_path, collection="cancelled")
    opening = asyncio.create_task(index.open(embedder=EMBEDDER, dimension=DIMENSION))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await index.aclose()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("path", ["file", "file/below"])
async def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigurationError, match=r"path: .* is not a folder"):
        await ChromaIndex(tmp_path / path, collection="any").open(embedder="e", dimension=8)


async def test_a_corrupt_folder_says_its_cure_and_the_cure_works(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = ChromaIndex(folder, collection="mended")
    async with opened(index):
        await index.upsert([item_at(0, "a")])
    database = folder / "chroma.sqlite3"
    database.write_bytes(b"not a database" * 1000)
    with pytest.raises(BackendError, match=r"delete chroma\.sqlite3"):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    database.unlink()
    async with opened(index):
        await index.upsert([item_at(0, "b")])
        assert await found(index) == ["b"]


async def test_six_thousand_rows_fit_in_one_call(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((6_000, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [VectorItem(f"row {n}", f"p{n % 2}", vector) for n, vector in enumerate(vectors)]
    async with opened(ChromaIndex(tmp_path, collection="bulk")) as index:
        await index.upsert(items)
        assert [await index.count("p0"), await index.count()] == [3_000, 6_000]
        [near] = await index.search(vectors[5_999], partition="p1", k=1)
        assert near.id == "row 5999"
        await index.delete([item.id for item in items[1:]])
        assert await index.count() == 1


async def test_embedded_chroma_opens_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    async with opened(ChromaIndex(tmp_path, collection="quiet")) as index:
        await index.upsert([item_at(0, "a")])
        assert await found(index) == ["a"]


async def test_the_dotenv_file_of_the_application_is_not_for_chroma(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CHROMA_SERVER_HTTP_PORT=not a port\n")
    monkeypatch.chdir(tmp_path)
    async with opened(ChromaIndex(tmp_path / "index", collection="apart")) as index:
        assert await index.count() == 0


async def test_chroma_is_told_vectors_and_partitions_only(tmp_path: Path) -> None:
    async with opened(ChromaIndex(tmp_path, collection="plain")) as index:
        await index.upsert([item_at(0, "a")])
    with theirs(tmp_path) as client:
        rows = client.get_collection("plain", embedding_function=None).get()
    assert rows["ids"] == ["a"]
    assert rows["metadatas"] == [{"partition": "p"}]
    assert rows["documents"] == [None]


@pytest.mark.parametrize(
    ("metadata", "space", "message"),
    [
        (None, "cosine", "holds vectors of an unknown embedder"),
        ({"embedder": EMBEDDER, "dimension": DIMENSION}, "l2", "l2 distances, not for cosine"),
    ],
)
async def test_a_collection_of_somebody_else_is_refused(
    tmp_path: Path, metadata: dict[str, Any] | None, space: Any, message: str
) -> None:
    with theirs(tmp_path) as client:
        client.create_collection(
            "theirs",
            metadata=metadata,
            configuration={"hnsw": {"space": space}},
            embedding_function=None,
        )
    with pytest.raises(ConfigurationError, match=message):
        await ChromaIndex(tmp_path, collection="theirs").open(
            embedder=EMBEDDER, dimension=DIMENSION
        )
    FolderLock(tmp_path).release()


async def test_a_name_that_chroma_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"collection: .*3-512 characters"):
        await ChromaIndex(tmp_path, collection="a b").open(embedder="e", dimension=8)


def test_without_chromadb_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chromadb", None)
    monkeypatch.delitem(sys.modules, "cache_fabric.indexes.chroma")
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[chroma\]"):
        importlib.import_module("cache_fabric.indexes.chroma")
