"""The lock file of a manifest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cache_fabric import CacheFabric
from cache_fabric.errors import ManifestError
from cache_fabric.nexus.compile import compile_manifest_sync
from cache_fabric.nexus.lock_file import Lock, Locked, drift_of, lock_of, lock_path, write_lock
from cache_fabric.nexus.published import content_hash
from nexus.manifests import ROUTER, TOOL, manifest_of

FIRST = manifest_of({TOOL: {"name": "lookup"}, ROUTER: "Route it."})
SECOND = manifest_of({TOOL: {"name": "lookup"}, ROUTER: "Route it well."})


def test_a_lock_says_version_and_hash_of_every_context(fabric: CacheFabric, tmp_path: Path) -> None:
    place = tmp_path / "manifest.yaml.lock"
    compile_manifest_sync(FIRST, fabric, lock=place)
    compile_manifest_sync(SECOND, fabric, lock=str(place))
    assert json.loads(place.read_text()) == {
        "lock": 1,
        "manifest": "moderation",
        "version": "1.0",
        "contexts": {
            ROUTER: {"version": 2, "hash": content_hash("Route it well.")},
            TOOL: {"version": 1, "hash": content_hash({"name": "lookup"})},
        },
    }
    assert list(tmp_path.glob("manifest.yaml.lock*")) == [place]


def test_an_unchanged_manifest_leaves_the_file_alone(fabric: CacheFabric, tmp_path: Path) -> None:
    place = tmp_path / "lock"
    compile_manifest_sync(FIRST, fabric, lock=place)
    before = place.stat().st_mtime_ns, place.stat().st_ino
    again = compile_manifest_sync(FIRST, fabric, lock=place)
    assert again.revision is None
    assert (place.stat().st_mtime_ns, place.stat().st_ino) == before


def test_a_plan_writes_no_lock(fabric: CacheFabric, tmp_path: Path) -> None:
    compile_manifest_sync(FIRST, fabric, lock=tmp_path / "lock", plan=True)
    assert not (tmp_path / "lock").exists()


def test_a_lock_that_was_lost_is_written_without_publishing(
    fabric: CacheFabric, tmp_path: Path
) -> None:
    compile_manifest_sync(FIRST, fabric)
    assert compile_manifest_sync(FIRST, fabric, lock=tmp_path / "lock").revision is None
    assert json.loads((tmp_path / "lock").read_text())["contexts"][ROUTER]["version"] == 1


def test_a_lock_that_disagrees_with_the_fabric_is_told(fabric: CacheFabric, tmp_path: Path) -> None:
    place = tmp_path / "lock"
    compile_manifest_sync(FIRST, fabric, lock=place)
    assert compile_manifest_sync(FIRST, fabric, lock=place, plan=True).plan.drift == ()
    fabric.sync.set_context(ROUTER, "By hand.", author="bob")
    fabric.sync.delete_context(TOOL)
    drift = compile_manifest_sync(FIRST, fabric, lock=place, plan=True).plan.drift
    assert [(one.key, one.locked, one.live) for one in drift] == [(ROUTER, 1, 2), (TOOL, 1, None)]
    assert drift[0].why == "bob has published version 2 since version 1"
    compile_manifest_sync(FIRST, fabric, lock=place)
    assert compile_manifest_sync(FIRST, fabric, lock=place, plan=True).plan.drift == ()


def test_a_lock_of_another_fabric_is_told(fabric: CacheFabric) -> None:
    fabric.sync.set_context(ROUTER, "Route it.")
    fabric.sync.set_context(TOOL, {"name": "lookup"})
    live = fabric.sync.list_contexts()
    contexts = {
        ROUTER: Locked(version=4, hash=content_hash("Route it.")),
        TOOL: Locked(version=1, hash=content_hash("something else")),
    }
    router, tool = drift_of(Lock(manifest="moderation", contexts=contexts), live)
    assert router.why == "version 4 was never published here, current is 1"
    assert "another fabric" in tool.why


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "expected a lock file"),
        (b"{", "expected a lock file"),
        (b'{"lock": 1, "manifest": "moderation"}', "contexts"),
        (b'{"lock": 2, "manifest": "moderation", "contexts": {}}', "expected form 1"),
        (b'{"lock": 1, "manifest": "other", "contexts": {}}', "that of 'other'"),
    ],
)
def test_a_file_that_is_not_the_lock_of_the_manifest_stops_the_compile(
    fabric: CacheFabric, tmp_path: Path, content: bytes, expected: str
) -> None:
    place = tmp_path / "lock"
    place.write_bytes(content)
    with pytest.raises(ManifestError, match=expected):
        compile_manifest_sync(FIRST, fabric, lock=place)
    assert fabric.sync.list_contexts() == []
    assert place.read_bytes() == content


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    lock = lock_of(FIRST, {ROUTER: 1, TOOL: 1})
    with pytest.raises(ManifestError, match=r"missing.lock: cannot be written"):
        write_lock(tmp_path / "missing" / "missing.lock", lock)


def test_a_lock_lies_beside_its_manifest_also_of_a_folder_that_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lock_path(Path("manifest.yaml")) == tmp_path / "manifest.yaml.lock"
    assert lock_path(Path()) == tmp_path.parent / f"{tmp_path.name}.lock"
