"""Prompty and Dotprompt files are read as their own packages read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.front_matter import split
from cache_fabric.nexus.manifest import Manifest, ManifestContext
from cache_fabric.nexus.source import Source
from nexus.golden_files import GOLDEN, said


def _manifest(text: str, name: str = "x.prompty") -> Manifest:
    return read_manifest(Source.of_text(text, name=name))


def _texts(text: str, name: str = "x.prompty") -> dict[str, ManifestContext]:
    return {each.key: each for each in _manifest(text, name).contexts}


def test_front_matter_may_have_blank_lines_and_comments_before_it() -> None:
    parts = split(Source.of_text("# ours\n\n---  \na: 1\n---\n\nbody\n---\n", name="x.prompt"))
    assert (parts.head.plain(), parts.body, parts.line) == ({"a": 1}, "\nbody\n---\n", 6)


def test_a_body_alone_is_all_body() -> None:
    parts = split(Source.of_text("Title\n---\nbody\n---\n", name="x.prompt"))
    assert (parts.head.plain(), parts.body, parts.line) == ({}, "Title\n---\nbody\n---\n", 1)


@pytest.mark.parametrize("text", ["---\n---\nbody", "---\n# nothing\n---\nbody"])
def test_empty_front_matter_says_nothing(text: str) -> None:
    parts = split(Source.of_text(text, name="x.prompt"))
    assert (parts.head.plain(), parts.body) == ({}, "body")


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("\n---\na: 1\nbody", 2, "a second line ---"),
        ("---\na: 1\nb: [\n---\nbody", 4, "expected YAML"),
        ("---\na: 1\na: 2\n---\nbody", 3, "each key once"),
        ("---\n- a\n---\nbody", 2, "a mapping as front matter"),
        ("---\na: !!python/object:os.system x\n---\nbody", 2, "expected"),
        ("---\nname: a\n---\n \n", None, "the body is empty"),
        ("---\ntools: 3\n---\nbody", 2, "tools: expected a list, got a number"),
        ("---\ntools:\n- kind: function\n---\nbody", 3, r"tools\[0\].name: is required"),
        ("---\ninputs: [a]\n---\nbody", 2, r"inputs\[0\]: expected a mapping, got text"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(text: str, line: int | None, expected: str) -> None:
    with pytest.raises(ManifestError, match=expected) as caught:
        _manifest(text)
    assert (caught.value.file, caught.value.line) == ("x.prompty", line)


def test_the_system_part_is_what_prompty_sends() -> None:
    body = "\nsystem:\n\n Be brief. \n\n# User[name=Bo]:\nAsk.\nuser: no\nuser[no]:\n"
    texts = _texts(f"---\nname: a\n---\n{body}")
    assert texts["prompt:a:system"].value == " Be brief. "
    assert texts["prompt:a:system"].place.line == 7
    assert texts["prompt:a"].extra["roles"] == ["system", "user"]


def test_a_prompty_without_roles_is_a_system_prompt() -> None:
    texts = _texts("Be brief.\n")
    assert [(key, each.kind, each.value) for key, each in texts.items()] == [
        ("prompt:x", "system_prompt", "Be brief.")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "system:\nOne.\nuser:\nAsk.\nsystem:\nTwo.",
        "{% if a %}\nsystem:\nOne.\n{% endif %}\nuser:\nAsk.",
        "user:\nAsk.{% if a %}\nsystem:\nOne.\n{% endif %}",
        "user:\nAsk.",
        "system:\n \nuser:\nAsk.",
    ],
)
def test_no_system_part_is_published_that_no_message_is(text: str) -> None:
    assert list(_texts(text)) == ["prompt:x"]


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("jinja2", ("a", "c")),
        ("{format: mustache}", ("a", "b", "c")),
        ("{format: {kind: mustache}, parser: prompty}", ("a", "b", "c")),
        ("{type: handlebars}", ("a", "c")),
        ("ours", ("a", "c")),
    ],
)
def test_variables_are_those_of_the_template_language(
    template: str, names: tuple[str, ...]
) -> None:
    block = "{% for b in a %}{{ b }}{% endfor %}" if template == "jinja2" else "{{#a}}{{b}}{{/a}}"
    block = "{{a}}" if template == "ours" else block
    texts = _texts(f"---\ntemplate: {template}\n---\n{block}{{{{c}}}}")
    assert texts["prompt:x"].variables == names


def test_no_connection_and_no_setting_is_published() -> None:
    for path in [
        GOLDEN / "prompty" / "current.prompty",
        GOLDEN / "dotprompt" / "greet.formal.prompt",
    ]:
        text = json.dumps(said(read_manifest(path)))
        for secret in ("not-a-key", "OPENAI_API_KEY", "https://", "temperature"):
            assert secret not in text


def test_one_tool_in_two_prompts_is_one_and_two_of_a_name_are_refused(tmp_path: Path) -> None:
    tool = "---\ntools: [{name: t, kind: function, description: DOES}]\n---\nbody"
    (tmp_path / "a.prompty").write_text(tool)
    (tmp_path / "b.prompty").write_text(tool)
    assert [each.key for each in read_manifest(tmp_path).contexts] == [
        *("prompt:a", "tool:t:definition", "prompt:b")
    ]
    (tmp_path / "b.prompty").write_text(tool.replace("DOES", "does not"))
    with pytest.raises(ManifestError, match=r"a\.prompty:2 says another") as caught:
        read_manifest(tmp_path)
    assert caught.value.file == str(tmp_path / "b.prompty")


@pytest.mark.parametrize(
    ("file", "head", "key"),
    [
        ("a.prompt", "{}", "prompt:a"),
        ("a.v2.prompt", "{}", "prompt:a.v2"),
        ("a.v2.prompt", "{name: b}", "prompt:b.v2"),
        ("a.v2.prompt", "{name: b.v2}", "prompt:b.v2"),
        ("a.prompt", "{name: b, variant: formal}", "prompt:b.formal"),
        ("_a.prompt", "{}", "prompt:_a"),
    ],
)
def test_a_dotprompt_is_called_by_name_and_variant(file: str, head: str, key: str) -> None:
    assert list(_texts(f"---\n{head}\n---\nbody", file)) == [key]


def test_the_system_part_of_a_dotprompt_is_all_between_its_marks() -> None:
    text = (
        'Hi.\n{{role "system"}}\nBe {{how}}.\n{{~ role \'user\' purpose="x" }}Ask.{{history}}End.'
    )
    texts = _texts(text, "a.prompt")
    assert texts["prompt:a:system"].value == "\nBe {{how}}.\n"
    assert texts["prompt:a:system"].variables == ("how",)
    assert texts["prompt:a"].extra["roles"] == ["user", "system", "model"]
    cut = '{{role "system"}}{{#if a}}Be brief.{{role "user"}}{{/if}}Ask.'
    assert list(_texts(cut, "a.prompt")) == ["prompt:a"]


def test_litellm_itself_reads_the_same_bodies() -> None:
    prompts = pytest.importorskip("litellm.integrations.dotprompt.prompt_manager")
    folder = GOLDEN / "dotprompt" / "library"
    texts = {each.key: each.value for each in read_manifest(folder).contexts}
    for path in folder.rglob("*.prompt"):
        found = prompts.PromptManager(prompt_directory=str(path.parent)).get_prompt(path.stem)
        key = path.relative_to(folder).as_posix().removesuffix(".prompt")
        assert texts[f"prompt:{key}"] == found.content


_NAMES = st.text("abcxyz-_", min_size=1, max_size=8)
_BODIES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


@given(st.dictionaries(_NAMES, _BODIES.filter(lambda text: text != "---"), min_size=1, max_size=4))
def test_every_body_is_found_again_under_its_key(
    tmp_path_factory: pytest.TempPathFactory, bodies: dict[str, str]
) -> None:
    folder = tmp_path_factory.mktemp("prompts")
    for name, body in bodies.items():
        (folder / f"{name}.prompt").write_text(f"---\nmodel: m\n---\n{body}\n", encoding="utf-8")
    texts = {each.key: each.value for each in read_manifest(folder).contexts}
    assert texts.items() >= {(f"prompt:{name}", body) for name, body in bodies.items()}
