"""A manifest of 1,000 routers becomes visible at one revision, on every store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.bench.manifests import large_manifest
from cache_fabric.nexus.compile import compile_manifest_sync
from nexus.conftest import PATIENT
from servers import running


@pytest.fixture(params=["sqlite", "redis"])
def fabrics(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[CacheFabric]]:
    """Two fabrics of one place, as two processes have them."""
    if request.param == "redis":
        with running(tmp_path) as server:
            yield from _two(server.url)
    else:
        yield from _two(f"sqlite://{tmp_path / 'fabric.db'}")


def _two(url: str) -> Iterator[list[CacheFabric]]:
    made = [create_cache_fabric("memory", store=url, config=PATIENT) for _ in range(2)]
    yield made
    for fabric in made:
        fabric.sync.close()


def test_1000_routers_are_published_whole_and_then_what_differs(
    fabrics: list[CacheFabric], tmp_path: Path
) -> None:
    compiler, reader = fabrics
    file = tmp_path / "large.yaml"
    file.write_text(large_manifest(1_000))
    first = compile_manifest_sync(file, compiler, label="production", lock=tmp_path / "lock")
    assert (len(first.versions), first.revision) == (1_001, 1)
    file.write_text(large_manifest(1_000, edition=2))
    planned = compile_manifest_sync(file, reader, plan=True, lock=tmp_path / "lock").plan
    assert (len(planned.of("change")), len(planned.unchanged), planned.drift) == (100, 901, ())
    second = compile_manifest_sync(file, compiler, label="production")
    reader.sync.get_context("any", max_staleness=0.0)
    entries = {entry.key: entry for entry in reader.sync.list_contexts()}
    assert len(entries) == 1_001
    assert {e.revision for e in entries.values() if e.version == 2} == {second.revision}
    assert all(entry.labels == ("production",) for entry in entries.values())
    assert "edition 2" in entries["router:r990:system_prompt"].value
