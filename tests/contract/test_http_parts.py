"""The contracts of stores and indexes on a server's own, reached over HTTP."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.indexes.base import VectorIndex
from cache_fabric.indexes.http import HttpIndex
from cache_fabric.indexes.memory import MemoryIndex
from cache_fabric.stores.base import Write
from cache_fabric.stores.http import HttpStore
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.testing.indexes import DIMENSION, EMBEDDER, VectorIndexContract
from cache_fabric.testing.stores import MakeStore, ManualClock, StoreContract
from cache_fabric.web import create_app
from servers import free_ports
from web_server import Mounts, serving

MOUNTS = Mounts()
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(MOUNTS) as url:
        yield url.removeprefix("http://")


def mounted(address: str, fabric: CacheFabric) -> str:
    """Serve a fabric, and return the URL of its parts."""
    name = str(next(NUMBERS))
    MOUNTS.add(name, create_app(fabric, token="t/k@n"))
    return f"fabric+http://:t%2Fk%40n@{address}/{name}"


class TestHttpStore(StoreContract):
    durable = True

    @pytest.fixture
    def make_store(self, address: str, clock: ManualClock) -> Iterator[MakeStore]:
        served: dict[str, tuple[str, CacheFabric]] = {}

        def make(namespace: str, log_limit: int) -> HttpStore:
            if namespace not in served:
                behind = MemoryStore(namespace, clock=clock, log_limit=log_limit)
                fabric = create_cache_fabric("memory", store=behind, namespace=namespace)
                served[namespace] = mounted(address, fabric), fabric
            return HttpStore(served[namespace][0], namespace)

        yield make
        for _, fabric in served.values():
            fabric.sync.close()


class TestHttpIndex(VectorIndexContract):
    durable = True  # what is behind it is

    @pytest.fixture
    async def index(self, address: str) -> AsyncIterator[VectorIndex]:
        with create_cache_fabric("memory", index=MemoryIndex()).sync as fabric:
            index = HttpIndex(mounted(address, fabric._fabric))
            await index.open(embedder=EMBEDDER, dimension=DIMENSION)
            yield index
            await index.aclose()


@pytest.fixture
def url(address: str) -> Iterator[str]:
    with create_cache_fabric("memory").sync as fabric:
        yield mounted(address, fabric._fabric)


async def test_a_store_of_another_namespace_is_refused(url: str) -> None:
    store = HttpStore(url, "another")
    with pytest.raises(ConfigurationError, match="'default', not 'another'"):
        await store.open()
    await store.aclose()


async def test_a_wrong_token_is_named_and_not_shown(url: str) -> None:
    store = HttpStore(url.replace("t%2Fk", "wrong"))
    with pytest.raises(BackendUnavailable, match="CACHE_FABRIC_API_TOKEN") as told:
        await store.open()
    assert "wrong" not in str(told.value)
    await store.aclose()


async def test_no_server_is_unavailable() -> None:
    [port] = free_ports(1)
    store = HttpStore(f"fabric+http://:t@127.0.0.1:{port}")
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await store.open()
    await store.aclose()


@pytest.mark.parametrize("url", ["fabric+http://", "fabric+ftp://h", "fabric+http://h:port"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store: .*expected fabric"):
        HttpStore(url)


async def test_a_scan_of_many_pages_is_whole(url: str) -> None:
    store = HttpStore(url)
    await store.open()
    await store.set_many([Write(f"k/{n}", b"v" * n) for n in range(700)])
    found = {key: value async for key, value in store.scan("k/")}
    assert found == {f"k/{n}": b"v" * n for n in range(700)}
    await store.aclose()


async def test_parts_are_not_there_without_a_token(address: str) -> None:
    with create_cache_fabric("memory").sync as fabric:
        MOUNTS.add("open", create_app(fabric._fabric))
        store = HttpStore(f"fabric+http://{address}/open")
        with pytest.raises(BackendUnavailable, match="Not Found"):
            await store.open()
        await store.aclose()
