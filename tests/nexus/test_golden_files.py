"""Every format is read as its golden files say, whatever the file looks like as bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from cache_fabric.nexus.formats import FORMATS, read_manifest
from nexus import golden_files


@pytest.mark.parametrize("path", golden_files.cases(), ids=lambda path: path.name)
def test_a_manifest_says_what_its_golden_file_says(path: Path) -> None:
    manifest = read_manifest(path)
    expected = json.loads(golden_files.expected(path).read_text(encoding="utf-8"))
    assert golden_files.said(manifest) == expected
    assert manifest.format.replace("-", "_") == path.parent.name


@pytest.mark.parametrize("path", golden_files.cases(), ids=lambda path: path.name)
def test_a_format_that_is_named_reads_what_it_detects(path: Path) -> None:
    found = read_manifest(path)
    assert read_manifest(path, format=found.format) == found


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_file_from_windows_says_the_same(start: bytes, tmp_path: Path) -> None:
    for path in golden_files.cases():
        if path.is_dir():
            continue
        copy = tmp_path / path.name
        copy.write_bytes(start + path.read_bytes().replace(b"\n", b"\r\n"))
        theirs, ours = read_manifest(copy, name="x"), read_manifest(path, name="x")
        assert [(each.key, each.value, each.place.line) for each in theirs.contexts] == [
            (each.key, each.value, each.place.line) for each in ours.contexts
        ]


def test_pyyaml_without_its_c_library_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [path for path in golden_files.cases() if path.suffix == ".yaml"]
    expected = [read_manifest(path) for path in paths]
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert [read_manifest(path) for path in paths] == expected


def test_every_format_has_a_golden_file() -> None:
    read = {read_manifest(path).format for path in golden_files.cases()}
    assert read == set(FORMATS) - {"nexus-ir"}
