"""Fabrics that manifests are compiled to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, FabricConfig, create_cache_fabric

PATIENT = FabricConfig(exact_timeout=30, semantic_timeout=30)


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[CacheFabric]:
    """A fabric on a SQLite file."""
    yield from _on(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[CacheFabric]:
    """As another process has it, on the same file."""
    yield from _on(tmp_path)


def _on(folder: Path) -> Iterator[CacheFabric]:
    made = create_cache_fabric("memory", store=f"sqlite://{folder / 'fabric.db'}", config=PATIENT)
    yield made
    made.sync.close()
