"""What both halves of the store contract stand on: its clock, its hooks and its hostile keys."""

from __future__ import annotations

from typing import Protocol

import pytest

from cache_fabric.stores.base import Store

__all__ = ["HOSTILE_KEYS", "ManualClock", "OpenStore", "StoreSuite"]

HOSTILE_KEYS = (
    "",
    " ",
    "a",
    "A",
    "a ",
    "a\n",
    "a\x00",
    "a\x00b",
    "a:b",
    "a::b",
    "{a}b",
    "a%",
    "a_",
    "a*?[a-z]\\",
    "'; DROP TABLE cache; --",
    "../../etc/passwd",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "\N{GRINNING FACE}",
    "\ud83d\ude00",  # the same face as two surrogates: another text for Python
    "\ud800",
    "\udfff",
    "\uffff",
    "\U0010ffff",
    "x" * 10_000,
    "x" * 9_999 + "y",
)
"""Texts that some store, some day, took for another text or for a command."""


class ManualClock:
    """Seconds since the epoch that pass when a test says so."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class OpenStore(Protocol):
    """Opens one more store in the place of this test; it is closed after the test."""

    async def __call__(self, namespace: str = ..., log_limit: int = ...) -> Store: ...


@pytest.mark.asyncio
class StoreSuite:
    """The settings of the contract; `StoreContract` documents them."""

    durable: bool = False
    ttl: float = 60.0

    async def pass_time(self, clock: ManualClock, seconds: float) -> None:
        """Let the store's clock reach ``seconds`` from now."""
        clock.advance(seconds)
