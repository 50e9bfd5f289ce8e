"""Clients for a place, each with the patience of what it is used for.

redis-py's own defaults are not for a cache: a refused port costs 4 s and a hung server 58 s before
there is an error, and more than 100 calls at once are an error (measured). So its clients retry
nothing here and never see more calls than they have connections: `Link` limits, retries and
translates, the same way for a server, sentinels and a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff

from cache_fabric.errors import BackendTimeout, BackendUnavailable
from cache_fabric.stores._redis_errors import translated
from cache_fabric.stores._redis_urls import Place

__all__ = ["PATIENT", "WATCH", "Client", "Link", "Patience", "connect", "pause", "primaries"]

Client = Redis | RedisCluster
T = TypeVar("T")

_BACKOFF = ExponentialWithJitterBackoff(base=0.05, cap=0.5)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may take and how often it is tried.

    Attributes:
        connect: Seconds for a connection.
        read: Seconds for an answer.
        whole: Seconds for the call with all its tries and its turn, or ``None``.
        tries: 1 means never again. Only for calls that may happen twice.
        at_once: Calls under way; each holds one connection (in a cluster one of each node).
    """

    connect: float
    read: float
    whole: float | None
    tries: int
    at_once: int

    @classmethod
    def of_request(cls, seconds: float) -> Patience:
        """For the request path: one try, and all of it within ``seconds``."""
        return cls(connect=seconds, read=seconds, whole=seconds, tries=1, at_once=48)


# With the request path less than the 100 connections of a client that was passed in.
PATIENT = Patience(connect=5, read=5, whole=15, tries=3, at_once=16)
WATCH = Patience(connect=5, read=5, whole=None, tries=1, at_once=32)


class Link:
    """A client, and the rules for using it.

    Args:
        client: Bound to the running loop by its first call.
        address: Where it leads, for messages.
        patience: For every call.
    """

    def __init__(self, client: Client, address: str, patience: Patience) -> None:
        self.client = client
        self.address = address
        self._patience = patience
        self._turns = asyncio.Semaphore(patience.at_once)

    async def call(self, operation: str, job: Callable[[Any], Awaitable[T]]) -> T:
        """What the job returns; raises `BackendError` or a child."""
        with translated(operation, self.address):
            async with asyncio.timeout(self._patience.whole):
                return await self._tried(operation, job)

    async def _tried(self, operation: str, job: Callable[[Any], Awaitable[T]]) -> T:
        for failures in range(1, self._patience.tries):
            try:
                return await self._once(operation, job)
            except (BackendUnavailable, BackendTimeout):
                await pause(failures)
        return await self._once(operation, job)

    async def _once(self, operation: str, job: Callable[[Any], Awaitable[T]]) -> T:
        async with self._turns:
            with translated(operation, self.address):
                return await job(self.client)


async def pause(failures: int, most: float = 1.0) -> None:
    """Wait before the next try: longer after each failure, and not in step with others."""
    await asyncio.sleep(min(_BACKOFF.compute(failures), most))


def connect(place: Place, patience: Patience) -> tuple[Client, Callable[[], Awaitable[None]]]:
    """A client that connects with its first call, and what closes it."""
    options: dict[str, Any] = {
        "socket_connect_timeout": patience.connect,
        "socket_timeout": patience.read,
        "retry": Retry(NoBackoff(), 0),
        "max_connections": patience.at_once,
    }
    encryption: dict[str, Any] = dict(place.tls or {})
    login: dict[str, Any] = {**place.login, **encryption}
    if place.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in place.hosts]
        cluster = RedisCluster(startup_nodes=nodes, **options, **login)
        return cluster, lambda: _close_cluster(cluster)
    if place.kind == "sentinel":
        sentinel_options = {**options, **place.sentinel_login, **encryption}
        sentinel = Sentinel(  # type: ignore[no-untyped-call]
            place.hosts, sentinel_kwargs=sentinel_options
        )
        master = sentinel.master_for(place.service, db=place.db, **options, **login)
        return master, lambda: _close_all(master, *sentinel.sentinels)
    if place.socket is not None:
        client = Redis(unix_socket_path=place.socket, **options)
    else:
        ((host, port),) = place.hosts
        client = Redis(host=host, port=port, db=place.db, **options, **login)
    return client, client.aclose


def asking(node: Any, *command: Any) -> Callable[[Any], Awaitable[Any]]:
    """A job for `Link.call` that sends one command to this node."""

    async def ask(_: Any) -> Any:
        return await node.execute_command(*command)

    return ask


async def primaries(client: Any) -> Sequence[Any]:
    """What takes a command for each part of the data: the client, or the nodes of a cluster."""
    if not isinstance(client, RedisCluster):
        return [client]
    await client.initialize()
    return client.get_primaries()


async def _close_all(*clients: Redis) -> None:
    for client in clients:
        await client.aclose()


async def _close_cluster(cluster: RedisCluster) -> None:
    await cluster.aclose()
    # After a failure the client thinks that it has nothing open and closes nothing.
    await cluster.nodes_manager.aclose()
    await cluster.nodes_manager.aclose("startup_nodes")
