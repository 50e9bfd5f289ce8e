"""Documents in one SQLite file: its form, its migration, and how much a search looks at."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cache_fabric.drivers import make_store
from cache_fabric.errors import ConfigurationError
from cache_fabric.stores import _sqlite_criteria, _sqlite_document_search, _sqlite_file
from cache_fabric.stores._sqlite_bodies import Body, Marks, packed, unpacked
from cache_fabric.stores._sqlite_dictionary import DICTIONARY
from cache_fabric.stores._sqlite_tokens import tokens_of
from cache_fabric.stores.base import Write
from cache_fabric.stores.documents import Blob, Document, Query
from cache_fabric.stores.sqlite import SqliteStore
from cache_fabric.testing._document_suite import doc, found

NOON = 1_790_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, "n")
    await store.open()
    yield store
    await store.aclose()


def pragma(store: SqliteStore, name: str) -> object:
    assert store._writer is not None
    return store._writer.execute(f"PRAGMA {name}").fetchone()[0]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def make_file_of_version_1(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        for statement in _sqlite_file._MIGRATIONS[0]:
            file.execute(statement)
        file.execute("INSERT INTO cache VALUES (?, ?, ?, NULL)", (b"n", b"k", b"entry"))
        file.execute("INSERT INTO records VALUES (?, ?, ?, 1)", (b"n", b"k", b"record"))
        file.execute("INSERT INTO changes VALUES (?, 1, 1.0, ?)", (b"n", b"note"))
        file.execute("INSERT INTO heads VALUES (?, 1, 0)", (b"n",))
        file.execute(f"PRAGMA application_id = {0x43464142}")
        file.execute("PRAGMA user_version = 1")


async def test_a_file_of_version_1_is_migrated_and_keeps_everything(path: Path) -> None:
    make_file_of_version_1(path)
    store = SqliteStore(path, "n")
    await store.open()
    await store.documents.put("x", [doc("k", text="hello")])
    assert await found(store, Query(text="hello")) == ["k"]
    assert await store.get("k") == b"entry"
    assert [record.value for record in await store.records("")] == [b"record"]
    assert await store.commit([Write("k", b"next")], note=b"") == 2
    assert await store.scrub() == []
    assert pragma(store, "user_version") == 2
    await store.aclose()


def test_what_files_hold_stays_readable() -> None:
    # A change of any of these needs a migration: files would be read wrong, or not emptied.
    assert digest(DICTIONARY) == "513b4b9845c45914"
    document = Document(
        key="k",
        value=b"value",
        at=NOON,
        terms=frozenset({("graph", "g")}),
        numbers={"cost": 0.25},
        text="Hello, World " + "x" * 70,
        blobs=[Blob(key="b", value=b"")],
    )
    body = Body.of(document)
    tokens = tokens_of(3, body, Marks.of(frozenset({("feedback", "bad")}), {"score": -1}))
    assert digest(" ".join(sorted(tokens.split())).encode()) == "56f2142019c51e63"
    value, behind = unpacked(5, packed(b"value", body.written()))
    assert (value, Body.read(behind)) == (b"value", body)


@pytest.mark.parametrize(
    ("options", "level", "synchronous"),
    [("", "process", 1), ("?durability=process", "process", 1), ("?durability=disk", "disk", 2)],
)
async def test_durability_is_what_the_file_is_synced_for(
    path: Path, options: str, level: str, synchronous: int
) -> None:
    store = make_store(f"sqlite://{path}{options}", "n")
    assert isinstance(store, SqliteStore)
    await store.open()
    assert store.path == path
    assert (store.durability, pragma(store, "synchronous")) == (level, synchronous)
    await store.aclose()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("?sync=off", "sync"),
        ("?durability=disk&cache=1", "cache"),
        ("?durability=memory", "durability.*'memory'"),
        ("?durability", "durability"),
        ("?durability=", "durability"),
    ],
)
def test_an_option_that_a_file_has_not_is_refused(path: Path, options: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make_store(f"sqlite://{path}{options}", "n")


async def test_a_sqlite_without_full_text_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite_file, "_FULL_TEXT", "fts_of_tomorrow")
    store = SqliteStore(path, "n")
    with pytest.raises(ConfigurationError, match="without FTS5"):
        await store.open()
    await store.aclose()


async def test_late_documents_are_in_their_place(store: SqliteStore) -> None:
    numbers = random.Random(1)
    ats = [NOON + numbers.choice([n, n * 0.01, n * 100]) for n in range(300)]
    numbers.shuffle(ats)
    documents = [doc(f"{n:03}", at=at) for n, at in enumerate(ats)]
    for start in range(0, 300, 7):
        await store.documents.put("x", documents[start : start + 7])
    newest_first = sorted(range(300), key=lambda n: (ats[n], f"{n:03}"), reverse=True)
    for limit in (1, 7, 1000):
        assert await found(store, limit=limit) == [f"{n:03}" for n in newest_first]
    low, high = sorted(ats)[100], sorted(ats)[200]
    within = [f"{n:03}" for n in newest_first if low <= ats[n] < high]
    assert await found(store, Query(since=low, until=high), limit=7) == within


@pytest.mark.parametrize("late", [False, True])
async def test_a_search_that_finds_little_gives_up_and_goes_on(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    monkeypatch.setattr(_sqlite_document_search, "_MOST_LOOKED_AT", 10)
    # Too near to the bound for the index to tell.
    costs = {n: 1.00001 if n % 40 == 7 else 1.0 for n in range(200)}
    order = sorted(costs, key=lambda n: (n % 3 if late else 0, n))
    for n in order:
        document = doc(f"{n:03}", at=NOON + n * 20, numbers={"cost": costs[n]})
        await store.documents.put("x", [document])
    query = Query(least={"cost": 1.000005})
    page = await store.documents.find("x", query)
    assert page.cursor is not None
    assert len(page.items) < 5
    assert await found(store, query, limit=2) == ["167", "127", "087", "047", "007"]


async def test_words_that_many_blobs_have_are_found(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite_criteria, "_MOST_BLOBS", 3)
    for n in range(20):
        blob = Blob(key=f"{n}", value=b"", text="common word" if n % 2 else "common name")
        await store.documents.put("x", [doc(f"{n:02}", at=n, text="my own word", blobs=[blob])])
    odd = [f"{n:02}" for n in range(19, 0, -2)]
    assert await found(store, Query(text="word common")) == odd
    assert await found(store, Query(text="own word"), limit=3) == [
        f"{n:02}" for n in reversed(range(20))
    ]
    assert await found(store, Query(text="common word own")) == []


async def test_what_is_put_again_is_not_left_out_by_who_pages_through(store: SqliteStore) -> None:
    documents = [doc(f"{n}", at=NOON + n) for n in range(9)]
    await store.documents.put("x", documents)
    page = await store.documents.find("x", Query(), limit=4)
    await store.documents.put("x", documents)
    rest = await store.documents.find("x", Query(), after=page.cursor)
    assert [key for key, _ in (*page.items, *rest.items)] == list("876543210")


@contextmanager
def counted_steps(store: SqliteStore) -> Iterator[list[int]]:
    """Counts the instructions that SQLite takes on the connection that searches."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    assert store._writer is not None
    store._writer.set_progress_handler(step, 1)
    try:
        yield steps
    finally:
        store._writer.set_progress_handler(None, 1)


SEARCHES = {
    "the newest": Query(),
    "of a common term": Query(terms=frozenset({("graph", "support")})),
    "of a rare term": Query(terms=frozenset({("user", "u7")})),
    "of two common terms that never meet": Query(
        terms=frozenset({("half", "even"), ("outcome", "miss")})
    ),
    "of a common word": Query(text="hello"),
    "of a common word that a common term never has": Query(
        text="odd", terms=frozenset({("half", "even")})
    ),
    "of a word of a blob": Query(text="prompt"),
    "of a number that few have": Query(least={"cost": 99.5}),
    "of a common number and a rare term": Query(
        least={"cost": 0.3}, terms=frozenset({("user", "u7")})
    ),
    "of a time long ago": Query(until=NOON + 50),
    "of a moment in the middle": Query(since=NOON + 1000, until=NOON + 1040),
}


@pytest.mark.parametrize("spacing", [1.0, 0.001], ids=["an hour", "a few seconds"])
async def test_a_page_costs_the_same_however_many_documents_there_are(
    store: SqliteStore, spacing: float
) -> None:
    blob = Blob(key="b", value=b"", text="prompt")

    def document(n: int) -> Document:
        half = "odd" if n % 2 else "even"
        outcome = "miss" if n % 2 else "hit"
        terms = {("graph", "support"), ("half", half), ("outcome", outcome), ("user", f"u{n}")}
        cost = 100.0 if n == 3 else n % 10 / 10
        at = NOON + n * spacing
        text = f"hello {half}"
        return doc(f"{n}", at=at, terms=terms, numbers={"cost": cost}, text=text, blobs=[blob])

    costs: list[dict[str, int]] = []
    for first in (0, 3000):
        await store.documents.put("x", [document(n) for n in range(first, first + 3000)])
        costs.append({})
        for name, query in SEARCHES.items():
            with counted_steps(store) as steps:
                await store.documents.find("x", query)
            costs[-1][name] = steps[0]
    few, many = costs
    # The index has a segment more; a document that is looked at costs some 20 steps.
    assert {name for name in SEARCHES if many[name] > few[name] + 2_000} == set()
    assert max(many.values()) < 5_000


async def test_no_search_reads_a_table_from_end_to_end(store: SqliteStore) -> None:
    statements: list[str] = []
    await store.documents.put("x", [doc("k", text="word", blobs=[Blob(key="b", value=b"")])])
    assert store._writer is not None
    store._writer.set_trace_callback(statements.append)
    for query in SEARCHES.values():
        await store.documents.find("x", query)
        await store.documents.count("x", query)
    await store.documents.mark("x", "k", terms=frozenset(), numbers={})
    await store.documents.delete("x", ["k"])
    store._writer.set_trace_callback(None)
    # SQLite writes an infinity as it cannot read it.
    readable = [statement.replace("Inf", "9e999") for statement in statements]
    asked = {s for s in readable if s.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))}
    steps = [
        detail
        for statement in asked
        for *_, detail in store._writer.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    scans = {step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step}
    assert scans <= {"SCAN CONSTANT ROW"}
    assert any("VIRTUAL TABLE INDEX" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)
