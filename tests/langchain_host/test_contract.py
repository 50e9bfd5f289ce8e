"""LangChain's own suites for caches, sync and async, on the presets that need no server."""

from __future__ import annotations

import pytest
from langchain_tests.integration_tests import AsyncCacheTestSuite, SyncCacheTestSuite

from cache_fabric import CacheFabric
from cache_fabric.langchain import FabricCache


class TestSync(SyncCacheTestSuite):
    @pytest.fixture
    def cache(self, fabric: CacheFabric) -> FabricCache:
        return FabricCache(fabric)


class TestAsync(AsyncCacheTestSuite):
    @pytest.fixture
    async def cache(self, afabric: CacheFabric) -> FabricCache:
        return FabricCache(afabric)
