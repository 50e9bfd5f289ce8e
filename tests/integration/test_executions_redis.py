"""What is promised of executions, on a Redis and the index that is kept in it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator

import pytest

from cache_fabric import CacheFabric, Threshold, create_cache_fabric
from fabric import (
    test_execution_files,
    test_executions,
    test_executions_like,
    test_open_executions,
)
from fabric.conftest import PATIENT, ask
from servers import Server, running

__all__ = ["ask"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def any_fabric(server: Server) -> AsyncIterator[CacheFabric]:
    server.flush()
    made = create_cache_fabric("redis", url=server.url, policy=Threshold(), config=PATIENT)
    yield made
    await made.aclose()


for module in (
    test_execution_files,
    test_executions,
    test_executions_like,
    test_open_executions,
):
    for name, test in vars(module).items():
        if name.startswith("test_") and "any_fabric" in inspect.signature(test).parameters:
            globals()[name] = test
