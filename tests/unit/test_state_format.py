"""A learned state as plain data: exact where it matters, bounded, refused when it is not ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cache_fabric import codec
from cache_fabric.matcher.features import BUCKETS
from cache_fabric.matcher.weights import prior_for
from cache_fabric.policy import Verified
from cache_fabric.policy.family import Family
from cache_fabric.policy.state import Learned, learned
from cache_fabric.policy.state_format import StateError, plain, read

EMBEDDER = "any"
PRIOR = prior_for(EMBEDDER)


def full(size: int = 256) -> Learned:
    """A state in which everything that can be learned has been."""
    family = Verified().new_state(EMBEDDER)
    assert isinstance(family, Family)
    draw, matcher = np.random.default_rng(1), family.matcher
    for number in range(1_200):
        row = draw.normal(size=len(PRIOR.dense))
        matcher.model.learn(row, number % 2, 0.8, draw.integers(0, BUCKETS, 20).tolist())
        matcher.keep(f"word{number}", draw.normal(size=size), f"{number:016x}")
        family.calibration.learn(draw.normal(), number % 2 == 0, 1.0)
        family.audit.see(0.1, 0.1, number % 9 > 0, 0.5)
        family.budget.see(draw.random())
    matcher.model.variances *= 0.9
    matcher.rarity.counts += np.uint32(1)
    return learned(family)


def written(state: Learned) -> Any:
    return codec.unpack(codec.pack(plain(state, EMBEDDER, PRIOR), b"secret"), b"secret")


def test_a_state_comes_back_as_it_was() -> None:
    state = full()
    back = read(written(state), EMBEDDER, PRIOR)
    for name in ("dense", "calibration"):
        np.testing.assert_array_equal(getattr(back, name).mean, getattr(state, name).mean)
        np.testing.assert_allclose(
            getattr(back, name).covariance, getattr(state, name).covariance, rtol=1e-9, atol=1e-15
        )
    for name in ("sparse", "variances", "recent"):
        np.testing.assert_allclose(getattr(back, name), getattr(state, name), rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(back.rarity, state.rarity)
    for name in ("texts", "base_rate", "labels", "requests", "judged", "spent", "audit"):
        assert getattr(back, name) == getattr(state, name)
    assert list(back.centers) == list(state.centers)
    for answer, center in back.centers.items():
        np.testing.assert_allclose(center, state.centers[answer], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [256, 3_072])
def test_no_state_takes_a_megabyte(size: int) -> None:
    state = full(size)
    assert len(codec.pack(plain(state, EMBEDDER, PRIOR), b"")) < 1_000_000
    newest = list(read(written(state), EMBEDDER, PRIOR).centers)
    assert newest == list(state.centers)[-len(newest) :]


def test_a_fresh_state_takes_twenty_kilobytes() -> None:
    fresh = learned(Verified().new_state(EMBEDDER))
    assert len(codec.pack(plain(fresh, EMBEDDER, PRIOR), b"")) < 20_000


@pytest.mark.parametrize(
    ("embedder", "change"),
    [
        ("other", {}),
        (EMBEDDER, {"dense": PRIOR.dense + 1.0}),
        (EMBEDDER, {"scale": PRIOR.scale * 2.0}),
    ],
)
def test_what_was_learned_elsewhere_is_refused(embedder: str, change: dict[str, Any]) -> None:
    data = written(full())
    with pytest.raises(StateError, match="another embedder, or from other weights"):
        read(data, embedder, dataclasses.replace(PRIOR, **change))


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(StateError, match="format"):
        read({**written(full()), "format": version}, EMBEDDER, PRIOR)


def _nan(data: dict[str, Any]) -> dict[str, Any]:
    return {"dense": [np.full(len(PRIOR.dense), np.nan).tobytes(), data["dense"][1]]}


def _not_definite(data: dict[str, Any]) -> dict[str, Any]:
    return {"calibration": [data["calibration"][0], np.array([1.0, 2.0, 1.0]).tobytes()]}


@pytest.mark.parametrize(
    "damage",
    [
        _nan,
        _not_definite,
        lambda data: {"dense": [data["dense"][0][8:], data["dense"][1]]},
        lambda data: {"sparse": [data["sparse"][0][2:], *data["sparse"][1:]]},
        lambda data: {"sparse": [b"\xff\xff", b"\0\0\0\0", b"\0\0\0\0"]},
        lambda data: {"rarity": [b"\0", b""]},
        lambda data: {"centers": data["centers"][2:]},
        lambda data: {"base_rate": 1.5},
        lambda data: {"spent": -1.0},
        lambda data: {"requests": "many"},
        lambda data: {"audit": {**data["audit"], "stake": 0.0}},
        lambda data: {"audit": None},
        lambda data: {"recent": b"\0\0\xc0\x7f"},
    ],
)
def test_a_damaged_state_is_refused(damage: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    data = written(full())
    with pytest.raises(StateError, match="damaged"):
        read({**data, **damage(data)}, EMBEDDER, PRIOR)


@pytest.mark.parametrize("data", [None, [], "state", {}, 1])
def test_what_is_no_state_is_refused(data: Any) -> None:
    with pytest.raises(StateError, match="format None"):
        read(data, EMBEDDER, PRIOR)
