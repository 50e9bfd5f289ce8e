"""Documents in one SQLite file that several processes write, some of which are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cache_fabric.stores.documents import Query
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing._document_suite import found

PUT = """
import asyncio, itertools, sys, time
from cache_fabric.stores.documents import Blob, Document
from cache_fabric.stores.sqlite import SqliteStore

async def main(path, name, times):
    store = SqliteStore(path, "n", busy_timeout=60)
    await store.open()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(times) if times else itertools.count():
        batch = [
            Document(
                key=f"{name}-{number}-{half}",
                value=b"v",
                at=time.time(),
                terms=frozenset({("by", name), ("batch", f"{name}-{number}")}),
                text=f"hello {name} {half}",
                blobs=[Blob(key="prompt", value=b"prompt", text="you are")],
            )
            for half in ("a", "b")
        ]
        await store.documents.put("x", batch)
        if number % 3 == 2:
            await store.documents.delete("x", [f"{name}-{number - 1}-{half}" for half in "ab"])
        print(number, flush=True)
    await store.aclose()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def start(path: Path, name: str, times: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PUT, str(path), name, str(times)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def check_all_in_step(store: SqliteStore, path: Path) -> set[str]:
    """Rows, index and blobs must tell the same; returns the keys."""
    keys = await found(store, limit=500)
    assert sorted(await found(store, Query(text="hello"), limit=500)) == sorted(keys)
    assert sorted(await found(store, Query(text="you are"), limit=500)) == sorted(keys)
    for name in {key.partition("-")[0] for key in keys}:
        of_one = [key for key in keys if key.startswith(f"{name}-")]
        assert await found(store, Query(terms=frozenset({("by", name)})), limit=500) == of_one
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM documents").fetchone() == (len(keys),)
        named = file.execute("SELECT named FROM blobs").fetchall()
        assert named == ([(len(keys),)] if keys else [])
    return set(keys)


def kept_after(name: str, acknowledged: int) -> set[str]:
    """The keys that are there when batches up to this number were acknowledged."""
    numbers = range(acknowledged + 1)
    kept = [n for n in numbers if n % 3 != 1 or n + 1 > acknowledged]
    return {f"{name}-{n}-{half}" for n in kept for half in "ab"}


async def test_processes_that_put_at_once_lose_and_mix_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    processes = [start(path, name, 30) for name in ("one", "two", "three")]
    for process in processes:
        go(process)
    for process in processes:
        with process:
            process.communicate(timeout=60)
        assert process.returncode == 0
    store = SqliteStore(path, "n")
    await store.open()
    keys = await check_all_in_step(store, path)
    assert keys == {key for name in ("one", "two", "three") for key in kept_after(name, 29)}
    await store.documents.delete("x", sorted(keys))
    assert await store.documents.blobs(["prompt"]) == [None]
    await store.aclose()


async def kill_while_it_puts(path: Path, name: str, after: int) -> int:
    """Kill a process in the middle of its work; returns the last batch that it had told of."""
    with start(path, name, 0) as process:
        go(process)
        assert process.stdout is not None
        for _ in range(after):
            last = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        lines = (last + process.stdout.read()).splitlines(keepends=True)
        told = [line for line in lines if line.endswith("\n")]
    return int(told[-1])


@pytest.mark.parametrize("cycles", [5, pytest.param(100, marks=pytest.mark.campaign)])
@pytest.mark.timeout(1800)
async def test_a_killed_process_loses_nothing_that_was_acknowledged(
    tmp_path: Path, cycles: int
) -> None:
    path = tmp_path / "store.db"
    expected: set[str] = set()
    for cycle in range(cycles):
        name = f"p{cycle}"
        told = await kill_while_it_puts(path, name, 3 + cycle % 7)
        store = SqliteStore(path, "n")
        await store.open()
        keys = await check_all_in_step(store, path)
        of_one = {key for key in keys if key.startswith(f"{name}-")}
        assert keys - of_one == expected
        # The next batch may be there, and the delete behind it, but not told of yet.
        whole = kept_after(name, told)
        put_only = whole | {f"{name}-{told + 1}-{half}" for half in "ab"}
        assert of_one in (whole, put_only, kept_after(name, told + 1))
        expected = keys
        await store.aclose()
