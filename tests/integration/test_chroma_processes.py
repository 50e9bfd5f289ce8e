"""Chroma and more than one process: a folder refuses the second, a server takes all, or is gone."""

from __future__ import annotations

import contextlib
import ctypes
import re
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cache_fabric.errors import BackendTimeout, BackendUnavailable
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.indexes.chroma import ChromaIndex
from cache_fabric.testing._index_suite import found, item_at
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER, VectorIndexContract


@contextlib.asynccontextmanager
async def opened(index: ChromaIndex) -> AsyncIterator[ChromaIndex]:
    await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    yield index
    await index.aclose()


def end_with_parent() -> None:
    """Let Linux kill this child when its parent dies, however that happens."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


@contextlib.contextmanager
def running(*command: str, until: str) -> Iterator[subprocess.Popen[str]]:
    """A Python child that has printed ``until``; it never outlives the test."""
    child = subprocess.Popen(
        [sys.executable, "-c", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )
    with child:
        assert child.stdout is not None
        try:
            printed = []
            for line in child.stdout:
                printed.append(line)
                if until in line:
                    break
            else:
                pytest.fail("the child ended early: " + "".join(printed))
            # A server would stop at its next log line once a pipe that nobody reads is full.
            reader = threading.Thread(target=child.stdout.read)
            reader.start()
            try:
                yield child
            finally:
                child.kill()
                reader.join()
        finally:
            child.kill()


HOLD_THE_FOLDER = """
import asyncio, sys
from cache_fabric.indexes.chroma import ChromaIndex

async def main():
    await ChromaIndex(sys.argv[1], collection="held").open(embedder="e", dimension=8)
    print("holding", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


async def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    index = ChromaIndex(tmp_path, collection="mine")
    with running(HOLD_THE_FOLDER, str(tmp_path), until="holding") as holder:
        with pytest.raises(BackendUnavailable) as raised:
            await index.open(embedder=EMBEDDER, dimension=DIMENSION)
        assert str(holder.pid) in str(raised.value)
        assert "chroma+http://host:port" in str(raised.value)
        assert str(tmp_path) in str(raised.value)
    async with opened(index):
        await index.upsert([item_at(0, "a")])
        assert await found(index) == ["a"]


RUN_THE_SERVER = "from chromadb.cli.cli import app; app()"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def chroma_server(path: Path) -> Iterator[int]:
    port = free_port()
    options = ("run", "--path", str(path), "--host", "127.0.0.1", "--port", str(port))
    with running(RUN_THE_SERVER, *options, until="listening on address"):
        yield port


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with chroma_server(tmp_path_factory.mktemp("chroma")) as port:
        yield port


@pytest.fixture
def collection() -> str:
    """A name of this test's own on the server that all tests share."""
    return f"test-{uuid.uuid4().hex}"


def served(port: int, collection: str) -> ChromaIndex:
    return ChromaIndex.server("127.0.0.1", port, collection=collection)


class TestServedChromaIndex(VectorIndexContract):
    durable = True

    @pytest.fixture
    async def index(self, port: int, collection: str) -> AsyncIterator[VectorIndex]:
        async with opened(served(port, collection)) as index:
            yield index


async def test_clients_of_a_server_see_each_other(port: int, collection: str) -> None:
    async with (
        opened(served(port, collection)) as one,
        opened(served(port, collection)) as other,
    ):
        await one.upsert([item_at(0, "a")])
        assert await found(other) == ["a"]


async def test_a_collection_that_another_client_cleared_is_found_again(
    port: int, collection: str
) -> None:
    async with (
        opened(served(port, collection)) as one,
        opened(served(port, collection)) as other,
    ):
        await one.upsert([item_at(0, "a")])
        await other.clear()
        assert await found(one) == []
        await other.clear()
        await one.upsert([item_at(0, "b")])
        assert await found(other) == ["b"]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    index = ChromaIndex.server("127.0.0.1", free_port(), collection="none")
    with pytest.raises(BackendUnavailable, match=re.escape(index.name)):
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)


async def test_a_server_that_goes_away_is_unavailable(tmp_path: Path) -> None:
    with chroma_server(tmp_path) as port:
        index = served(port, "gone")
        await index.open(embedder=EMBEDDER, dimension=DIMENSION)
    with pytest.raises(BackendUnavailable):
        await found(index)
    await index.aclose()


async def test_a_server_that_says_nothing_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        index = ChromaIndex.server("127.0.0.1", port, collection="silent", timeout=0.05)
        with pytest.raises(BackendTimeout):
            await index.open(embedder=EMBEDDER, dimension=DIMENSION)
