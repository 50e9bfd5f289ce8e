"""Which format a manifest is of is told by its content, and what is none is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from cache_fabric.errors import ManifestError, MissingExtraError, ValidationError
from cache_fabric.nexus.formats import read_manifest
from nexus import golden_files


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "x"},
        {"graphs": []},
        {"graphs": {}},
        [1],
        "no such file",
        "no\0file",
        None,
        3,
        object(),
    ],
)
def test_what_is_no_manifest_is_refused(data: Any) -> None:
    with pytest.raises(ManifestError):
        read_manifest(data)


def test_what_is_no_manifest_is_told_with_the_formats(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("replicas: 3\n")
    with pytest.raises(ManifestError, match=r"universal-agent.*folder") as caught:
        read_manifest(path)
    assert caught.value.file == str(path)


def test_a_format_that_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(ValidationError, match="universal-agent"):
        read_manifest({"routers": []}, format="toml")


def test_a_format_that_is_forced_reads_what_was_not_detected() -> None:
    with pytest.raises(ManifestError, match="at least one"):
        read_manifest({"name": "x"}, format="universal-agent")
    with pytest.raises(ManifestError, match="graphs: is required"):
        read_manifest({"name": "x"}, format="langgraph")
    with pytest.raises(ManifestError, match="an object with graphs"):
        read_manifest({"name": "x"}, format="nexus-ir")


def test_a_file_is_called_as_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "desk.yaml").write_text("routers: [{name: r, system_message: x}]\n")
    monkeypatch.chdir(tmp_path)
    manifest = read_manifest("./desk.yaml")
    assert (manifest.name, manifest.file) == ("desk", "./desk.yaml")
    assert manifest.contexts[0].place.file == "./desk.yaml"
    assert read_manifest("desk.yaml", name="other").name == "other"


def test_a_folder_is_called_by_its_whole_name(tmp_path: Path) -> None:
    folder = tmp_path / "prompts.v2"
    folder.mkdir()
    (folder / "a.md").write_text("one")
    assert read_manifest(folder).name == "prompts.v2"


def test_data_without_a_name_needs_one() -> None:
    data = {"routers": [{"name": "r", "system_message": "x"}]}
    with pytest.raises(ManifestError, match="name: is required"):
        read_manifest(data)
    assert read_manifest(data, name="x").name == "x"


def test_without_pyyaml_the_extra_is_named_and_json_and_folders_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"cache-fabric\[nexus\]"):
        read_manifest(golden_files.GOLDEN / "universal_agent" / "kernel.yaml")
    assert read_manifest(golden_files.GOLDEN / "universal_agent" / "dumped.json").contexts
    assert read_manifest(golden_files.GOLDEN / "folder" / "prompts").contexts


def test_langgraph_without_a_variable_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "langgraph.json"
    path.write_text('{"graphs": {"a": "./a.py:graph",\n "b": "./b.py"}}')
    with pytest.raises(ManifestError, match="path:variable") as caught:
        read_manifest(path)
    assert (caught.value.line, caught.value.field) == (2, "graphs.b")


def test_langgraph_is_called_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "langgraph.json").write_text('{"graphs": {"a": "./a.py:graph"}}')
    assert read_manifest(folder / "langgraph.json").name == "desk"


def test_a_prompt_file_is_a_manifest_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "hello.md"
    path.write_text("Hello {name}.")
    (context,) = read_manifest(path).contexts
    assert (context.key, context.variables) == ("prompt:hello", ("name",))


def test_two_files_of_one_key_are_refused_with_both(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "a.txt").write_text("two")
    with pytest.raises(ManifestError, match=r"a\.md:1 says another"):
        read_manifest(tmp_path)


def test_an_empty_prompt_is_refused_not_published(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one")
    (tmp_path / "b.md").write_text(" \n")
    with pytest.raises(ManifestError, match=r"b\.md: expected a prompt"):
        read_manifest(tmp_path)


def test_a_folder_without_prompts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="expected prompts"):
        read_manifest(tmp_path)


def test_a_folder_that_cannot_be_looked_into_is_refused_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.md").write_text("one")
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(closed))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ManifestError, match="Permission denied") as caught:
        read_manifest(tmp_path)
    assert caught.value.file == str(closed)


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    version = tmp_path / "..2026_01_02"
    version.mkdir()
    (version / "a.md").write_text("one")
    (tmp_path / "..data").symlink_to(version)
    (tmp_path / "a.md").symlink_to(Path("..data", "a.md"))
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [each.key for each in read_manifest(tmp_path).contexts] == ["prompt:a"]


def test_a_name_is_one_key_on_every_system(tmp_path: Path) -> None:
    (tmp_path / "cafe\N{COMBINING ACUTE ACCENT}.md").write_text("one")
    (context,) = read_manifest(tmp_path).contexts
    assert context.key == "prompt:caf\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_a_folder_that_nobody_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk(folder: Path, onerror: Any) -> Any:
        for number in range(10**9):
            yield folder / str(number), [], [f"{n}.bin" for n in range(1_000)]

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(ManifestError, match="at most 10000 prompts"):
        read_manifest(tmp_path)
