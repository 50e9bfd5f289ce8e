"""Whatever data a format is given, it is read or refused with a `ManifestError`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.source import Source
from nexus.golden_files import GOLDEN

_AGENT_SPEC = json.loads((GOLDEN / "agent_spec" / "desk.json").read_text(encoding="utf-8"))
_WORDS = [
    *("component_type", "agentspec_version", "$component_ref", "$referenced_components", "name"),
    *("system_prompt", "prompt_template", "tools", "nodes", "start_node", "inputs", "llm_config"),
    *("role", "goal", "backstory", "description", "expected_output", "guardrail", "agent"),
]
_SAID = ["Agent", "Flow", "LlmNode", "ServerTool", "25.4.1", "a", "{{x}}", "", "VllmConfig"]
_LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(_SAID)
_DATA = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5)
    ),
    max_leaves=14,
)


def _read(manifest: Any, form: str) -> None:
    try:
        found = read_manifest(manifest, format=form, name="x")
    except ManifestError:
        return
    assert found.contexts


@given(st.dictionaries(st.sampled_from(_WORDS), _DATA, max_size=6))
@pytest.mark.parametrize("form", ["agent-spec", "crewai"])
def test_any_mapping_is_read_or_refused(form: str, data: dict[str, Any]) -> None:
    _read(data, form)


@given(st.sampled_from(sorted(_AGENT_SPEC)), st.integers(0, 1), _DATA)
def test_a_document_with_anything_in_a_wrong_place_is_read_or_refused(
    field: str, tool: int, data: Any
) -> None:
    _read({**_AGENT_SPEC, field: data}, "agent-spec")
    tools = list(_AGENT_SPEC["tools"])
    tools[tool] = {**tools[tool], "inputs": data, field: data}
    _read({**_AGENT_SPEC, "tools": tools}, "agent-spec")


_LINES = [
    *("---", "name: x", "tools: [a, {name: b}]", "tools: {a: function}", "model: {id: 3}", "# c"),
    *("input: {schema: {a?(array): string, b: [1]}}", "inputs: {a: 1, b: {kind: array}}", "x: ["),
    *("inputs: [{name: a, kind: object, properties: {c: {}}}]", "template: {format: {kind: 3}}"),
    *("system:", "user[a=b]:", '{{role "system"}}', "{{#if a}}", "{{/if}}", "{% for a in b %}"),
    *("{{> p}}", "{{history}}", "text", "", "  ", "input: {schema: 3}", "toolDefs: [{name: 1}]"),
]


@given(st.lists(st.sampled_from(_LINES), max_size=10).map("\n".join))
@pytest.mark.parametrize(("form", "suffix"), [("prompty", ".prompty"), ("dotprompt", ".prompt")])
def test_any_text_is_read_or_refused(form: str, suffix: str, text: str) -> None:
    _read(Source.of_text(text, name=f"x{suffix}"), form)
