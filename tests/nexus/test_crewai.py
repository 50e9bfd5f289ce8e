"""CrewAI's files are read one by one or as a folder, with the texts that CrewAI itself sends."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.source import Source

_AGENTS = "clerk: {role: Clerk, goal: File it, backstory: None}\n"
_TASKS = "file: {description: File {document}, expected_output: A number}\n"


def _crew(folder: Path) -> Path:
    config = folder / "desk" / "config"
    config.mkdir(parents=True)
    (config / "agents.yaml").write_text(_AGENTS)
    (config / "tasks.yml").write_text(_TASKS.replace("{document}", "it"))
    return config


def test_a_crew_is_called_as_its_folder_however_it_is_named(tmp_path: Path) -> None:
    config = _crew(tmp_path)
    assert read_manifest(config).name == "desk"
    assert read_manifest(config.parent).name == "desk"
    assert read_manifest(config / "agents.yaml").name == "desk/agents"
    assert len(read_manifest(config).contexts) == len(read_manifest(config.parent).contexts) == 5


def test_an_entry_that_is_no_mapping_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(f"{_AGENTS}writer: Writer\n")
    with pytest.raises(ManifestError, match="writer: expected a mapping, got text") as caught:
        read_manifest(path, format="crewai")
    assert caught.value.line == 2


def test_a_text_that_is_none_is_told_with_its_line() -> None:
    source = Source.of_text("clerk:\n  role: Clerk\n  goal: [file, it]\n", name="agents.yaml")
    with pytest.raises(
        ManifestError, match=r"agents.yaml:3: clerk\.goal: expected text, got a list"
    ):
        read_manifest(source, format="crewai")


def test_a_folder_with_tasks_of_another_kind_is_no_crew(tmp_path: Path) -> None:
    (tmp_path / "tasks.yaml").write_text("- name: install\n  apt: {}\n")
    (tmp_path / "hello.md").write_text("Hello.")
    assert read_manifest(tmp_path).format == "folder"
    with pytest.raises(ManifestError, match=r"tasks\.yaml:1: expected a mapping of names to tasks"):
        read_manifest(tmp_path, format="crewai")


def test_a_folder_without_a_crew_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"expected agents\.yaml or tasks\.yaml"):
        read_manifest(tmp_path, format="crewai")


_NAMES = st.text("abcxyz", min_size=1, max_size=8)
_TEXTS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40).filter(str.strip)
_CREW = st.dictionaries(_NAMES, st.tuples(_TEXTS, _TEXTS, _TEXTS), min_size=1, max_size=4)


@given(_CREW)
def test_every_text_is_found_again_under_its_key(crew: dict[str, tuple[str, str, str]]) -> None:
    fields = ("role", "goal", "backstory")
    agents = {name: dict(zip(fields, said, strict=True)) for name, said in crew.items()}
    contexts = read_manifest(agents, name="crew").contexts
    assert {each.key: each.value for each in contexts} == {
        f"agent:{name}:{field}": text
        for name, said in agents.items()
        for field, text in said.items()
    }
