"""The store contract on Redis: the wheel's Valkey, Debian's Redis, a cluster, and sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cache_fabric.stores.redis import RedisStore
from cache_fabric.testing.stores import MakeStore, ManualClock, StoreContract
from servers import (
    Cluster,
    Server,
    Watched,
    running,
    running_cluster,
    running_sentinels,
    system_server,
)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis"), program=system_server()) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with running_sentinels(tmp_path_factory.mktemp("sentinel"), count=1) as watched:
        yield watched


class RedisContract(StoreContract):
    """The contract on the empty place that ``url`` leads to."""

    durable = True
    ttl = 0.05

    async def pass_time(self, clock: ManualClock, seconds: float) -> None:
        # The server's clock cannot be set, and a key goes when it has passed.
        await asyncio.sleep(seconds + 0.005)

    @pytest.fixture
    def make_store(self, url: str) -> MakeStore:
        def make(namespace: str, log_limit: int) -> RedisStore:
            # The request path's own limit is tested where it matters; two cores are often busy.
            return RedisStore(url, namespace, log_limit=log_limit, request_timeout=30)

        return make


class TestValkey(RedisContract):
    @pytest.fixture
    def url(self, valkey: Server) -> str:
        valkey.flush()
        return valkey.url


class TestRedis(RedisContract):
    @pytest.fixture
    def url(self, redis_server: Server) -> str:
        redis_server.flush()
        return redis_server.url


class TestCluster(RedisContract):
    @pytest.fixture
    def url(self, cluster: Cluster) -> str:
        cluster.flush()
        return cluster.url


class TestSentinel(RedisContract):
    @pytest.fixture
    def url(self, watched: Watched) -> str:
        watched.flush()
        return watched.url
