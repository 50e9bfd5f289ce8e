"""The words that documents are found by: folded, each once, whatever the text is made of."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.stores.documents import words

TEXTS = st.text() | st.text(
    st.sampled_from("aA\xe9e\u0301\xdf\u0130\u2102\u5929\u0e01 -'\ud800\x00")
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ?! \U0001f600 \ud800 \x00", []),
        ("How do I reset it? Reset it, how!", ["how", "do", "i", "reset", "it"]),
        ("cr\xe8me cre\u0300me CREME", ["creme"]),
        ("STRASSE Stra\xdfe", ["strasse"]),
        ("\u2102 \uff21\uff22 \ufb01n \u0130", ["c", "ab", "fin", "i"]),
        ("order #1234-abc v2", ["order", "1234", "abc", "v2"]),
        ("\u4eca\u5929gpt4\u5929", ["\u4eca", "\u5929", "gpt4"]),
        ("\u041f\u0440\u0438\u0432\u0435\u0442 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
         ["\u043f\u0440\u0438\u0432\u0435\u0442", "\u03c3\u03b9\u03c3\u03c5\u03c6\u03bf\u03c3"]),
    ],
    ids=ascii,
)  # fmt: skip
def test_words_are_runs_of_letters_and_digits_without_case_and_accents(
    text: str, expected: list[str]
) -> None:
    assert words(text) == expected


@given(TEXTS)
def test_words_have_nothing_left_to_fold(text: str) -> None:
    assert words(" ".join(words(text))) == words(text)


@given(TEXTS)
def test_each_word_comes_once_and_is_of_letters_and_digits(text: str) -> None:
    found = words(text)
    assert len(set(found)) == len(found)
    assert all(word and word.isalnum() for word in found)


@given(TEXTS, TEXTS)
def test_texts_apart_have_the_words_of_both(first: str, second: str) -> None:
    assert words(f"{first} {second}") == list(dict.fromkeys([*words(first), *words(second)]))


@given(TEXTS)
def test_forms_of_one_text_have_the_same_words(text: str) -> None:
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFKD", text))
    assert words(text.casefold()) == words(text)


def test_every_character_of_unicode_folds_to_the_end() -> None:
    folded = {chr(code): words(chr(code)) for code in range(0x110000)}
    assert [text for text, found in folded.items() if words(" ".join(found)) != found] == []
    assert sum(bool(found) for found in folded.values()) > 100_000
