"""The document half of the store contract: put, mark, get, delete, and the blobs they share."""

from __future__ import annotations

import asyncio

import pytest

from cache_fabric.stores.base import Store, Write
from cache_fabric.stores.documents import Blob, Document, Query
from cache_fabric.testing._document_suite import doc, found
from cache_fabric.testing._store_suite import HOSTILE_KEYS, OpenStore, StoreSuite

__all__ = ["DocumentHalf"]

_BYTES = bytes(range(256))
_PROMPT = Blob(key="prompt", value=_BYTES, text="You are a shop's support")


class DocumentHalf(StoreSuite):
    """Tests of `documents.put`, `mark`, `get`, `blobs` and `delete`, and of `scrub`."""

    async def test_it_says_what_an_acknowledged_write_survives(self, store: Store) -> None:
        assert store.durability in {"memory", "process", "disk"}
        assert self.durable or store.durability == "memory"

    async def test_what_was_put_is_got_in_the_order_of_the_keys(self, store: Store) -> None:
        await store.documents.put("x", [doc("a", value=b"1"), doc("b", value=b"2")])
        keys = ["b", "none", "a", "b"]
        assert await store.documents.get("x", keys) == [b"2", None, b"1", b"2"]

    async def test_a_call_on_documents_with_nothing_to_do_is_fine(self, store: Store) -> None:
        await store.documents.put("x", [])
        assert await store.documents.get("x", []) == []
        assert await store.documents.blobs([]) == []
        assert await store.documents.delete("x", []) == 0
        assert await store.documents.count("x", Query()) == 0
        assert await found(store) == []

    async def test_putting_again_replaces_all_that_it_was_found_by(self, store: Store) -> None:
        old = doc("k", at=1, value=b"old", terms={("graph", "g")}, numbers={"cost": 1}, text="old")
        new = doc("k", at=5, value=b"new", terms={("graph", "h")}, numbers={"time": 2}, text="new")
        await store.documents.put("x", [old])
        await store.documents.put("x", [new])
        assert await store.documents.get("x", ["k"]) == [b"new"]
        assert await found(store) == ["k"]
        gone = [
            Query(terms=frozenset({("graph", "g")})),
            Query(least={"cost": 0}),
            Query(until=5),
            Query(text="old"),
        ]
        assert [await found(store, query) for query in gone] == [[]] * 4
        here = Query(terms=frozenset({("graph", "h")}), least={"time": 2}, since=5, text="new")
        assert await found(store, here) == ["k"]

    async def test_of_two_documents_of_one_key_in_a_put_the_later_wins(self, store: Store) -> None:
        twice = [doc("k", value=b"1", text="one"), doc("k", at=3, value=b"2", text="two")]
        await store.documents.put("x", twice)
        assert await store.documents.get("x", ["k"]) == [b"2"]
        assert await found(store) == ["k"]
        assert await found(store, Query(text="one")) == []

    async def test_a_put_that_fails_leaves_nothing_behind(self, store: Store) -> None:
        spoiled = Document(key="b", value=b"v", at=1, text=None)  # type: ignore[arg-type]
        with pytest.raises(Exception):  # noqa: B017, PT011 - whichever; what is left counts
            await store.documents.put("x", [doc("a", blobs=[_PROMPT]), spoiled])
        assert await store.documents.get("x", ["a", "b"]) == [None, None]
        assert await store.documents.blobs(["prompt"]) == [None]
        assert await found(store) == []

    async def test_a_put_is_never_seen_by_halves(self, store: Store, open_store: OpenStore) -> None:
        writer = await open_store() if self.durable else store

        async def put_pairs() -> None:
            for number in range(40):
                value = str(number).encode()
                await writer.documents.put("x", [doc("a", value=value), doc("b", value=value)])

        writing = asyncio.create_task(put_pairs())
        while not writing.done():
            a, b = await store.documents.get("x", ["a", "b"])
            assert a == b
            await asyncio.sleep(0)
        await writing

    async def test_kinds_never_meet(self, store: Store) -> None:
        await store.documents.put("x", [doc("k", value=b"x", text="word")])
        await store.documents.put("f", [doc("k", at=9, value=b"f", terms={("a", "b")})])
        assert await store.documents.get("x", ["k"]) == [b"x"]
        assert await store.documents.get("f", ["k"]) == [b"f"]
        assert await found(store, Query(text="word"), kind="f") == []
        assert await found(store, Query(terms=frozenset({("a", "b")}))) == []
        assert await store.documents.delete("x", ["k"]) == 1
        assert await found(store, kind="f") == ["k"]
        assert await store.documents.get("xf", ["k"]) == [None]

    async def test_documents_of_namespaces_never_meet(
        self, store: Store, open_store: OpenStore
    ) -> None:
        neighbor = await open_store(namespace="contract2")
        await store.documents.put("x", [doc("k", text="word", blobs=[_PROMPT])])
        assert await neighbor.documents.get("x", ["k"]) == [None]
        assert await neighbor.documents.blobs(["prompt"]) == [None]
        assert await found(neighbor) == []
        assert await found(neighbor, Query(text="word")) == []
        assert await neighbor.documents.delete("x", ["k"]) == 0
        theirs = Blob(key="prompt", value=b"theirs")
        await neighbor.documents.put("x", [doc("k", blobs=[theirs])])
        await store.documents.delete("x", ["k"])
        assert await neighbor.documents.blobs(["prompt"]) == [b"theirs"]

    async def test_documents_entries_and_records_of_one_name_are_three_things(
        self, store: Store
    ) -> None:
        await store.set_many([Write("k", b"entry")])
        await store.commit([Write("k", b"record")], note=b"")
        await store.documents.put("x", [doc("k", value=b"document")])
        assert await store.clear("") == 1
        assert await store.documents.get("x", ["k"]) == [b"document"]
        assert await store.documents.delete("x", ["k"]) == 1
        assert [record.value for record in await store.records("")] == [b"record"]

    async def test_no_two_documents_are_taken_for_one_another(self, store: Store) -> None:
        documents = [doc(key, value=f"{n}".encode()) for n, key in enumerate(HOSTILE_KEYS)]
        await store.documents.put("x", documents)
        values = [document.value for document in documents]
        assert await store.documents.get("x", HOSTILE_KEYS) == values
        assert await found(store) == sorted(HOSTILE_KEYS, reverse=True)
        assert await store.documents.delete("x", HOSTILE_KEYS[:-1]) == len(HOSTILE_KEYS) - 1
        assert await found(store) == [HOSTILE_KEYS[-1]]

    async def test_any_bytes_are_the_value_of_a_document_and_of_a_blob(self, store: Store) -> None:
        large = _BYTES * (2 * 1024 * 1024 // 256)
        for value in (b"", _BYTES, large):
            blob = Blob(key=f"{len(value)}", value=value)
            await store.documents.put("x", [doc("k", value=value, blobs=[blob])])
            assert await store.documents.get("x", ["k"]) == [value]
            assert await store.documents.blobs([blob.key]) == [value]

    async def test_a_thousand_documents_are_put_got_and_deleted_at_once(self, store: Store) -> None:
        keys = [f"k{number}" for number in range(1000)]
        await store.documents.put("x", [doc(key, value=key.encode(), text=key) for key in keys])
        assert await store.documents.get("x", keys) == [key.encode() for key in keys]
        assert await store.documents.delete("x", keys) == 1000
        assert await found(store) == []

    async def test_a_mark_is_found_and_the_next_one_replaces_it(self, store: Store) -> None:
        await store.documents.put("x", [doc("k", terms={("graph", "g")}, numbers={"cost": 1})])
        good, bad = frozenset({("feedback", "good")}), frozenset({("feedback", "bad")})
        assert await store.documents.mark("x", "k", terms=good, numbers={"score": 1})
        assert await found(store, Query(terms=good, least={"score": 1, "cost": 1})) == ["k"]
        assert await store.documents.mark("x", "k", terms=bad, numbers={})
        assert await found(store, Query(terms=good)) == []
        assert await found(store, Query(least={"score": 0})) == []
        assert await found(store, Query(terms=bad | {("graph", "g")})) == ["k"]

    async def test_a_mark_outlives_a_put_and_goes_with_the_document(self, store: Store) -> None:
        good = frozenset({("feedback", "good")})
        marked = Query(terms=good, most={"score": 0.5})
        await store.documents.put("x", [doc("k"), doc("other")])
        await store.documents.mark("x", "k", terms=good, numbers={"score": 0.5})
        await store.documents.put("x", [doc("k", at=9, text="new")])
        assert await found(store, marked) == ["k"]
        assert await store.documents.delete("x", ["k"]) == 1
        assert await found(store, marked) == []
        await store.documents.put("x", [doc("k")])
        assert await found(store, marked) == []

    async def test_an_absent_document_cannot_be_marked(self, store: Store) -> None:
        terms = frozenset({("feedback", "good")})
        await store.documents.put("f", [doc("k")])
        assert not await store.documents.mark("x", "k", terms=terms, numbers={"score": 1})
        await store.documents.put("x", [doc("k")])
        assert await found(store, Query(terms=terms)) == []
        assert await found(store, Query(least={"score": 0})) == []

    async def test_deleting_says_how_many_documents_were_there(self, store: Store) -> None:
        await store.documents.put("x", [doc("a"), doc("b"), doc("c")])
        assert await store.documents.delete("x", ["a", "b", "missing"]) == 2
        assert await store.documents.delete("x", ["a"]) == 0
        assert await store.documents.get("x", ["a", "b", "c"]) == [None, None, b"v"]

    async def test_a_blob_is_kept_while_a_document_of_any_kind_names_it(self, store: Store) -> None:
        await store.documents.put("x", [doc("a", blobs=[_PROMPT]), doc("b", blobs=[_PROMPT])])
        await store.documents.put("f", [doc("a", blobs=[_PROMPT])])
        for kind, key in (("x", "a"), ("f", "a")):
            await store.documents.delete(kind, [key])
            assert await store.documents.blobs(["prompt", "none"]) == [_BYTES, None]
        await store.documents.delete("x", ["b"])
        assert await store.documents.blobs(["prompt"]) == [None]

    async def test_a_blob_goes_when_its_document_no_longer_names_it(self, store: Store) -> None:
        other = Blob(key="other", value=b"2", text="another prompt")
        await store.documents.put("x", [doc("k", blobs=[_PROMPT])])
        await store.documents.put("x", [doc("k", blobs=[_PROMPT, other])])
        assert await store.documents.blobs(["prompt", "other"]) == [_BYTES, b"2"]
        await store.documents.put("x", [doc("k", blobs=[other])])
        assert await store.documents.blobs(["prompt", "other"]) == [None, b"2"]
        assert await found(store, Query(text="support")) == []
        await store.documents.put("x", [doc("k")])
        assert await store.documents.blobs(["prompt", "other"]) == [None, None]

    async def test_a_blob_that_passes_to_another_document_in_one_put_stays(
        self, store: Store
    ) -> None:
        await store.documents.put("x", [doc("a", blobs=[_PROMPT])])
        await store.documents.put("x", [doc("a"), doc("b", blobs=[_PROMPT])])
        assert await store.documents.blobs(["prompt"]) == [_BYTES]
        await store.documents.put("x", [doc("a", blobs=[_PROMPT]), doc("b")])
        assert await store.documents.blobs(["prompt"]) == [_BYTES]
        assert await found(store, Query(text="support")) == ["a"]

    async def test_a_blob_that_a_document_names_twice_goes_with_it(self, store: Store) -> None:
        await store.documents.put("x", [doc("k", blobs=[_PROMPT, _PROMPT])])
        await store.documents.delete("x", ["k"])
        assert await store.documents.blobs(["prompt"]) == [None]

    async def test_a_blob_that_was_swept_may_be_put_again(self, store: Store) -> None:
        await store.documents.put("x", [doc("k", blobs=[_PROMPT])])
        await store.documents.delete("x", ["k"])
        await store.documents.put("x", [doc("k", blobs=[_PROMPT])])
        assert await store.documents.blobs(["prompt"]) == [_BYTES]
        assert await found(store, Query(text="support")) == ["k"]

    async def test_any_text_is_the_key_of_a_blob(self, store: Store) -> None:
        blobs = [Blob(key=key, value=f"{n}".encode()) for n, key in enumerate(HOSTILE_KEYS)]
        await store.documents.put("x", [doc("k", blobs=blobs)])
        assert await store.documents.blobs(HOSTILE_KEYS) == [blob.value for blob in blobs]

    async def test_the_next_store_finds_documents_if_durable(
        self, store: Store, open_store: OpenStore
    ) -> None:
        good = frozenset({("feedback", "good")})
        whole = Query(terms=good, least={"score": 1, "cost": 2}, text="support")
        await store.documents.put("x", [doc("k", numbers={"cost": 2}, blobs=[_PROMPT])])
        await store.documents.mark("x", "k", terms=good, numbers={"score": 1})
        await store.aclose()
        after = await open_store()
        assert await found(after, whole) == (["k"] if self.durable else [])
        assert await after.documents.get("x", ["k"]) == [b"v" if self.durable else None]
        assert await after.documents.blobs(["prompt"]) == [_BYTES if self.durable else None]

    async def test_two_stores_of_one_place_share_their_documents_if_durable(
        self, store: Store, open_store: OpenStore
    ) -> None:
        other = await open_store()
        await asyncio.gather(
            *(
                s.documents.put("x", [doc(f"{n}", blobs=[_PROMPT])])
                for n in range(20)
                for s in (store, other)
            )
        )
        assert await found(other) == await found(store)
        keys = [f"{number}" for number in range(20)]
        deleted = [await other.documents.delete("x", [key]) for key in keys]
        assert deleted == [1] * 20
        assert await store.documents.blobs(["prompt"]) == [None if self.durable else _BYTES]

    async def test_scrubbing_says_in_sentences_what_remains_and_keeps_what_lives(
        self, store: Store
    ) -> None:
        await store.documents.put("x", [doc("kept", text="word"), doc("gone", text="word")])
        await store.documents.delete("x", ["gone"])
        remains = await store.scrub()
        assert not isinstance(remains, str)
        assert all(sentence.strip() for sentence in remains)
        assert await found(store, Query(text="word")) == ["kept"]
