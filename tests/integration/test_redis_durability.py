"""How long a Redis keeps what it was told: by its real configuration, as far as it shows that."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from cache_fabric.stores.base import Durability, Write
from cache_fabric.stores.documents import Document, Query
from cache_fabric.stores.redis import RedisStore
from servers import Server, running, running_cluster, system_server, wheel_server

APPENDING = ("--appendonly", "yes")


async def level(url: str) -> Durability:
    async with contextlib.aclosing(RedisStore(url, "n")) as store:
        await store.open()
        return store.durability


def guest_of(server: Server, *rights: str) -> str:
    """The url of somebody who may do all but what is taken from him."""
    server.admin.execute_command(
        "ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all", *rights
    )
    return f"redis://guest:pw@127.0.0.1:{server.port}"


@pytest.mark.parametrize("program", [wheel_server, system_server])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "memory"),
        (("--save", "60 1"), "memory"),
        (APPENDING, "process"),
        ((*APPENDING, "--appendfsync", "no"), "process"),
        ((*APPENDING, "--appendfsync", "always"), "disk"),
        (("--appendfsync", "always"), "memory"),
    ],
    ids=" ".join,
)
async def test_the_level_is_that_of_the_configuration(
    tmp_path: Path, program: type[str], options: Sequence[str], expected: Durability
) -> None:
    with running(tmp_path, *options, program=program()) as server:
        assert await level(server.url) == expected


@pytest.mark.parametrize(
    ("options", "hidden", "expected"),
    [
        (APPENDING, ("-config",), "process"),
        ((*APPENDING, "--appendfsync", "always"), ("-config",), "process"),
        ((), ("-config",), "memory"),
        (APPENDING, ("-config", "-info", "+info|server"), "memory"),
    ],
    ids=str,
)
async def test_what_a_server_hides_is_not_promised(
    tmp_path: Path, options: Sequence[str], hidden: Sequence[str], expected: Durability
) -> None:
    with running(tmp_path, *options) as server:
        assert await level(guest_of(server, *hidden)) == expected


async def test_a_cluster_keeps_things_as_long_as_its_weakest_server(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        for node in cluster.nodes[:2]:
            node.admin.config_set("appendonly", "yes")
        assert await level(cluster.url) == "memory"
        cluster.nodes[2].admin.config_set("appendonly", "yes")
        assert await level(cluster.url) == "process"


async def test_what_was_acknowledged_is_there_after_the_server_was_killed(tmp_path: Path) -> None:
    with running(tmp_path, *APPENDING, "--appendfsync", "always") as server:
        async with contextlib.aclosing(RedisStore(server.url, "n")) as store:
            await store.open()
            for number in range(200):
                await store.documents.put("x", [Document(key=f"{number}", value=b"v", at=number)])
                await store.commit([Write(f"{number}", b"v")], note=b"")
            server.end(signal.SIGKILL)
            server.start()
            assert await store.documents.count("x", Query()) == 200
            assert len(await store.records("")) == 200
