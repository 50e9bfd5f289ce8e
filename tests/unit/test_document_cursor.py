"""The cursor of a page of documents names a place exactly, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cache_fabric.errors import ValidationError
from cache_fabric.stores._document_cursor import cursor_at, read_cursor

PLACES = st.tuples(st.floats(allow_nan=False), st.text(st.characters()))


@given(PLACES)
def test_a_cursor_is_plain_text_that_names_its_place(place: tuple[float, str]) -> None:
    cursor = cursor_at(place)
    assert cursor.isascii()
    assert cursor.isprintable()
    assert read_cursor(cursor) == place


@given(PLACES, st.text(min_size=1), st.booleans())
def test_a_cursor_with_something_added_is_refused(
    place: tuple[float, str], added: str, in_front: bool
) -> None:
    cursor = cursor_at(place)
    with pytest.raises(ValidationError, match="cursor"):
        read_cursor(added + cursor if in_front else cursor + added)


@given(st.text() | st.integers() | st.none())
def test_what_is_no_cursor_is_refused(cursor: object) -> None:
    assume(not str(cursor).startswith("d1."))
    with pytest.raises(ValidationError) as raised:
        read_cursor(cursor)  # type: ignore[arg-type]
    assert raised.value.field == "cursor"
