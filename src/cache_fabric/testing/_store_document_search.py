"""How the document half of the store contract finds: terms, numbers, times, words, pages."""

from __future__ import annotations

import pytest

from cache_fabric.errors import ValidationError
from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Blob, Query
from cache_fabric.testing._document_suite import doc, found
from cache_fabric.testing._store_suite import HOSTILE_KEYS, OpenStore, StoreSuite

__all__ = ["DocumentSearch"]


def _terms(*terms: tuple[str, str]) -> Query:
    return Query(terms=frozenset(terms))


class DocumentSearch(StoreSuite):
    """Tests of `documents.find` and `count`."""

    async def test_documents_come_newest_first_and_then_by_key_from_high_to_low(
        self, store: Store
    ) -> None:
        places = [(2, "b"), (1, "z"), (3, "a"), (2, "c"), (2, "B"), (-1, "m"), (2.5, "q")]
        await store.documents.put("x", [doc(key, at=at) for at, key in places])
        assert await found(store) == ["a", "q", "c", "b", "B", "z", "m"]

    async def test_a_page_carries_keys_and_values(self, store: Store) -> None:
        await store.documents.put("x", [doc("a", value=b"1"), doc("b", at=2, value=b"\x00\xff")])
        page = await store.documents.find("x", Query())
        assert page.items == (("b", b"\x00\xff"), ("a", b"1"))

    async def test_all_terms_must_hold(self, store: Store) -> None:
        both = {("graph", "g"), ("tag", "one"), ("tag", "two")}
        await store.documents.put("x", [doc("a", terms=both), doc("b", terms={("tag", "one")})])
        assert await found(store, _terms(("tag", "one"))) == ["b", "a"]
        assert await found(store, _terms(("tag", "one"), ("tag", "two"))) == ["a"]
        assert await found(store, _terms(("tag", "one"), ("graph", "h"))) == []
        assert await found(store, _terms(("graph", "one"))) == []

    async def test_no_two_terms_are_taken_for_one_another(self, store: Store) -> None:
        values = [doc(f"{n:02}", terms={("f", text)}) for n, text in enumerate(HOSTILE_KEYS)]
        fields = [doc(f"{n:02}", terms={(text, "v")}) for n, text in enumerate(HOSTILE_KEYS)]
        await store.documents.put("x", values)
        await store.documents.put("f", fields)
        for number, text in enumerate(HOSTILE_KEYS):
            assert await found(store, _terms(("f", text))) == [f"{number:02}"]
            assert await found(store, _terms((text, "v")), kind="f") == [f"{number:02}"]

    async def test_field_and_value_are_not_run_together(self, store: Store) -> None:
        await store.documents.put(
            "x", [doc("a", terms={("a", "b:c")}), doc("b", terms={("a:b", "c")})]
        )
        assert await found(store, _terms(("a", "b:c"))) == ["a"]
        assert await found(store, _terms(("a:b", "c"))) == ["b"]

    async def test_bounds_of_numbers_include_their_ends(self, store: Store) -> None:
        costs = {"a": 0.5, "b": 1.0, "c": 1.5, "d": -2.0, "e": 1e-9, "f": 1e15}
        await store.documents.put("x", [doc(key, numbers={"cost": n}) for key, n in costs.items()])
        await store.documents.put("x", [doc("none"), doc("other", numbers={"time": 1.0})])
        assert await found(store, Query(least={"cost": 1.0})) == ["f", "c", "b"]
        assert await found(store, Query(most={"cost": 1.0})) == ["e", "d", "b", "a"]
        assert await found(store, Query(least={"cost": 0.5}, most={"cost": 1.0})) == ["b", "a"]
        assert await found(store, Query(least={"cost": 2}, most={"cost": 1})) == []
        assert await found(store, Query(most={"cost": 1e-9}, least={"cost": 1e-9})) == ["e"]

    async def test_bounds_of_several_numbers_must_all_hold(self, store: Store) -> None:
        await store.documents.put("x", [doc("a", numbers={"cost": 1, "time": 5})])
        await store.documents.put("x", [doc("b", numbers={"cost": 1})])
        assert await found(store, Query(least={"cost": 1, "time": 5})) == ["a"]
        assert await found(store, Query(least={"cost": 1}, most={"time": 4})) == []

    async def test_a_time_range_has_its_start_and_not_its_end(self, store: Store) -> None:
        start = 1_790_000_000.25
        ats = {"a": start, "b": start + 1, "c": start + 1 + 2**-20, "d": start + 2}
        await store.documents.put("x", [doc(key, at=at) for key, at in ats.items()])
        assert await found(store, Query(since=start + 1)) == ["d", "c", "b"]
        assert await found(store, Query(until=start + 1)) == ["a"]
        assert await found(store, Query(since=start, until=start + 1)) == ["a"]
        assert await found(store, Query(since=start + 1, until=start + 2)) == ["c", "b"]
        assert await found(store, Query(since=start + 1, until=start + 1)) == []

    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            ("How do I RESET my password?", "password reset"),
            ("How do I reset it?", "  reset --- IT  "),
            ("Stra\xdfe", "STRASSE"),
            ("cr\xe8me br\xfbl\xe9e", "creme BRULEE"),
            ("creme", "cre\u0300me"),
            ("\u212b \u2102 \uff21", "a\u030a c a"),
            ("\u4eca\u5929\u5929\u6c14", "\u5929\u6c14"),
            ("\u6771\u4eac tower", "TOWER \u4eac"),
            ("order #1234-abc", "1234"),
            ("it's", "s it"),
            ('a "quoted" NEAR* word', 'quoted" NEAR("word")'),
            ("x AND y NOT z", "not and"),
            ("face \U0001f600 here", "here \U0001f600"),
            ("bad \ud800 text\x00end", "end bad"),
            ("word " * 3000 + "needle", "needle word"),
        ],
        ids=ascii,
    )
    async def test_words_are_found_without_case_accents_and_order(
        self, store: Store, text: str, asked: str
    ) -> None:
        await store.documents.put("x", [doc("own", text=text), doc("other", text="something else")])
        blob = Blob(key="b", value=b"", text=text)
        await store.documents.put("f", [doc("in a blob", blobs=[blob]), doc("other")])
        assert await found(store, Query(text=asked)) == ["own"]
        assert await found(store, Query(text=asked), kind="f") == ["in a blob"]

    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            ("passwords", "password"),
            ("password", "passwords"),
            ("reset it", "reset it now"),
            ("ab", "a"),
            ("a*", "ab"),
            ("one", "one OR two"),
            ("one two three", "one -two NOT four"),
            ("\u5929", "\u5929\u6c14"),
            ("", "word"),
            ("1234", "123"),
        ],
        ids=ascii,
    )
    async def test_words_are_whole_and_all_of_them(
        self, store: Store, text: str, asked: str
    ) -> None:
        blob = Blob(key="b", value=b"", text=text)
        await store.documents.put("x", [doc("own", text=text), doc("in a blob", blobs=[blob])])
        assert await found(store, Query(text=asked)) == []

    @pytest.mark.parametrize("asked", ["", "?", " -- ", "\U0001f600", "\ud800", "\x00"], ids=ascii)
    async def test_a_text_without_words_asks_for_none(self, store: Store, asked: str) -> None:
        await store.documents.put("x", [doc("a", text="word"), doc("b")])
        assert await found(store, Query(text=asked)) == ["b", "a"]

    async def test_words_are_not_gathered_from_several_texts(self, store: Store) -> None:
        one, two = (Blob(key=text, value=b"", text=text) for text in ("one", "two"))
        await store.documents.put("x", [doc("k", text="zero", blobs=[one, two])])
        for asked in ("zero", "one", "two"):
            assert await found(store, Query(text=asked)) == ["k"]
        for asked in ("zero one", "one two"):
            assert await found(store, Query(text=asked)) == []

    async def test_a_document_that_says_it_twice_is_found_once(self, store: Store) -> None:
        blobs = [Blob(key=f"{n}", value=b"", text="word") for n in range(3)]
        await store.documents.put("x", [doc("k", text="word", blobs=blobs)])
        assert await found(store, Query(text="word")) == ["k"]
        assert await found(store, Query(text="word"), limit=1) == ["k"]

    async def test_every_kind_of_criterion_narrows(self, store: Store) -> None:
        shared = Blob(key="b", value=b"", text="hello world")
        fits = doc("fits", at=5, terms={("g", "1")}, numbers={"c": 5}, blobs=[shared])
        misses = [
            doc("time", at=9, terms={("g", "1")}, numbers={"c": 5}, blobs=[shared]),
            doc("term", at=5, terms={("g", "2")}, numbers={"c": 5}, blobs=[shared]),
            doc("number", at=5, terms={("g", "1")}, numbers={"c": 9}, blobs=[shared]),
            doc("words", at=5, terms={("g", "1")}, numbers={"c": 5}, text="hello"),
            doc("mark", at=5, terms={("g", "1")}, numbers={"c": 5}, blobs=[shared]),
        ]
        await store.documents.put("x", [fits, *misses])
        marks = frozenset({("m", "1")})
        for key in ("fits", "time", "term", "number", "words"):
            await store.documents.mark("x", key, terms=marks, numbers={"s": 0.5})
        query = Query(
            terms=marks | {("g", "1")},
            least={"c": 4, "s": 0.5},
            most={"c": 6},
            since=5,
            until=6,
            text="world hello",
        )
        assert await found(store, query) == ["fits"]

    async def test_pages_neither_repeat_nor_leave_out(self, store: Store) -> None:
        documents = [doc(f"{n:03}", at=n // 10, terms={("even", str(n % 2))}) for n in range(120)]
        await store.documents.put("x", documents)
        newest_first = [f"{n:03}" for n in reversed(range(120))]
        for limit in (1, 7, 40, 119, 120, 121, 1000):
            assert await found(store, limit=limit) == newest_first
        assert await found(store, _terms(("even", "0")), limit=7) == newest_first[1::2]

    async def test_a_page_goes_on_below_the_last_key_of_one_time(self, store: Store) -> None:
        keys = sorted({*HOSTILE_KEYS, *(f"k{n}" for n in range(20))}, reverse=True)
        at = 1_790_000_000.123456
        await store.documents.put("x", [doc(key, at=at, text="word") for key in keys])
        for query in (Query(), Query(text="word"), Query(since=at)):
            assert await found(store, query, limit=3) == keys

    async def test_what_is_put_and_deleted_meanwhile_moves_nothing(
        self, store: Store, open_store: OpenStore
    ) -> None:
        writer = await open_store() if self.durable else store
        await store.documents.put("x", [doc(f"{n:02}", at=n // 5) for n in range(40)])
        keys: list[str] = []
        cursor: str | None = None
        for turn in range(400):
            page = await store.documents.find("x", Query(), after=cursor, limit=4)
            keys += [key for key, _ in page.items]
            if (cursor := page.cursor) is None:
                break
            # One newer than all, one far below, the last one of the page, and one not seen yet.
            await writer.documents.put("x", [doc(f"new{turn}", at=99), doc(f"old{turn}", at=-turn)])
            await writer.documents.delete("x", [*keys[-1:], f"{turn:02}"])
        assert len(set(keys)) == len(keys)
        assert not any(key.startswith("new") for key in keys)
        original = [key for key in keys if not key.startswith("old")]
        assert original == sorted(original, reverse=True)
        assert {f"{n:02}" for n in range(15, 40)} <= set(original)

    @pytest.mark.parametrize(
        "cursor", ["", "x", "0", "None", "d1.", "MTIz", "\U0001f600", "\ud800", "a" * 5000, "-1"],
        ids=lambda cursor: ascii(cursor[:8]),
    )  # fmt: skip
    async def test_a_cursor_that_is_not_ours_is_refused(self, store: Store, cursor: str) -> None:
        await store.documents.put("x", [doc("a"), doc("b")])
        with pytest.raises(ValidationError) as raised:
            await store.documents.find("x", Query(), after=cursor)
        assert raised.value.field == "cursor"

    async def test_what_is_counted_is_what_is_found(self, store: Store) -> None:
        blob = Blob(key="b", value=b"", text="word")
        documents = [
            doc(f"{n}", at=n, terms={("t", str(n % 3))}, numbers={"n": n}, blobs=[blob][: n % 2])
            for n in range(30)
        ]
        await store.documents.put("x", documents)
        for query, expected in (
            (Query(), 30),
            (_terms(("t", "1")), 10),
            (Query(least={"n": 10}, most={"n": 19}), 10),
            (Query(text="word"), 15),
            (Query(text="word", terms=frozenset({("t", "0")}), since=10), 3),
            (Query(text="other"), 0),
        ):
            assert await store.documents.count("x", query) == expected
            assert len(await found(store, query)) == expected
