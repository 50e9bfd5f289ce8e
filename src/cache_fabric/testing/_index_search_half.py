"""The searching half of the index contract: similarity, order, partitions, sizes."""

from __future__ import annotations

import numpy as np
import pytest

from cache_fabric.errors import BackendError, ConfigurationError
from cache_fabric.indexes.base import VectorIndex, VectorItem
from cache_fabric.testing._index_suite import DIMENSION, HOSTILE_TEXTS, direction, found, item_at

__all__ = ["SearchHalf"]


class SearchHalf:
    """Tests of `search`."""

    @pytest.mark.parametrize(
        ("degrees", "similarity"), [(0, 1.0), (60, 0.5), (90, 0.0), (120, -0.5), (180, -1.0)]
    )
    async def test_similarity_is_the_cosine(
        self, index: VectorIndex, degrees: float, similarity: float
    ) -> None:
        await index.upsert([item_at(degrees, "a")])
        [near] = await index.search(direction(0), partition="p", k=1)
        assert near.similarity == pytest.approx(similarity, abs=1e-5)
        assert -1.0 <= near.similarity <= 1.0

    async def test_rounding_takes_no_similarity_beyond_one(self, index: VectorIndex) -> None:
        vectors = np.random.default_rng(8).standard_normal((20, DIMENSION)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        await index.upsert([VectorItem(f"{n}", "p", vector) for n, vector in enumerate(vectors)])
        for n, vector in enumerate(vectors):
            [near] = await index.search(vector, partition="p", k=1)
            assert near.id == f"{n}"
            assert 1.0 - 1e-5 < near.similarity <= 1.0

    async def test_neighbors_come_nearest_first(self, index: VectorIndex) -> None:
        await index.upsert(
            [item_at(degrees, f"at {degrees}") for degrees in (80, 20, 170, 50, 110)]
        )
        neighbors = await index.search(direction(0), partition="p", k=4)
        assert [near.id for near in neighbors] == ["at 20", "at 50", "at 80", "at 110"]
        similarities = [near.similarity for near in neighbors]
        assert similarities == sorted(similarities, reverse=True)

    async def test_k_may_exceed_what_there_is(self, index: VectorIndex) -> None:
        await index.upsert([item_at(10, "a"), item_at(20, "b")])
        assert await found(index, k=1) == ["a"]
        assert await found(index, k=2) == ["a", "b"]
        assert await found(index, k=1000) == ["a", "b"]

    async def test_k_of_zero_finds_nothing(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a")])
        assert await found(index, k=0) == []

    async def test_an_unknown_partition_is_empty(self, index: VectorIndex) -> None:
        assert await found(index) == []
        await index.upsert([item_at(0, "a")])
        assert await found(index, "other") == []
        assert await index.partition_items("other", 10) == []
        assert await index.count("other") == 0

    async def test_nearer_vectors_of_other_partitions_are_not_found(
        self, index: VectorIndex
    ) -> None:
        await index.upsert([item_at(170, "ours"), item_at(0, "theirs", "other")])
        assert await found(index) == ["ours"]
        assert await found(index, "other") == ["theirs"]

    async def test_two_hundred_nearer_strangers_hide_no_neighbor(self, index: VectorIndex) -> None:
        strangers = [item_at(n / 10, f"stranger {n}", f"other {n % 7}") for n in range(200)]
        ours = [item_at(90 + n, f"ours {n}") for n in range(4)]
        await index.upsert([*strangers, *ours])
        assert await found(index, k=3) == ["ours 0", "ours 1", "ours 2"]
        assert await found(index, k=10) == ["ours 0", "ours 1", "ours 2", "ours 3"]

    async def test_without_a_partition_all_are_searched(self, index: VectorIndex) -> None:
        await index.upsert(
            [
                item_at(20, "b"),
                item_at(10, "a", "other"),
                item_at(30, "c", "third"),
                item_at(40, "d"),
            ]
        )
        assert await found(index, None, k=3) == ["a", "b", "c"]
        assert await found(index, None, k=10) == ["a", "b", "c", "d"]

    async def test_a_search_with_another_size_is_refused(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, "a")])
        with pytest.raises((BackendError, ConfigurationError)):
            await index.search(np.ones(1, dtype=np.float32), partition="p", k=1)

    async def test_no_two_ids_are_taken_for_one_another(self, index: VectorIndex) -> None:
        await index.upsert([item_at(2 * n, text) for n, text in enumerate(HOSTILE_TEXTS)])
        assert await found(index, k=100) == list(HOSTILE_TEXTS)
        await index.delete(HOSTILE_TEXTS[1:])
        assert await found(index) == [HOSTILE_TEXTS[0]]

    async def test_no_two_partitions_are_taken_for_one_another(self, index: VectorIndex) -> None:
        await index.upsert([item_at(0, f"in {text}", text) for text in HOSTILE_TEXTS])
        for text in HOSTILE_TEXTS:
            assert await found(index, text) == [f"in {text}"]
