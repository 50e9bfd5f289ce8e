"""What the matcher knows before its first label is read whole or not at all."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.embedders.wordllama import WordllamaEmbedder
from cache_fabric.errors import ConfigurationError
from cache_fabric.matcher.features import BUCKETS, NAMES, TRAINED, VECTOR_NAMES
from cache_fabric.matcher.weights import Weights, prior_for, read_weights, write_weights

SHIPPED = resources.files("cache_fabric.matcher").joinpath("weights.npz").read_bytes()
VECTOR_PLACES = [NAMES.index(name) for name in VECTOR_NAMES]
OTHER_PLACES = [at for at in range(len(NAMES)) if at not in VECTOR_PLACES]


def shipped() -> Weights:
    return prior_for(WordllamaEmbedder.identity)


def written(weights: Weights) -> bytes:
    target = io.BytesIO()
    write_weights(target, weights)
    return target.getvalue()


def remade(**changes: Any) -> bytes:
    """The shipped file with some of its arrays replaced."""
    with np.load(io.BytesIO(SHIPPED)) as file:
        held = {name: file[name] for name in file.files} | changes
    target = io.BytesIO()
    np.savez(target, **held)
    return target.getvalue()


def test_the_shipped_weights_are_of_the_bundled_embedder_and_of_these_features() -> None:
    weights = shipped()
    assert weights.embedder == WordllamaEmbedder.identity
    assert weights.dense.shape == weights.variances.shape == (len(NAMES) + 1,)
    assert weights.sparse.shape == weights.sparse_variance.shape == (BUCKETS,)
    assert (weights.variances > 0).all()
    assert (weights.covariance == np.diag(weights.variances)).all()


def test_another_embedder_starts_from_a_careful_guess() -> None:
    known, guess = shipped(), prior_for("another embedder")
    assert guess.embedder == ""
    assert (guess.dense[VECTOR_PLACES] == 0).all()
    assert (guess.variances[VECTOR_PLACES] > known.variances[VECTOR_PLACES]).all()
    assert (guess.dense[OTHER_PLACES] == known.dense[OTHER_PLACES]).all()
    assert guess.dense[-1] < known.dense[-1]


def test_the_guess_leaves_the_shipped_weights_as_they_are() -> None:
    before = shipped().dense.copy()
    prior_for("another embedder")
    assert (shipped().dense == before).all()


def test_what_is_written_is_read_again() -> None:
    again = read_weights(io.BytesIO(written(shipped())))
    for field in dataclasses.fields(Weights):
        one, two = getattr(shipped(), field.name), getattr(again, field.name)
        assert np.array_equal(one, two), field.name


@given(st.integers(0, len(SHIPPED) - 1))
def test_a_file_that_was_cut_is_a_configuration_error(length: int) -> None:
    with pytest.raises(ConfigurationError, match=r"damaged .* install the package again"):
        read_weights(io.BytesIO(SHIPPED[:length]))


@given(st.integers(0, len(SHIPPED) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_told_or_changes_nothing(position: int, flip: int) -> None:
    damaged = bytearray(SHIPPED)
    damaged[position] ^= flip
    try:
        read = read_weights(io.BytesIO(bytes(damaged)))
    except ConfigurationError as error:
        assert "install the package again" in str(error) or "train new ones" in str(error)
    else:
        assert np.array_equal(read.dense, shipped().dense)
        assert np.array_equal(read.sparse, shipped().sparse)


@pytest.mark.parametrize(
    "change",
    [
        {"names": np.array([*TRAINED[:-1], "another"])},
        {"names": np.array(TRAINED[:-1])},
        {"format": np.array(2)},
    ],
    ids=["another name", "fewer names", "another format"],
)
def test_weights_of_other_features_are_told_apart(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="made for other features, train new ones"):
        read_weights(io.BytesIO(remade(**change)))


def _spoilt(value: float) -> Callable[[Any], Any]:
    return lambda array: np.concatenate([array[:-1], [value]])


@pytest.mark.parametrize("name", ["mean", "scale", "dense", "sparse"])
@pytest.mark.parametrize(
    "spoil", [_spoilt(np.nan), _spoilt(np.inf), lambda array: array[:-1]], ids=["NaN", "inf", "cut"]
)
def test_an_array_that_is_not_usable_is_damage(name: str, spoil: Callable[[Any], Any]) -> None:
    with np.load(io.BytesIO(SHIPPED)) as file:
        spoilt = spoil(file[name])
    with pytest.raises(ConfigurationError, match="damaged"):
        read_weights(io.BytesIO(remade(**{name: spoilt})))


@pytest.mark.parametrize("change", [{"scale": np.zeros(len(TRAINED))}, {"base_rate": np.nan}])
def test_a_figure_out_of_its_range_is_damage(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="damaged"):
        read_weights(io.BytesIO(remade(**change)))


def test_a_pickle_in_the_file_is_never_loaded() -> None:
    with pytest.raises(ConfigurationError, match="damaged"):
        read_weights(io.BytesIO(remade(mean=np.array([object()], dtype=object))))
