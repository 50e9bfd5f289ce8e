"""A manifest is compiled again whenever its file changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from watchfiles import Change

from cache_fabric import CacheFabric
from cache_fabric.errors import BackendUnavailable, CacheFabricError, ManifestError
from cache_fabric.nexus import compile as compiling
from cache_fabric.nexus._file_changes import _filter, _is_hidden
from cache_fabric.nexus.compile import Compilation
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.watching import watch_manifest
from nexus.manifests import ROUTER, manifest_of

Watch = Callable[..., AsyncGenerator[Compilation | CacheFabricError]]


def read_json(source: Any, *_: str | None) -> Manifest:
    """Read a file of values by key: which formats there are is not what these tests are about."""
    place = Path(source)
    file = next(place.glob("*.json")) if place.is_dir() else place
    try:
        return manifest_of(json.loads(file.read_text()))
    except ValueError as error:
        raise ManifestError("expected JSON", file=str(file)) from error


@pytest.fixture
async def watch(fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    monkeypatch.setattr(compiling, "_read", read_json)
    begun: list[AsyncGenerator[Any]] = []

    def start(path: Path, **options: Any) -> AsyncGenerator[Any]:
        begun.append(watch_manifest(path, fabric, **options))
        return begun[-1]

    yield start
    for each in begun:
        await each.aclose()


async def following(outcomes: AsyncGenerator[Any]) -> Any:
    return await asyncio.wait_for(anext(outcomes), 30)


def write(file: Path, text: str) -> None:
    """Replace a file as editors do."""
    other = file.with_name(f"{file.name}.new")
    other.write_text(json.dumps({ROUTER: text}))
    other.replace(file)


async def test_each_change_of_the_file_is_published(
    watch: Watch, fabric: CacheFabric, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.json"
    write(file, "Route it.")
    outcomes = watch(file, label="production")
    assert (await following(outcomes)).revision == 1
    for number in range(2, 4):
        write(file, f"Route it {number}.")
        assert (await following(outcomes)).versions == {ROUTER: number}
    found = await fabric.get_context(ROUTER, label="production")
    assert found.value == "Route it 3."


async def test_a_change_made_while_it_is_compiled_is_not_missed(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "manifest.json"
    write(file, "Route it.")
    todo = ["Route it well."]

    def read_then_change(source: Any, *_: str | None) -> Manifest:
        manifest = read_json(source)
        if todo:
            write(file, todo.pop())
        return manifest

    monkeypatch.setattr(compiling, "_read", read_then_change)
    outcomes = watch(file)
    assert (await following(outcomes)).versions == {ROUTER: 1}
    assert (await following(outcomes)).versions == {ROUTER: 2}


async def test_a_broken_file_is_told_publishes_nothing_and_ends_nothing(
    watch: Watch, fabric: CacheFabric, tmp_path: Path
) -> None:
    file = tmp_path / "manifest.json"
    write(file, "Route it.")
    outcomes = watch(file)
    await following(outcomes)
    file.write_text("{")
    assert isinstance(await following(outcomes), ManifestError)
    assert (await fabric.get_context(ROUTER)).value == "Route it."
    write(file, "Route it well.")
    while isinstance(outcome := await following(outcomes), ManifestError):
        pass  # a file that is written in place is seen empty, then whole
    assert outcome.versions == {ROUTER: 2}


async def test_a_store_that_fails_is_tried_again_without_a_change(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "manifest.json"
    write(file, "Route it.")
    live = compiling._live_contexts
    failures = [BackendUnavailable("store", "read", "away")]

    def fail_first(fabric: CacheFabric) -> Any:
        if failures:
            raise failures.pop()
        return live(fabric)

    monkeypatch.setattr(compiling, "_live_contexts", fail_first)
    outcomes = watch(file)
    assert isinstance(await following(outcomes), BackendUnavailable)
    assert (await following(outcomes)).versions == {ROUTER: 1}


async def test_a_folder_is_watched_with_all_below_it(watch: Watch, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    write(folder / "manifest.json", "Route it.")
    outcomes = watch(folder)
    await following(outcomes)
    write(folder / "manifest.json", "Route it well.")
    while (outcome := await following(outcomes)).versions != {ROUTER: 2}:
        assert outcome.plan.is_empty


async def test_a_link_changes_with_what_it_links_to_and_with_no_other_file(
    watch: Watch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "here").mkdir()
    write(tmp_path / "real" / "manifest.json", "Route it.")
    link = tmp_path / "here" / "linked.json"
    link.symlink_to(tmp_path / "real" / "manifest.json")
    outcomes = watch(link)
    assert (await following(outcomes)).versions == {ROUTER: 1}
    (link.parent / "fabric.db").write_text("Written at every compilation.")
    write(tmp_path / "real" / "manifest.json", "Route it well.")
    assert (await following(outcomes)).versions == {ROUTER: 2}
    counts = _filter(link, set(), False)
    assert not counts(Change.modified, str(link.with_name("fabric.db")))


@pytest.mark.parametrize("whole", [True, False])
async def test_a_folder_that_is_replaced_is_watched_anew(
    watch: Watch, tmp_path: Path, whole: bool
) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    write(folder / "manifest.json", "Route it 1.")
    outcomes = watch(folder if whole else folder / "manifest.json")
    assert (await following(outcomes)).versions == {ROUTER: 1}
    for number in (2, 3):
        folder.rename(tmp_path / f"old-{number}")
        folder.mkdir()
        write(folder / "manifest.json", f"Route it {number}.")
        while getattr(await following(outcomes), "versions", {}) != {ROUTER: number}:
            pass  # it may be seen missing, or before it was replaced
    write(folder / "manifest.json", "Route it 4.")
    while (await following(outcomes)).versions != {ROUTER: 4}:
        pass


@pytest.mark.parametrize("whole", [True, False])
async def test_a_mounted_config_map_is_compiled_again_when_it_is_swapped(
    watch: Watch, tmp_path: Path, whole: bool
) -> None:
    mount = tmp_path / "mount"
    for number in (1, 2):
        (mount / f"..{number}").mkdir(parents=True)
        write(mount / f"..{number}" / "manifest.json", f"Route it {number}.")
    (mount / "..data").symlink_to("..1")
    (mount / "manifest.json").symlink_to("..data/manifest.json")
    outcomes = watch(mount if whole else mount / "manifest.json")
    assert (await following(outcomes)).versions == {ROUTER: 1}
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").rename(mount / "..data")
    while (outcome := await following(outcomes)).versions != {ROUTER: 2}:
        assert outcome.plan.is_empty


@pytest.mark.parametrize(
    ("place", "hidden"),
    [
        ("store/fabric.db-wal", True),
        ("a.md", False),
        ("sub/a.md", False),
        (".cache_fabric/fabric.db", True),
        ("a/.b.md.swp", True),
    ],
)
def test_hidden_files_are_none_of_a_folder(tmp_path: Path, place: str, hidden: bool) -> None:
    below = tmp_path / ".hidden-above"
    assert _is_hidden(below / place, below) is hidden


async def test_a_place_that_is_not_there_is_an_error(watch: Watch, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        await following(watch(tmp_path / "missing.yaml"))
