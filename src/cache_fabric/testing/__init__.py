"""The contracts of stores, indexes and embedders as test classes for third parties to inherit.

Needs pytest and pytest-asyncio. pytest is asked to explain the failing asserts of these modules as
it does for test files, so a driver's author sees what was expected.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "cache_fabric.testing.stores",
    "cache_fabric.testing._store_cache_half",
    "cache_fabric.testing._store_one_step",
    "cache_fabric.testing._store_record_half",
    "cache_fabric.testing._document_suite",
    "cache_fabric.testing._store_document_half",
    "cache_fabric.testing._store_document_search",
    "cache_fabric.testing.indexes",
    "cache_fabric.testing._index_search_half",
    "cache_fabric.testing._index_suite",
    "cache_fabric.testing.embedders",
)
