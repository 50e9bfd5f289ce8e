"""SQLite shared by real processes, some of which are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cache_fabric.stores.sqlite import SqliteStore

INCREMENT = """
import asyncio, sys
from cache_fabric.stores.base import CommitConflict, Write
from cache_fabric.stores.sqlite import SqliteStore

async def main(path, times):
    store = SqliteStore(path, "n")
    print("ready", flush=True)
    sys.stdin.readline()
    await store.open()
    while times:
        (record,) = await store.read(["counter"])
        value, revision = (int(record.value), record.revision) if record else (0, 0)
        write = Write("counter", str(value + 1).encode())
        try:
            await store.commit([write], note=b"", expect={"counter": revision})
        except CommitConflict:
            continue
        times -= 1
    await store.aclose()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""

COMMIT_PAIRS_FOR_EVER = """
import asyncio, itertools, os, sys
from cache_fabric.stores.base import Write
from cache_fabric.stores.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(path, "n")
    await store.open()
    while True:
        value = os.urandom(3000)
        revision = await store.commit([Write("a", value), Write("b", value)], note=value)
        print(revision, flush=True)

asyncio.run(main(sys.argv[1]))
"""

FILL_THE_DISK = """
import asyncio, resource, sys
from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.base import Write
from cache_fabric.stores.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(path, "n")
    await store.open()
    await store.commit([Write("k", b"kept")], note=b"")
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
    try:
        await store.commit([Write("k", bytes(1_000_000))], note=b"")
    except BackendUnavailable as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(await store.commit([], note=b"", expect={"k": 1}))

asyncio.run(main(sys.argv[1]))
"""

USE_AFTER_FORK = """
import asyncio, os, signal, sys
from cache_fabric.errors import BackendUnavailable
from cache_fabric.stores.sqlite import SqliteStore

async def use(store):
    try:
        await store.set_many([])
    except BackendUnavailable as error:
        print(error, flush=True)
    await store.aclose()

store = SqliteStore(sys.argv[1], "n")
asyncio.run(store.open())
child = os.fork()
if child == 0:
    signal.alarm(30)  # what this is about would hang, not fail
    asyncio.run(use(store))
    os._exit(0)
_, status = os.waitpid(child, 0)
asyncio.run(store.aclose())
sys.exit(os.waitstatus_to_exitcode(status))
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(script: str, *arguments: object) -> str:
    with start(script, *arguments) as process:
        output, _ = process.communicate("go\n")
    assert process.returncode == 0
    return output


def run_at_once(count: int, script: str, *arguments: object) -> None:
    """Start all, wait until each has loaded its modules, and let them go together."""
    processes = [start(script, *arguments) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * count


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, "n")
    await store.open()
    yield store
    await store.aclose()


async def counted(path: Path) -> tuple[bytes, int] | None:
    store = SqliteStore(path, "n")
    await store.open()
    (record,) = await store.read(["counter"])
    await store.aclose()
    return None if record is None else (record.value, record.revision)


async def test_two_processes_that_increment_at_once_lose_nothing(
    store: SqliteStore, path: Path
) -> None:
    await asyncio.to_thread(run_at_once, 2, INCREMENT, path, 300)
    assert await counted(path) == (b"600", 600)


async def test_processes_that_open_a_new_file_at_once_all_succeed(path: Path) -> None:
    await asyncio.to_thread(run_at_once, 4, INCREMENT, path, 1)
    assert await counted(path) == (b"4", 4)


async def test_a_commit_of_another_process_wakes_a_wait(store: SqliteStore, path: Path) -> None:
    waiting = asyncio.create_task(store.wait(0, 3600))
    await asyncio.to_thread(run, INCREMENT, path, 1)
    assert await asyncio.wait_for(waiting, 30) is True


async def test_a_killed_writer_leaves_whole_commits_and_all_it_acknowledged(path: Path) -> None:
    for cycle in range(10):
        with start(COMMIT_PAIRS_FOR_EVER, path) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(1 + 7 * cycle)][-1]
            process.send_signal(signal.SIGKILL)
        store = SqliteStore(path, "n")
        await store.open()
        a, b = await store.read(["a", "b"])
        log = await store.changes(0, limit=100_000)
        await store.aclose()
        assert a is not None
        assert b is not None
        assert (a.value, a.revision) == (b.value, b.revision)
        assert (log.items[-1].note, log.head) == (a.value, a.revision)
        assert [change.revision for change in log.items] == list(range(1, log.head + 1))
        assert log.head >= acknowledged


async def test_a_full_disk_is_an_error_that_leaves_the_store_usable(path: Path) -> None:
    message, revision = (await asyncio.to_thread(run, FILL_THE_DISK, path)).splitlines()
    assert "free space" in message
    assert revision == "2"


async def test_a_store_that_was_carried_over_a_fork_says_so(path: Path) -> None:
    assert "fork" in await asyncio.to_thread(run, USE_AFTER_FORK, path)
