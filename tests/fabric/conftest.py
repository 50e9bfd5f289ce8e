"""Fabrics on every preset that needs no server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Threshold, create_cache_fabric

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


@pytest.fixture(params=["memory", "local"])
async def any_fabric(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[CacheFabric]:
    options: dict[str, Any] = {"path": tmp_path / "kept"} if request.param == "local" else {}
    made = create_cache_fabric(request.param, policy=Threshold(), config=PATIENT, **options)
    yield made
    await made.aclose()


@pytest.fixture
def ask() -> Callable[..., CacheRequest]:
    """Make a request of one question under a fixed context."""

    def make(
        question: str, system: str = "You are a shop's support.", **fields: Any
    ) -> CacheRequest:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        return CacheRequest(model="gpt-4o-mini", messages=messages, **fields)

    return make


class Clock:
    """Wall-clock seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    monkeypatch.setattr(time, "time", moved)
    return moved
