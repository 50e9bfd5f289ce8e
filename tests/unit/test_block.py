"""Search of a partition in the process: exact while it is small, in two steps when it is large."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_fabric.indexes import _block
from cache_fabric.indexes._block import Block
from cache_fabric.indexes.base import VectorItem


def unit_rows(count: int, dimension: int, seed: int) -> Any:
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def block_of(rows: Any) -> Block:
    return Block.of(rows.shape[1], [VectorItem(f"{n}", "p", row) for n, row in enumerate(rows)])


def expected(rows: Any, vector: Any, k: int) -> list[float]:
    return sorted((rows @ vector).tolist(), reverse=True)[:k]


@settings(max_examples=60)
@given(
    count=st.integers(1, 3000),
    dimension=st.integers(1, 9),
    k=st.integers(1, 3000),
    seed=st.integers(0, 2**32),
)
def test_the_nearest_are_found_whatever_the_size(
    count: int, dimension: int, k: int, seed: int
) -> None:
    rows = unit_rows(count, dimension, seed)
    vector = unit_rows(1, dimension, seed + 1)[0]
    found = [near.similarity for near in block_of(rows).search(vector, k)]
    assert found == pytest.approx(expected(rows, vector, k), abs=1e-5)


@settings(max_examples=60)
@given(
    values=st.lists(st.sampled_from([-1.0, 0.0, 0.25, 1.0]) | st.floats(-1, 1), min_size=1),
    k=st.integers(1, 20),
)
def test_none_of_the_largest_is_left_out(values: list[float], k: int) -> None:
    array = np.array(values, dtype=np.float32)
    rows = _block._at_least(array, k)
    assert np.sort(array[rows])[::-1][:k].tolist() == np.sort(array)[::-1][:k].tolist()


def test_near_vectors_are_found_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paraphrases of 200 questions, one in each 100 rows, at similarities of 0.6 to 0.95."""
    rows = unit_rows(20_000, 256, 1)
    assert len(rows) >= _block._LARGE
    asked = unit_rows(200, 256, 2)
    noise = unit_rows(200, 256, 3)
    for number, wanted in enumerate(np.linspace(0.6, 0.95, 200)):
        across = noise[number] - (noise[number] @ asked[number]) * asked[number]
        across /= np.linalg.norm(across)
        rows[100 * number] = wanted * asked[number] + np.sqrt(1 - wanted**2) * across
    block = block_of(rows)
    assert [block.search(vector, 4)[0].id for vector in asked] == [
        f"{100 * number}" for number in range(200)
    ]


def test_many_equal_vectors_are_no_trouble() -> None:
    rows = np.repeat(unit_rows(1, 8, 4), 20_000, axis=0)
    found = block_of(rows).search(rows[0], 5)
    assert [near.similarity for near in found] == pytest.approx([1.0] * 5)
