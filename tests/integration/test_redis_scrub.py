"""What was deleted is no longer in the files of a Redis, and what remains is said."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from cache_fabric.stores import _redis_scrub
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Blob, Document
from cache_fabric.stores.redis import RedisStore
from servers import Server, eventually, running, system_server, wheel_server

CANARY = "canary7f3a91c2"
LATE = CANARY.encode()

# Compressed, a canary could be there and not be seen. On a busy machine anything may be slow.
QUIET = ("--rdbcompression", "no", "--slowlog-log-slower-than", "-1")
APPENDING = (*QUIET, "--appendonly", "yes")
AT_ONCE = ("--repl-diskless-sync-delay", "0")


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[RedisStore]:
    async with contextlib.aclosing(RedisStore(url, "n")) as store:
        await store.open()
        yield store


async def keep_canaries(store: RedisStore) -> None:
    """Write one in every place of all three halves, and something that stays."""
    await store.set_many([Write(f"cache/{CANARY}", LATE, ttl=3600), Write("stays", b"cache")])
    await store.commit([Write(f"record/{CANARY}", LATE), Write("stays", b"record")], note=b"")
    blob = Blob(key=f"blob/{CANARY}", value=LATE, text=f"said {CANARY}")
    document = Document(
        key=f"document/{CANARY}",
        value=LATE,
        at=1,
        terms=frozenset({("user", CANARY), (CANARY, "v")}),
        numbers={CANARY: 1},
        text=f"asked {CANARY}",
        blobs=[blob],
    )
    await store.documents.put("x", [document, Document(key="stays", value=b"document", at=1)])
    marks = frozenset({("mark", CANARY)})
    await store.documents.mark("x", document.key, terms=marks, numbers={})


async def delete_canaries(store: RedisStore) -> None:
    await store.delete([f"cache/{CANARY}"])
    await store.commit([Write(f"record/{CANARY}", None)], note=b"")
    await store.documents.delete("x", [f"document/{CANARY}"])


def files_with_canaries(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if LATE in path.read_bytes()]


def keys_with_canaries(admin: Any) -> list[bytes]:
    return [key for key in admin.scan_iter() if LATE in key or LATE in (admin.dump(key) or b"")]


async def check_what_stays(store: RedisStore) -> None:
    (record,) = await store.read(["stays"])
    assert record is not None
    assert record.value == b"record"
    assert await store.get("stays") == b"cache"
    assert await store.documents.get("x", ["stays"]) == [b"document"]


@pytest.mark.parametrize("program", [wheel_server, system_server])
@pytest.mark.parametrize("preamble", ["yes", "no"])
async def test_no_append_only_file_holds_what_was_deleted(
    tmp_path: Path, program: Callable[[], str], preamble: str
) -> None:
    options = (*APPENDING, "--aof-use-rdb-preamble", preamble)
    with running(tmp_path, *options, program=program()) as server:
        async with opened(server.url) as store:
            await keep_canaries(store)
            await delete_canaries(store)
            assert files_with_canaries(tmp_path)
            (remains,) = await store.scrub()
            assert "operator" in remains
            assert files_with_canaries(tmp_path) == []
            assert keys_with_canaries(server.admin) == []
            await check_what_stays(store)
        server.end()
        server.start()
        assert files_with_canaries(tmp_path) == []
        async with opened(server.url) as store:
            await check_what_stays(store)


@pytest.mark.parametrize("program", [wheel_server, system_server])
@pytest.mark.parametrize("schedule", ["3600 1000000", ""], ids=["scheduled", "ordered once"])
@pytest.mark.parametrize("restarts", [False, True])
async def test_no_snapshot_holds_what_was_deleted(
    tmp_path: Path, program: Callable[[], str], schedule: str, restarts: bool
) -> None:
    with running(tmp_path, *QUIET, program=program()) as server:
        async with opened(server.url) as store:
            await keep_canaries(store)
            server.admin.save()
        if restarts:
            server.end(signal.SIGKILL)
            server.start()
        server.admin.config_set("save", schedule)
        async with opened(server.url) as store:
            await delete_canaries(store)
            assert files_with_canaries(tmp_path)
            (remains,) = await store.scrub()
            assert "operator" in remains
            assert files_with_canaries(tmp_path) == []
            await check_what_stays(store)


async def test_an_embedded_server_holds_nothing_and_has_no_operator(tmp_path: Path) -> None:
    folder = tmp_path / "fabric"
    async with opened(f"embedded://{folder}") as store:
        with redis.Redis(unix_socket_path=str(folder / "redis.sock")) as admin:
            admin.config_set("rdbcompression", "no")
            await keep_canaries(store)
            await delete_canaries(store)
            assert files_with_canaries(folder)
            assert await store.scrub() == []
            assert files_with_canaries(folder) == []
            assert keys_with_canaries(admin) == []
        await check_what_stays(store)
    async with opened(f"embedded://{folder}") as store:
        await check_what_stays(store)
        assert not (folder / "dump.rdb").exists()


async def test_a_rewrite_that_began_before_the_delete_is_not_enough(tmp_path: Path) -> None:
    with running(tmp_path, *APPENDING) as server:
        async with opened(server.url) as store:
            await keep_canaries(store)
            server.admin.config_set("rdb-key-save-delay", 50_000)
            server.admin.bgrewriteaof()
            await delete_canaries(store)
            server.admin.config_set("rdb-key-save-delay", 0)
            assert server.admin.info("persistence")["aof_rewrite_in_progress"] == 1
            await store.scrub()
            assert files_with_canaries(tmp_path) == []


async def test_a_server_without_files_gets_none(tmp_path: Path) -> None:
    with running(tmp_path, *QUIET) as server:
        async with opened(server.url) as store:
            await keep_canaries(store)
            await delete_canaries(store)
            (remains,) = await store.scrub()
            assert "operator" in remains
            assert not (tmp_path / "dump.rdb").exists()


@pytest.mark.parametrize("command", ["BGREWRITEAOF", "BGSAVE"])
async def test_what_is_refused_is_said(tmp_path: Path, command: str) -> None:
    with running(tmp_path, *APPENDING) as server:
        server.admin.config_set("save", "3600 1000000")
        rights = ("on", ">pw", "~*", "&*", "+@all", f"-{command.lower()}")
        server.admin.execute_command("ACL", "SETUSER", "guest", *rights)
        async with opened(f"redis://guest:pw@127.0.0.1:{server.port}") as store:
            first, second = await store.scrub()
        assert f"{command} is refused" in first
        assert str(server.port) in first
        assert "pw" not in first
        assert "operator" in second


async def test_a_server_that_shows_nothing_of_its_files_is_said(tmp_path: Path) -> None:
    with running(tmp_path, *APPENDING) as server:
        rights = ("on", ">pw", "~*", "&*", "+@all", "-info", "+info|server")
        server.admin.execute_command("ACL", "SETUSER", "guest", *rights)
        async with opened(f"redis://guest:pw@127.0.0.1:{server.port}") as store:
            first, *_ = await store.scrub()
        assert "INFO is not permitted" in first


async def test_a_file_that_cannot_be_written_anew_is_said(tmp_path: Path) -> None:
    with running(tmp_path, *QUIET) as server:
        server.admin.config_set("save", "3600 1000000")
        (tmp_path / "dump.rdb").mkdir()
        async with opened(server.url) as store:
            first, *_ = await store.scrub()
        assert "BGSAVE failed" in first


async def test_a_file_that_takes_too_long_is_said_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_redis_scrub, "_LONGEST", 0.1)
    with running(tmp_path, *APPENDING) as server:
        async with opened(server.url) as store:
            await keep_canaries(store)
            server.admin.config_set("rdb-key-save-delay", 1_000_000)
            first, *_ = await store.scrub()
        assert "takes longer" in first


async def test_replicas_and_the_slow_log_are_said(tmp_path: Path) -> None:
    with running(tmp_path / "primary", "--slowlog-log-slower-than", "0", *AT_ONCE) as primary:
        following = ("--replicaof", "127.0.0.1", str(primary.port), *AT_ONCE)
        with running(tmp_path / "replica", *following) as replica:
            await asyncio.to_thread(eventually, lambda: is_following(replica), "a replica in step")
            async with opened(primary.url) as store:
                first, *_ = await store.scrub()
                assert "replicas" in first
                assert "slow log" not in first
                await store.get("k")
                _, second, _ = await store.scrub()
                assert "slow log" in second


def is_following(replica: Server) -> bool:
    return bool(replica.admin.info("replication")["master_link_status"] == "up")
