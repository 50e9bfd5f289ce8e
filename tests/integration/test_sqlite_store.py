"""One SQLite file: what is in it, who may open it, and what damage to it looks like."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from cache_fabric.errors import (
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ConfigurationError,
)
from cache_fabric.stores._sqlite_file import open_file
from cache_fabric.stores._sqlite_rows import Rows
from cache_fabric.stores.base import Write
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing.stores import ManualClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def letter(path: Path) -> Path:
    path.write_bytes(b"a letter to my mother\n" * 500)
    return path


@pytest.fixture
def link_to_itself(path: Path) -> Path:
    path.symlink_to(path)
    return path


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, "n")
    await store.open()
    yield store
    await store.aclose()


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def damage_all_but_the_first_page(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        page_bytes = other.execute("PRAGMA page_size").fetchone()[0]
    first = path.read_bytes()[:page_bytes]
    path.write_bytes(first + b"\xa5" * (path.stat().st_size - page_bytes))


async def refused(path: Path) -> Exception:
    """The error that opening raises, after a check that it changed nothing."""
    before = content(path)
    store = SqliteStore(path, "n")
    with pytest.raises((BackendError, ConfigurationError)) as raised:
        await store.open()
    await store.aclose()
    assert content(path) == before
    assert str(path) in str(raised.value)
    return raised.value


async def test_nothing_is_made_before_the_store_is_opened(path: Path) -> None:
    store = SqliteStore(path, "n")
    with pytest.raises(BackendUnavailable, match="call open"):
        await store.get("k")
    await store.aclose()
    assert content(path) is None


async def test_reads_go_on_while_a_write_waits_for_another_process(
    store: SqliteStore, path: Path
) -> None:
    await store.set_many([Write("k", b"v")])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.set_many([Write("k", b"new")]))
        await asyncio.sleep(0)
        assert await store.get("k") == b"v"
        assert await store.get_many(["k"]) == [b"v"]
        assert await store.read(["k"]) == [None]
        assert not writing.done()
        other.execute("ROLLBACK")
        await writing
    assert await store.get("k") == b"new"


async def test_a_commit_of_this_store_wakes_a_wait_without_polling(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cache_fabric.stores.sqlite._POLL_SECONDS", 3600)
    waiting = asyncio.create_task(store.wait(0, 3600))
    await asyncio.sleep(0)
    await store.commit([], note=b"")
    async with asyncio.timeout(30):
        assert await waiting is True


async def test_a_read_that_goes_on_does_not_stop_writers(path: Path) -> None:
    store = SqliteStore(path, "n", busy_timeout=0.01)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM records").fetchall()
        assert await store.commit([], note=b"") == 1
    await store.aclose()


def test_a_page_of_changes_is_of_one_moment(path: Path) -> None:
    rows = Rows.of("n", time.time, log_limit=10)
    writer, reader = open_file(path, busy_timeout=1)

    def commit_in_between(statement: str) -> None:
        if "FROM changes" in statement:
            rows.commit(writer, [], b"", {})

    with closing(writer), closing(reader):
        rows.commit(writer, [], b"", {})
        reader.set_trace_callback(commit_in_between)
        page = rows.changes(reader, 0, 10)
        assert rows.head(writer) == 2
    assert ([change.revision for change in page.items], page.head) == ([1], 1)


async def test_a_longer_log_does_not_bring_back_what_was_trimmed(path: Path) -> None:
    for log_limit in (1, 100):
        store = SqliteStore(path, "n", log_limit=log_limit)
        await store.open()
        await store.commit([], note=b"")
        await store.commit([], note=b"")
        page = await store.changes(0)
        await store.aclose()
    assert (page.floor, [change.revision for change in page.items]) == (1, [2, 3, 4])


async def test_a_lock_held_too_long_is_a_timeout(path: Path) -> None:
    store = SqliteStore(path, "n", busy_timeout=0.01)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendTimeout, match="another process") as raised:
            await store.commit([], note=b"")
    assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
    assert await store.commit([], note=b"") == 1
    await store.aclose()


async def test_what_was_being_written_is_written_when_the_store_closes(path: Path) -> None:
    store = SqliteStore(path, "n")
    await store.open()
    writing = [asyncio.create_task(store.commit([], note=b"")) for _ in range(20)]
    await asyncio.sleep(0)
    await store.aclose()
    assert await asyncio.gather(*writing) == list(range(1, 21))


def join_worker() -> bool:
    """Whether every worker thread of a store has come to its end."""
    workers = [t for t in threading.enumerate() if t.name.startswith("cache-fabric-sqlite")]
    for worker in workers:
        worker.join(30)
    return not any(worker.is_alive() for worker in workers)


async def test_a_closed_store_leaves_no_thread(path: Path) -> None:
    store = SqliteStore(path, "n")
    await store.open()
    await store.aclose()
    assert join_worker()


async def test_a_close_that_is_cancelled_still_closes(path: Path) -> None:
    store = SqliteStore(path, "n")
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(store.commit([], note=b""))
        await asyncio.sleep(0)
        ending = asyncio.create_task(store.aclose())
        await asyncio.sleep(0)
        ending.cancel()
        other.execute("ROLLBACK")
    assert await writing == 1
    assert join_worker()
    assert content(path.with_name("store.db-wal")) is None


async def test_expired_rows_leave_the_file(path: Path) -> None:
    clock = ManualClock(1_000.0)
    store = SqliteStore(path, "n", clock=clock)
    await store.open()
    await store.set_many([Write(f"k{number}", b"v", ttl=1) for number in range(100)])
    clock.advance(1)
    await store.set_many([Write("new", b"v")])
    await store.set_many([Write("new", b"v")])
    await store.aclose()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT key FROM cache").fetchall() == [(b"new",)]


async def test_what_was_deleted_is_not_left_in_the_file(path: Path) -> None:
    store = SqliteStore(path, "n")
    await store.open()
    secret = b"a very personal answer"
    await store.set_many([Write("k", secret * 1000)])
    await store.delete(["k"])
    await store.aclose()
    assert secret not in (content(path) or secret)


async def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "a" / "b" / "store.db"), "n")
    await store.open()
    await store.aclose()
    assert (tmp_path / "a" / "b" / "store.db").is_file()


async def test_opening_works_after_the_advice_was_taken(letter: Path) -> None:
    store = SqliteStore(letter, "n")
    with pytest.raises(BackendError, match="move it away"):
        await store.open()
    shutil.move(letter, letter.with_suffix(".txt"))
    await store.open()
    assert await store.commit([], note=b"") == 1
    await store.aclose()


async def test_a_file_that_is_no_database_is_refused(letter: Path) -> None:
    error = await refused(letter)
    assert isinstance(error, BackendError)
    assert "move it away" in str(error)


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "another program" in str(await refused(path))


async def test_a_file_of_a_newer_version_is_refused(store: SqliteStore, path: Path) -> None:
    await store.aclose()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 999")
    assert "newer version" in str(await refused(path))


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert isinstance(await refused(tmp_path), ConfigurationError)


async def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert isinstance(await refused(tmp_path / "file" / "store.db"), ConfigurationError)


async def test_a_file_that_cannot_be_opened_is_unavailable(link_to_itself: Path) -> None:
    error = await refused(link_to_itself)
    assert isinstance(error, BackendUnavailable)
    assert "permissions" in str(error)


def test_the_name_of_sqlites_private_memory_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="memory store"):
        SqliteStore(":memory:", "n")


async def test_a_damaged_page_is_an_error_when_it_is_read(store: SqliteStore, path: Path) -> None:
    keys = [f"k{number}" for number in range(200)]
    await store.set_many([Write(key, bytes(4000)) for key in keys])
    await store.aclose()
    damage_all_but_the_first_page(path)
    damaged = SqliteStore(path, "n")
    await damaged.open()
    with pytest.raises(BackendError, match="damaged") as raised:
        await damaged.get("k1")
    await damaged.aclose()
    assert raised.value.operation == "get"
    assert isinstance(raised.value.__cause__, sqlite3.DatabaseError)
