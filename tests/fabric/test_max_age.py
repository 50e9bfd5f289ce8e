"""A request that asks for a young answer gets no old one, in any tier."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, ExactOnly, Hit, Miss, create_cache_fabric
from cache_fabric.errors import ValidationError
from cache_fabric.options import CacheOptions
from cache_fabric.stores.memory import MemoryStore


def asking(max_age: float | None, text: str = "What is the capital of France?") -> CacheRequest:
    return CacheRequest(
        model="gpt-4o",
        messages=[{"role": "user", "content": text}],
        options=CacheOptions(max_age=max_age),
    )


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the wall clock jump ahead."""
    real = time.time

    def jump(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return jump


async def test_the_hot_tier(fabric: CacheFabric, later: Any) -> None:
    await fabric.store(asking(None), "Paris.")
    later(20)
    assert isinstance(await fabric.lookup(asking(60)), Hit)
    assert isinstance(missed := await fabric.lookup(asking(10)), Miss)
    assert missed.reason == "older than asked for"


async def test_the_exact_tier(later: Any) -> None:
    store = MemoryStore("aged")
    first = create_cache_fabric("memory", policy=ExactOnly(), store=store)
    await first.store(asking(None), "Paris.")
    await first.flush()
    second = create_cache_fabric("memory", policy=ExactOnly(), store=store)
    later(20)
    assert isinstance(await second.lookup(asking(10)), Miss)
    assert isinstance(await second.lookup(asking(60)), Hit)
    await first.aclose()
    await second.aclose()


async def test_the_semantic_tier(fabric: CacheFabric, later: Any) -> None:
    await fabric.store(asking(None), "Paris.")
    await fabric.flush()
    later(20)
    other = "What's the capital of France?"
    assert isinstance(await fabric.lookup(asking(10, other)), Miss)
    assert isinstance(await fabric.lookup(asking(60, other)), Hit)


async def test_the_fresh_answer_takes_the_place_of_the_old_one(
    fabric: CacheFabric, later: Any
) -> None:
    await fabric.store(asking(None), "Paris, then.")
    later(20)
    missed = await fabric.lookup(asking(10))
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "Paris, now.")
    found = await fabric.lookup(asking(10))
    assert isinstance(found, Hit)
    assert found.entry.payload == "Paris, now."


@pytest.mark.parametrize("value", [0, -1, "5", True, float("nan")])
def test_what_is_no_age(value: Any) -> None:
    with pytest.raises(ValidationError, match="max_age"):
        CacheOptions(max_age=value)
