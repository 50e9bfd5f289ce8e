"""YAML and JSON say where everything stands, and cannot be used to hurt who reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus import _tree
from cache_fabric.nexus.located_yaml import Value, load, load_data
from cache_fabric.nexus.source import Source


def read(text: str, name: str = "m.yaml") -> Value:
    return load(Source.of_text(text, name=name))


def refused(text: str, name: str = "m.yaml") -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        read(text, name)
    return caught.value


YAML = """\
name: demo
routers:
  - name: first
    system_message: |
      one
      two
  - &second
    name: second
again: *second
"""


def test_every_value_knows_its_line_and_field() -> None:
    root = read(YAML)
    text = root.each("routers")[0].need("system_message")
    assert text.as_text() == "one\ntwo\n"
    assert (text.place.line, text.place.field) == (4, "routers[0].system_message")
    assert text.place.file == "m.yaml"


def test_an_alias_stands_where_what_it_names_stands() -> None:
    name = read(YAML).need("again").need("name")
    assert (name.place.line, name.place.field) == (8, "again.name")


def test_json_knows_its_lines_as_well() -> None:
    error = refused('{"a": [1,\n  {"b": }]}', "m.json")
    assert (error.line, error.field) == (2, "a[1].b")
    root = read('{"a": [1,\n  {"b": "\\ud83d\\ude00"}]}', "m.json")
    value = root.each("a")[1].need("b")
    assert value.as_text() == "\N{GRINNING FACE}"
    assert (value.place.line, value.place.field) == (2, "a[1].b")


def test_lines_of_a_part_of_a_file_are_those_of_the_file() -> None:
    root = load(Source("m.prompty", "name: x\nkind: y\n", "yaml", first_line=5))
    assert root.need("kind").place.line == 6


@pytest.mark.parametrize("text", ["a: 1\r\nb: |\r\n  x\r\n  y\r\n", "\ufeffa: 1\nb: |\n  x\n  y\n"])
def test_windows_files_read_like_others(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(text.encode())
    root = load(Source.of_file(path))
    assert root.plain() == {"a": 1, "b": "x\ny\n"}
    assert root.need("b").place.line == 2


def test_merge_keys_give_what_is_not_said_itself() -> None:
    root = read("base: &b {x: 1, y: 2}\nmore: &m {z: 3}\nown: {<<: [*b, *m], y: 9}\n")
    assert root.need("own").plain() == {"y": 9, "x": 1, "z": 3}


def test_text_is_what_is_written() -> None:
    root = read("version: 1.10\nroute: no\nday: 2026-01-02\nnothing: ~\n")
    assert [root.text(key) for key in ("version", "route", "day")] == ["1.10", "no", "2026-01-02"]
    assert root.find("nothing") is None
    assert root.plain() == {"version": 1.1, "route": False, "day": "2026-01-02", "nothing": None}


@pytest.mark.parametrize("name", ["m.yaml", "m.json"])
def test_a_key_twice_is_an_error_at_the_second(name: str) -> None:
    error = refused('{"a": {"b": 1,\n"c": 2,\n"b": 3}}', name)
    assert (error.file, error.line, error.field) == (name, 3, "a.b")


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [ls]",
        "a: !!python/name:os.system",
        "a: !custom {b: 1}",
        "a: !!set {b, c}",
        "a: !!binary aGk=",
        "a: .nan",
        "a: 123456789012345678901",
        "a: *missing",
        "a: &a [*a]",
        "a: &a {b: {<<: *a}}",
        "? [1, 2]\n: 3",
        "<<: 3",
        "a: 1\n---\nb: 2",
        "a: [1, 2",
        "a: 'x",
        "a:\n\tb: 1",
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(text: str) -> None:
    error = refused("# first\n" + text)
    assert error.file == "m.yaml"
    assert error.line is not None
    assert error.line >= 2


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,}',
        "[1,]",
        "[01]",
        "[1.]",
        "[NaN]",
        "[1e999]",
        "[99999999999999999999]",
        "{'a': 1}",
        '{"a" 1}',
        '{"a": 1} 2',
        '["a\nb"]',
        '["\\ud83d"]',
        "[1, 2",
        "",
        "[tru]",
        "[1 // no\n]",
    ],
)
def test_what_is_no_json_is_refused_with_its_line(text: str) -> None:
    error = refused("\n" + text, "m.json")
    assert error.line is not None
    assert error.line >= 2


def _laughs(levels: int) -> str:
    lines = ["a0: &a0 [" + "lol, " * 9 + "lol]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, levels)]
    return "\n".join(lines)


def _merges(levels: int) -> str:
    lines = ["m0: &m0 {" + ", ".join(f"k{n}: 1" for n in range(2_000)) + "}"]
    lines += [f"m{n}: &m{n}\n  <<: *m{n - 1}\n  x{n}: 1" for n in range(1, levels)]
    return "\n".join(lines)


BOMBS = {
    "laughs": (_laughs(12), "every alias counted"),
    "merges": (_merges(2_000), "every alias counted"),
    "repeated text": (
        "text: &t " + "x" * 1_000_000 + "\nall: [" + "*t, " * 100 + "]",
        "every alias counted",
    ),
    "brackets": ("a: " + "[" * 100_000, "depth"),
    "numbered brackets": ("a: " + "[1, " * 20_000, "levels"),
    "dashes": ("- " * 500 + "x", "levels"),
    "chain of aliases": (
        "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 80)),
        "levels",
    ),
    "tags": ("".join(f"%TAG !{n}! x\n" for n in range(500_000)) + "---\na: 1", "%TAG"),
    "tags of a second document": ("a: 1\n...\n%TAG !a! x\n---\nb: 1", "%TAG"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str) -> None:
    bomb, told = BOMBS[name]
    assert told in str(refused(bomb))


@pytest.mark.parametrize("name", ["m.yaml", "m.json"])
def test_more_values_than_memory_should_hold_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tree, "_MOST_WEIGHT", 64 * 100)
    read("[" + "1, " * 50 + "1]", name)
    assert "every alias counted" in str(refused("[" + "1, " * 100 + "1]", name))


def test_deep_json_is_refused() -> None:
    assert "levels" in str(refused("[" * 100_000, "m.json"))


def test_files_over_the_limit_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    with path.open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(ManifestError, match="at most 16777216 bytes"):
        Source.of_file(path)


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ManifestError, match="UTF-8") as caught:
        Source.of_file(path)
    assert caught.value.line == 2
    path.write_bytes(b"a: 1\nb: \x00\n")
    with pytest.raises(ManifestError) as caught:
        Source.of_file(path)
    assert caught.value.line == 2


def test_a_file_that_is_not_there_is_a_manifest_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        Source.of_file(tmp_path / "none.yaml")


def test_plain_data_keeps_what_is_nothing() -> None:
    root = read("schema: {default: ~, properties: {a: ~}}\n")
    assert root.mapping("schema") == {"default": None, "properties": {"a": None}}
    assert root.mapping("other") == {}


def test_what_is_asked_for_and_not_there_is_told_with_its_place() -> None:
    root = read("a:\n  b: [1]\n  e: ''\n")
    inner = root.need("a")
    asked: list[tuple[Callable[[str], Any], str, str]] = [
        (inner.text, "c", "a.c"),
        (inner.text, "b", "a.b"),
        (inner.text, "e", "a.e"),
        (inner.mapping, "b", "a.b"),
        (root.each, "a", "a"),
    ]
    for ask, key, field in asked:
        with pytest.raises(ManifestError) as caught:
            ask(key)
        assert caught.value.field == field
        assert caught.value.line is not None


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc é", max_size=4), inner)
    ),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([None, 1]), st.booleans())
def test_json_is_read_as_pythons_own_reader_does(
    data: Any, indent: int | None, escape: bool
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=escape)
    assert load(Source.of_text(text, kind="json")).plain() == data
    assert load_data(data).plain() == data


@given(_JSON, st.booleans())
def test_yaml_is_read_as_the_safe_loader_does(data: Any, flow: bool) -> None:
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    assert load(Source.of_text(text, kind="yaml")).plain() == yaml.safe_load(text) == data


@given(st.text(st.sampled_from(list("{}[]\":,\n&*<-?|>!#ab1 \\'")), max_size=40), st.booleans())
def test_whatever_is_read_is_a_value_or_a_manifest_error(text: str, as_json: bool) -> None:
    try:
        load(Source.of_text(text, kind="json" if as_json else "yaml")).plain()
    except ManifestError as error:
        assert error.line is not None


@given(st.text(st.sampled_from(list('{}[]":,\n1tfne.-+u\\ ')), max_size=30))
def test_json_is_refused_when_pythons_own_reader_refuses_it(text: str) -> None:
    try:
        expected = json.loads(text.replace("\r", "\n"))
    except ValueError:
        with pytest.raises(ManifestError):
            load(Source.of_text(text, kind="json"))
        return
    try:
        assert load(Source.of_text(text, kind="json")).plain() == expected
    except ManifestError as error:
        assert "each key once" in str(error) or "number" in str(error) or "pair" in str(error)
