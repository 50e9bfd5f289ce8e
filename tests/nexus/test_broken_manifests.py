"""However a manifest is broken, it is read or refused with a place; nothing else comes out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.source import Source
from cache_fabric.validation import check_json, check_key
from nexus import golden_files

DOCUMENTS = [path for path in golden_files.cases() if path.suffix in (".yaml", ".json")]
FILES = [path for path in golden_files.cases() if path.is_file()]
_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        0,
        -1.5,
        "",
        " ",
        "x",
        [],
        [None],
        ["x"],
        [{}],
        {},
        {"name": None},
        {"name": ["x"]},
    ]
)


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Return every container with every key or position in it."""
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in inside:
        found.append((data, key))
        if isinstance(value, dict | list):
            found += _places(value)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
@settings(max_examples=30)
@given(st.data())
def test_a_document_with_odd_values_is_read_or_refused(path: Path, data: st.DataObject) -> None:
    document = copy.deepcopy(yaml.safe_load(path.read_text()))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(_places(document)))
        if data.draw(st.booleans()):
            container[key] = copy.deepcopy(data.draw(_ODD))
        else:
            del container[key]
            break
    form = path.parent.name.replace("_", "-")
    text = yaml.safe_dump(document, allow_unicode=True)
    try:
        manifest = read_manifest(Source.of_text(text, name="m.yaml"), format=form)
    except ManifestError as error:
        assert error.file == "m.yaml"
        assert error.line is not None or "at least one" in str(error) or error.field == "name"
        return
    for context in manifest.contexts:
        check_key(context.key)
        check_json(context.value)
        assert context.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@settings(max_examples=30)
@given(st.data())
def test_a_file_that_is_cut_or_scratched_is_read_or_refused(
    path: Path, data: st.DataObject
) -> None:
    text = path.read_text()
    at = data.draw(st.integers(0, len(text)))
    scratch = data.draw(st.text(st.sampled_from(list("{}[]\"'&*!|>%@`#-:,? \n\tx")), max_size=3))
    rest = "" if data.draw(st.booleans()) else text[at + data.draw(st.integers(0, 5)) :]
    try:
        read_manifest(Source.of_text(text[:at] + scratch + rest, name=path.name))
    except ManifestError as error:
        assert error.file == path.name
