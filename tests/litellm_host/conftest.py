"""LiteLLM in this process, answered from a fabric; OpenAI's API imitated over HTTP."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any, TypeGuard

import pytest

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import disable, enable
from fake_openai import Upstream, serving
from litellm_host.asking import litellm

LOUD = (
    *("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning"),
    *("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LiteLLM warns of itself; that is not what these tests are about."""
    for item in items:
        if "litellm_host" in str(item.path):
            for rule in LOUD:
                item.add_marker(pytest.mark.filterwarnings(rule))


@pytest.fixture(scope="session", autouse=True)
def quiet_litellm() -> Iterator[None]:
    """LiteLLM says nothing on the console, and what it leaves open is closed."""
    litellm.suppress_debug_info = True
    before = {id(thing) for thing in gc.get_objects() if is_loop(thing)}
    yield
    for thing in gc.get_objects():
        if is_loop(thing) and id(thing) not in before and not thing.is_running():
            thing.close()


def is_loop(thing: object) -> TypeGuard[asyncio.BaseEventLoop]:
    return issubclass(type(thing), asyncio.BaseEventLoop)


@pytest.fixture
def events() -> list[Event]:
    """Every event of the fabric ``exact``."""
    return []


@pytest.fixture
def exact(events: list[Event]) -> Iterator[CacheFabric]:
    """A fabric in memory that serves the same request only, with budgets that no test exceeds."""
    patient = FabricConfig(
        exact_timeout=30, semantic_timeout=30, repeatable_tools=frozenset({"get_weather"})
    )
    fabric = create_cache_fabric(
        "memory", policy=ExactOnly(), hooks=[events.append], config=patient
    )
    yield fabric
    fabric.sync.close()


@pytest.fixture
def enabled(exact: CacheFabric) -> Iterator[CacheFabric]:
    """The same, enabled."""
    enable(exact)
    yield exact
    disable()


@pytest.fixture(autouse=True)
def nothing_left_enabled() -> Iterator[None]:
    yield
    disable()


@pytest.fixture(scope="session")
def server() -> Iterator[Upstream]:
    with serving() as made:
        yield made


@pytest.fixture
def upstream(server: Upstream) -> Upstream:
    """An imitation of OpenAI's API that has not been called yet."""
    server.release()
    server.reset()
    return server


@pytest.fixture
def call(upstream: Upstream) -> dict[str, Any]:
    """Arguments of a call of the imitation."""
    return {"model": "gpt-4o", "api_base": upstream.url, "api_key": "sk-1", "max_retries": 0}
