"""How these tests ask, and wait for what LiteLLM does behind an answer."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent

# Its types name every shape that any provider may answer in; these tests ask for one.
litellm: Any = importlib.import_module("litellm")

PATIENCE = 20.0


def asked(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def text_of_stream(chunks: list[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def lookups(events: list[Event]) -> list[str]:
    return [event.outcome for event in events if isinstance(event, LookupEvent)]


def stores(events: list[Event]) -> list[str]:
    return [event.outcome for event in events if isinstance(event, StoreEvent)]


def eventually(condition: Callable[[], object]) -> None:
    """Return when the condition holds: LiteLLM stores and logs behind the answer."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("gave up waiting")
        time.sleep(0.01)


async def aeventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail("gave up waiting")
        await asyncio.sleep(0.01)
