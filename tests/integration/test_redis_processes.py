"""Redis shared by real processes, some of which are killed; and the embedded server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_fabric.errors import BackendUnavailable, ConfigurationError
from cache_fabric.stores.base import Write
from cache_fabric.stores.redis import RedisStore
from servers import Server, eventually, running

COMMIT_PAIRS_FOR_EVER = """
import asyncio, os, sys
from cache_fabric.stores.base import Write
from cache_fabric.stores.redis import RedisStore

async def main(url):
    store = RedisStore.from_url(url, "n")
    await store.open()
    while True:
        value = os.urandom(3000)
        revision = await store.commit([Write("a", value), Write("b", value)], note=value)
        print(revision, flush=True)

asyncio.run(main(sys.argv[1]))
"""

COMMIT_AND_HOLD = """
import asyncio, sys
from cache_fabric.stores.redis import RedisStore

async def main(url):
    store = RedisStore.from_url(url, "n")
    await store.open()
    print(await store.commit([], note=b""), flush=True)
    sys.stdin.readline()
    await store.aclose()

asyncio.run(main(sys.argv[1]))
"""

START_A_SERVER = """
import sys
from pathlib import Path
from servers import running

with running(Path(sys.argv[1])) as server:
    print(server.process.pid, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "fabric"


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def said(script: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process and the number that it printed; killed in the end."""
    with start(script, *arguments) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def is_gone(folder: Path) -> bool:
    """Whether no process has its home in the folder."""
    homes = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            homes.append(link.readlink())
    return folder not in homes


async def test_a_killed_writer_leaves_whole_commits_and_all_it_acknowledged(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as server:
        for cycle in range(10):
            await assert_whole_after_a_kill(server, 1 + 7 * cycle)


async def assert_whole_after_a_kill(server: Server, commits: int) -> None:
    with start(COMMIT_PAIRS_FOR_EVER, server.url) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(commits)][-1]
        process.send_signal(signal.SIGKILL)
    store = RedisStore.from_url(server.url, "n")
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


def test_a_killed_test_run_leaves_no_server_behind(tmp_path: Path) -> None:
    with said(START_A_SERVER, tmp_path) as (process, server):
        process.kill()
        eventually(lambda: not Path(f"/proc/{server}").exists(), "the end of the server")


async def test_processes_share_an_embedded_server(folder: Path) -> None:
    store = RedisStore.from_url(f"embedded://{folder}", "n")
    await store.open()
    waiting = asyncio.create_task(store.wait(0, 30))
    with said(COMMIT_AND_HOLD, f"embedded://{folder}") as (_, revision):
        assert revision == 1
        assert await waiting is True
    await store.aclose()


async def test_an_embedded_server_outlives_the_process_that_started_it(folder: Path) -> None:
    with said(COMMIT_AND_HOLD, f"embedded://{folder}") as (starter, _):
        store = RedisStore.from_url(f"embedded://{folder}", "n")
        await store.open()
        starter.kill()
        starter.wait()
        assert await store.commit([], note=b"") == 2
        await store.aclose()


async def test_an_embedded_server_ends_with_its_last_user_and_keeps_everything(
    folder: Path,
) -> None:
    for revision in (1, 2):
        with said(COMMIT_AND_HOLD, f"embedded://{folder}") as (user, committed):
            assert committed == revision
            user.kill()
        await asyncio.to_thread(eventually, lambda: is_gone(folder), "the end of the server")


async def test_users_that_come_at_once_start_one_server(folder: Path) -> None:
    stores = [RedisStore.from_url(f"embedded://{folder}", "n") for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    revisions = await asyncio.gather(*(store.commit([], note=b"") for store in stores))
    assert sorted(revisions) == [1, 2, 3, 4]
    for store in stores:
        await store.aclose()


async def test_a_user_who_comes_as_the_last_one_goes_gets_a_server(folder: Path) -> None:
    for _ in range(3):
        store = RedisStore.from_url(f"embedded://{folder}", "n")
        await store.open()
        await store.set_many([Write("k", b"v")])
        await store.aclose()


async def test_an_embedded_server_that_does_not_start_names_its_log(folder: Path) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("no manifest\n")
    store = RedisStore.from_url(f"embedded://{folder}", "n")
    with pytest.raises(BackendUnavailable, match=r"server\.log"):
        await store.open()
    await store.aclose()


def test_a_folder_that_no_socket_can_be_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="shorter"):
        RedisStore.from_url(f"embedded://{tmp_path / ('x' * 100)}", "n")


def test_an_embedded_server_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match="folder"):
        RedisStore.from_url("embedded://", "n")
