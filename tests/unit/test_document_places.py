"""Places of documents: each has one, and a cursor names it exactly."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cache_fabric.errors import ValidationError
from cache_fabric.stores._document_cursor import cursor_at, read_cursor
from cache_fabric.stores.documents import Document

PLACES = st.tuples(st.floats(allow_nan=False), st.text(st.characters()))


@given(PLACES)
def test_a_cursor_is_plain_text_that_names_its_place(place: tuple[float, str]) -> None:
    cursor = cursor_at(place)
    assert cursor.isascii()
    assert cursor.isprintable()
    assert read_cursor(cursor) == place


@given(PLACES, st.text(min_size=1), st.booleans())
def test_a_cursor_with_something_added_is_refused_unless_it_names_another_place(
    place: tuple[float, str], added: str, in_front: bool
) -> None:
    cursor = added + cursor_at(place) if in_front else cursor_at(place) + added
    try:
        other = read_cursor(cursor)
    except ValidationError as error:
        assert error.field == "cursor"
    else:
        assert other != place
        assert cursor_at(other) == cursor


@given(st.text() | st.integers() | st.none())
def test_what_is_no_cursor_is_refused(cursor: object) -> None:
    assume(not str(cursor).startswith("d1."))
    with pytest.raises(ValidationError) as raised:
        read_cursor(cursor)  # type: ignore[arg-type]
    assert raised.value.field == "cursor"


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_a_document_without_a_place_is_refused(at: float) -> None:
    with pytest.raises(ValidationError) as raised:
        Document(key="k", value=b"", at=at)
    assert raised.value.field == "at"


def test_a_document_whose_number_has_no_order_is_refused() -> None:
    with pytest.raises(ValidationError) as raised:
        Document(key="k", value=b"", at=1.0, numbers={"score": 0.5, "cost": math.nan})
    assert raised.value.field == "cost"
