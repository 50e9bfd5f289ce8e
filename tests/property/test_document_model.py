"""Random programs of calls on documents against a model of a dict, on every store."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Blob, Document, Query, Term, words
from cache_fabric.stores.memory import MemoryStore
from cache_fabric.stores.redis import RedisStore
from cache_fabric.stores.sqlite import SqliteStore
from servers import running

T = TypeVar("T")

KINDS = st.sampled_from(["x", "f"])
KEYS = st.sampled_from(["", "a", "aa", "a\x00", "b", "\ud800", "\U0001f600", "\xff"])
TIMES = st.sampled_from([-1.0, 0.0, 1.0, 1.5, 1_790_000_000.123456])
TERMS = st.frozensets(
    st.tuples(st.sampled_from(["t", "u"]), st.sampled_from(["", "a", "\ud800"])), max_size=3
)
VALUES = st.sampled_from([-1.0, 0.0, 0.5, 2.0])
NUMBERS = st.dictionaries(st.sampled_from(["m", "n"]), VALUES, max_size=2)
MARKED = st.dictionaries(st.sampled_from(["s"]), VALUES)
BOUNDS = st.dictionaries(st.sampled_from(["m", "n", "s"]), VALUES, max_size=2)
TEXTS = st.lists(st.sampled_from(["one", "TWO", "tw\xf2", "\u5929\u6c14", "-", "\ud800"])).map(
    " ".join
)
# A blob's key says what is in it, so that the model need not ask which of two came first.
BLOBS = st.sampled_from(
    [Blob(key=text, value=text.encode("utf-8", "surrogatepass"), text=text)
     for text in ("", "one", "two \u5929", "\ud800 ONE two")]
)  # fmt: skip
DOCUMENTS = st.builds(
    Document,
    key=KEYS,
    value=st.binary(max_size=3),
    at=TIMES,
    terms=TERMS,
    numbers=NUMBERS,
    text=TEXTS,
    blobs=st.lists(BLOBS, max_size=3),
)
QUERIES = st.builds(
    Query,
    terms=TERMS,
    least=BOUNDS,
    most=BOUNDS,
    since=st.none() | TIMES,
    until=st.none() | TIMES,
    text=st.just("") | TEXTS,
)


@dataclass
class Kept:
    """A document of the model with its marks."""

    document: Document
    marks: frozenset[Term] = frozenset()
    marked: Mapping[str, float] = field(default_factory=dict)

    def matches(self, query: Query) -> bool:
        numbers = {**self.document.numbers, **self.marked}
        texts = [self.document.text, *(blob.text for blob in self.document.blobs)]
        return (
            query.terms <= self.document.terms | self.marks
            and all(numbers.get(n, -1e9) >= bound for n, bound in query.least.items())
            and all(numbers.get(n, 1e9) <= bound for n, bound in query.most.items())
            and (query.since is None or self.document.at >= query.since)
            and (query.until is None or self.document.at < query.until)
            and any(set(words(query.text)) <= set(words(text)) for text in texts)
        )


class DocumentMachine(RuleBasedStateMachine):
    """What a store finds must be what the model finds, after any program."""

    reopens: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.kept: dict[str, dict[str, Kept]] = {"x": {}, "f": {}}

    def make_store(self) -> Store:
        return MemoryStore("model")

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @initialize()
    def open_store(self) -> None:
        self.store = self.make_store()
        self.run(self.store.open())

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self.runner.close()
        self.folder.cleanup()

    @rule(kind=KINDS, documents=st.lists(DOCUMENTS, max_size=4))
    def put(self, kind: str, documents: list[Document]) -> None:
        self.run(self.store.documents.put(kind, documents))
        for document in documents:
            earlier = self.kept[kind].get(document.key)
            if earlier is None:
                self.kept[kind][document.key] = Kept(document)
            else:
                earlier.document = document

    @rule(kind=KINDS, key=KEYS, terms=TERMS, numbers=MARKED)
    def mark(
        self, kind: str, key: str, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> None:
        marking = self.store.documents.mark(kind, key, terms=terms, numbers=numbers)
        kept = self.kept[kind].get(key)
        assert self.run(marking) is (kept is not None)
        if kept is not None:
            kept.marks, kept.marked = terms, numbers

    @rule(kind=KINDS, keys=st.lists(KEYS, max_size=4))
    def delete(self, kind: str, keys: list[str]) -> None:
        there = self.kept[kind].keys() & set(keys)
        assert self.run(self.store.documents.delete(kind, keys)) == len(there)
        for key in there:
            del self.kept[kind][key]

    @rule(kind=KINDS, query=QUERIES, limit=st.integers(1, 5))
    def find(self, kind: str, query: Query, limit: int) -> None:
        expected = sorted(
            ((kept.document.at, key, kept.document.value)
             for key, kept in self.kept[kind].items() if kept.matches(query)),
            reverse=True,
        )  # fmt: skip
        assert self.paged(kind, query, limit) == [(key, value) for _, key, value in expected]
        assert self.run(self.store.documents.count(kind, query)) == len(expected)

    def paged(self, kind: str, query: Query, limit: int) -> list[tuple[str, bytes]]:
        items: list[tuple[str, bytes]] = []
        cursor: str | None = None
        for _ in range(100):
            finding = self.store.documents.find(kind, query, after=cursor, limit=limit)
            page = self.run(finding)
            assert len(page.items) <= limit
            items += page.items
            if (cursor := page.cursor) is None:
                return items
        raise AssertionError("the pages never end")

    @precondition(lambda self: self.reopens)
    @rule()
    def reopen(self) -> None:
        self.run(self.store.aclose())
        self.open_store()

    @invariant()
    def documents_are_those_of_the_model(self) -> None:
        keys = ["", "a", "aa", "a\x00", "b", "\ud800", "\U0001f600", "\xff", "none"]
        for kind, kept in self.kept.items():
            expected = [kept[key].document.value if key in kept else None for key in keys]
            assert self.run(self.store.documents.get(kind, keys)) == expected

    @invariant()
    def blobs_are_those_that_a_document_names(self) -> None:
        named = {
            blob.key: blob.value
            for kind in self.kept.values()
            for kept in kind.values()
            for blob in kept.document.blobs
        }
        keys = ["", "one", "two \u5929", "\ud800 ONE two"]
        assert self.run(self.store.documents.blobs(keys)) == [named.get(key) for key in keys]


class SqliteMachine(DocumentMachine):
    reopens = True

    def make_store(self) -> Store:
        return SqliteStore(Path(self.folder.name) / "store.db", "model")


class RedisMachine(DocumentMachine):
    reopens = True
    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.namespace = uuid.uuid4().hex

    def make_store(self) -> Store:
        return RedisStore(self.url, self.namespace, request_timeout=30)


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        RedisMachine.url = server.url
        yield


FAST = settings(
    max_examples=40,
    stateful_step_count=40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestMemoryDocuments = DocumentMachine.TestCase
TestMemoryDocuments.settings = FAST
TestSqliteDocuments = SqliteMachine.TestCase
TestSqliteDocuments.settings = FAST
TestRedisDocuments = RedisMachine.TestCase
TestRedisDocuments.settings = FAST
