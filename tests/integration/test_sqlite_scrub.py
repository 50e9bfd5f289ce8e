"""What was deleted from a SQLite file is not left in any byte of it, nor of its log."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cache_fabric.stores._sqlite_tokens import term_token, word_token
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Blob, Document, Query
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing._document_suite import found

KINDS = ("cache", "record", "note", "key", "value", "term", "text", "blob", "mark")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, "n", log_limit=1)
    await store.open()
    yield store
    await store.aclose()


def left_in(path: Path, needles: dict[str, bytes]) -> set[str]:
    files = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
    bytes_of_all = b"\x00".join(file.read_bytes() for file in files if file.exists())
    return {name for name, needle in needles.items() if needle in bytes_of_all}


def canaries(numbers: random.Random) -> dict[str, str]:
    return {kind: "zq" + numbers.randbytes(16).hex() for kind in KINDS}


def canary_document(said: dict[str, str]) -> Document:
    return Document(
        key=said["key"],
        value=said["value"].encode(),
        at=1_790_000_000.0,
        terms=frozenset({("user", said["term"])}),
        text=said["text"],
        blobs=[Blob(key="b" + said["key"], value=said["blob"].encode(), text=said["blob"])],
    )


def document_among_others(n: int, numbers: random.Random) -> Document:
    return Document(
        key=f"{n}",
        value=numbers.randbytes(numbers.randint(30, 700)),
        at=1_790_000_000.0 + n,
        terms=frozenset({("user", f"u{n % 40}")}),
        text=f"some words {n} and {n % 100}",
    )


def packed_rows(path: Path) -> Iterator[tuple[str, bytes]]:
    """Pieces of all that is kept compressed, where a text is not found by looking for it."""
    with closing(sqlite3.connect(path)) as file:
        for table in ("documents", "blob_bodies"):
            for number, body in file.execute(f"SELECT id, body FROM {table}"):
                yield f"{table} {number}", body[-24:]


async def put_and_delete(store: SqliteStore, said: dict[str, str]) -> dict[str, bytes]:
    """Write the canaries everywhere, delete them, and return what would show that they are left."""
    await store.set_many([Write("k", said["cache"].encode())])
    await store.commit([Write("k", said["record"].encode())], note=said["note"].encode())
    await store.documents.put("x", [canary_document(said)])
    marks = frozenset({("label", said["mark"])})
    await store.documents.mark("x", said["key"], terms=marks, numbers={"score": 1})
    needles = {kind: text.encode() for kind, text in said.items()}
    needles |= dict(packed_rows(store.path))
    with closing(sqlite3.connect(store.path)) as file:
        (scope,) = file.execute("SELECT id FROM scopes WHERE kind = ?", (b"x",)).fetchone()
    for name, term in (("user", said["term"]), ("label", said["mark"])):
        needles[f"token of {name}"] = term_token(scope, name.encode(), term.encode()).encode()[-18:]
    needles["token of text"] = word_token(scope, said["text"]).encode()[-30:]
    await store.delete(["k"])
    await store.commit([Write("k", None)], note=b"")
    await store.documents.delete("x", [said["key"]])
    return needles


async def fill(store: SqliteStore, numbers: random.Random, first: int, last: int) -> None:
    order = list(range(first, last))
    numbers.shuffle(order)
    for start in range(0, len(order), 20):
        some = [document_among_others(n, numbers) for n in order[start : start + 20]]
        await store.documents.put("x", some)


async def test_no_byte_of_what_was_deleted_is_left(store: SqliteStore, path: Path) -> None:
    numbers = random.Random(7)
    needles = await put_and_delete(store, canaries(numbers))
    assert {"cache", "record", "note", "token of text", "token of user"} <= left_in(path, needles)
    assert await store.scrub() == []
    assert left_in(path, needles) == set()


async def test_nor_where_it_lay_among_what_stays(store: SqliteStore, path: Path) -> None:
    numbers = random.Random(7)
    await fill(store, numbers, 0, 1000)
    doomed = [f"{n}" for n in range(0, 1000, 7)]
    pieces = dict(packed_rows(path))
    with closing(sqlite3.connect(path)) as file:
        number_of = dict(file.execute("SELECT CAST(at AS INTEGER), id FROM documents"))
    needles = {key: pieces[f"documents {number_of[1_790_000_000 + int(key)]}"] for key in doomed}
    await store.documents.delete("x", doomed)
    await fill(store, numbers, 1000, 1400)
    assert await store.scrub() == []
    assert left_in(path, needles) == set()
    assert await store.documents.count("x", Query()) == 1400 - len(doomed)
    kept = [f"{n}" for n in range(1313, 0, -100) if f"{n}" not in doomed]
    assert await found(store, Query(text="words 13")) == kept


async def test_a_file_open_in_another_store_is_scrubbed_too(store: SqliteStore, path: Path) -> None:
    other = SqliteStore(path, "n", log_limit=1)
    await other.open()
    needles = await put_and_delete(store, canaries(random.Random(7)))
    assert await other.documents.count("x", Query()) == 0
    assert await other.scrub() == []
    assert left_in(path, needles) == set()
    await other.aclose()


async def test_who_is_still_reading_is_told_of_as_long_as_it_lasts(path: Path) -> None:
    store = SqliteStore(path, "n", busy_timeout=0.05, log_limit=1)
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        await store.set_many([Write("k", b"v")])
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM cache").fetchall()
        needles = await put_and_delete(store, canaries(random.Random(7)))
        (remains,) = await store.scrub()
        assert "is reading the file" in remains
        assert left_in(path, needles)
        reader.execute("COMMIT")
        assert await store.scrub() == []
        assert left_in(path, needles) == set()
    await store.aclose()


async def test_who_is_still_writing_is_told_of_as_well(path: Path) -> None:
    store = SqliteStore(path, "n", busy_timeout=0.05)
    await store.open()
    await store.documents.put("x", [canary_document(canaries(random.Random(7)))])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        remains = await store.scrub()
        assert "could not be written anew" in remains[0]
        writer.execute("ROLLBACK")
    assert await store.scrub() == []
    await store.aclose()
