"""The check that every vector passes before it is used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.embedders.base import unit_rows
from cache_fabric.errors import BackendError

NUMBERS = st.floats(min_value=-1e6, max_value=1e6, width=32)
MATRICES = st.integers(1, 8).flatmap(
    lambda size: st.lists(
        st.lists(NUMBERS, min_size=size, max_size=size).filter(
            lambda row: max(map(abs, row)) > 1e-3
        ),
        min_size=1,
        max_size=8,
    )
)


@given(MATRICES)
def test_rows_have_length_one_and_keep_their_direction(matrix: list[list[float]]) -> None:
    rows = unit_rows(matrix, len(matrix), None, "fake")
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    assert np.allclose(rows * lengths, matrix, rtol=1e-4, atol=lengths.max() * 1e-5)


def test_what_was_passed_in_is_not_changed() -> None:
    raw = np.array([[3.0, 4.0]], dtype=np.float32)
    unit_rows(raw, 1, 2, "fake")
    assert raw.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ([["a", "b"]], "matrix of numbers"),
        ([[1.0], [1.0, 2.0]], "matrix of numbers"),
        ({"embedding": [1.0]}, "matrix of numbers"),
        (None, "expected"),
        ([1.0, 2.0], "expected"),
        ([[1.0], [2.0]], "for 1 texts"),
        ([], "for 1 texts"),
        ([[]], "expected"),
        ([[[1.0]]], "expected"),
        ([[float("nan"), 1.0]], "NaN or infinity"),
        ([[float("inf"), 1.0]], "NaN or infinity"),
        ([[0.0, 0.0]], "zero vector"),
    ],
    ids=ascii,
)
def test_what_is_no_vector_a_text_is_refused(raw: object, says: str) -> None:
    with pytest.raises(BackendError, match=says):
        unit_rows(raw, 1, None, "fake")


def test_a_vector_of_another_size_is_refused() -> None:
    with pytest.raises(BackendError, match="expected 3"):
        unit_rows([[1.0, 2.0]], 1, 3, "fake")


def test_the_error_names_the_embedder_and_keeps_the_cause() -> None:
    with pytest.raises(BackendError, match="fake embed") as raised:
        unit_rows([["a"]], 1, None, "fake")
    assert isinstance(raised.value.__cause__, ValueError)
