"""Where the erasure's tests keep things: a folder, a Redis that persists, an embedded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric
from cache_fabric.indexes.chroma import ChromaIndex
from cache_fabric.indexes.resident import ResidentIndex
from cache_fabric.indexes.stored import StoredIndex
from cache_fabric.stores.redis import RedisStore
from cache_fabric.stores.sqlite import SqliteStore
from servers import Server, running, system_server

__all__ = ["NAMESPACE", "Place", "embedded", "local", "redis"]

NAMESPACE, LOG_LIMIT = "erasure", 120
CONFIG = FabricConfig(namespace=NAMESPACE, exact_timeout=30, semantic_timeout=30)


@dataclass
class Place:
    """Somewhere a fabric keeps things.

    Attributes:
        open: Makes a fabric on it.
        url: Of the store, for another process.
        folder: Holds all of its files.
        server: To be closed before they are read.
        packs: Documents are compressed, and there are no keys to look at.
        squeezes: Files may hold a word in pieces.
    """

    open: Callable[[], CacheFabric]
    url: str
    folder: Path
    server: Server | None = None
    packs: bool = False
    squeezes: bool = False
    stores: list[Any] = field(default_factory=list)
    indexes: list[Any] = field(default_factory=list)

    def index(self, made: Any) -> Any:
        self.indexes.append(made)
        return made

    def store(self, make: Callable[[], Any]) -> Any:
        self.stores.append(make())
        return self.stores[-1]


def local(folder: Path) -> Iterator[Place]:
    file = folder / "fabric.db"

    def made() -> CacheFabric:
        return create_cache_fabric(
            "local",
            path=folder,
            store=it.store(lambda: SqliteStore(file, NAMESPACE, log_limit=LOG_LIMIT)),
            index=it.index(ResidentIndex(ChromaIndex(folder / "chroma", collection="erasure"))),
            config=CONFIG,
        )

    it = Place(made, f"sqlite://{file}", folder, packs=True)
    yield it


def on_redis(folder: Path, url: str, server: Server | None = None) -> Place:
    def store(namespace: str = NAMESPACE) -> RedisStore:
        return RedisStore(url, namespace, log_limit=LOG_LIMIT)

    def made() -> CacheFabric:
        index = it.index(StoredIndex(lambda: store(NAMESPACE + "\x00vectors")))
        return create_cache_fabric("redis", store=it.store(store), index=index, config=CONFIG)

    it = Place(made, url, folder, server, squeezes=server is None)
    return it


def redis(folder: Path) -> Iterator[Place]:
    options = ("--appendonly", "yes", "--rdbcompression", "no", "--appendfsync", "always")
    with running(folder, *options, program=system_server()) as server:
        yield on_redis(folder, server.url, server)


def embedded(folder: Path) -> Iterator[Place]:
    yield on_redis(folder, f"embedded://{folder}")
