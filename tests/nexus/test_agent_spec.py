"""Open Agent Spec documents are read as ``pyagentspec`` reads them, and broken ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.readers import _agent_spec_check
from nexus.golden_files import GOLDEN, said

_DESK = GOLDEN / "agent_spec" / "desk.json"
_POEM = GOLDEN / "agent_spec" / "poem.yaml"


def _desk(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_DESK.read_text(encoding="utf-8"))
    change(data)
    return data


def _file(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "desk.json"
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return path


def test_the_package_itself_loads_the_same_prompts_and_variables() -> None:
    package = pytest.importorskip("pyagentspec.serialization").AgentSpecDeserializer()
    left_out = {"llm.api_key": "x", "order-status.sensitive_headers": {}}
    desk = package.from_json(_DESK.read_text(encoding="utf-8"), components_registry=left_out)
    texts = {each.key: each for each in read_manifest(_DESK).contexts}
    prompt = texts["agent:parcel_desk:system_prompt"]
    assert prompt.value == desk.system_prompt
    assert set(prompt.variables) == {each.title for each in desk.inputs}
    poem = package.from_yaml(_POEM.read_text(encoding="utf-8"))
    texts = {each.key: each for each in read_manifest(_POEM).contexts}
    inner = next(each.subflow for each in poem.nodes if each.name == "writing_step")
    for flow in (poem, inner):
        for node in flow.nodes:
            if hasattr(node, "prompt_template"):
                text = texts[f"node:{flow.name}:{node.name}:prompt"]
                assert text.value == node.prompt_template
                assert set(text.variables) == {each.title for each in node.inputs}


def test_nothing_of_a_connection_is_published() -> None:
    text = json.dumps(said(read_manifest(_DESK)))
    assert "order_status" in text
    for secret in ("https://", "headers", "Accept", "api_key", "gpt-4.1-mini"):
        assert secret not in text


def test_what_the_package_finds_is_told_with_line_and_field(tmp_path: Path) -> None:
    pytest.importorskip("pyagentspec")
    path = _file(tmp_path, _desk(lambda data: data["tools"][1].pop("requires_confirmation")))
    assert "refund" in read_manifest(path).tools
    path = _file(tmp_path, _desk(lambda data: data["tools"][0].pop("url")))
    with pytest.raises(ManifestError, match="Field required") as caught:
        read_manifest(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert caught.value.file == str(path)
    assert caught.value.field == "tools[0].url"
    assert caught.value.line is not None
    assert '"component_type": "RemoteTool"' in lines[caught.value.line]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda data: data.update(system_prompt=["no"]), "system_prompt"),
        (lambda data: data["tools"][1].update(component_type="Serve"), "tools[1].component_type"),
        (lambda data: data["tools"][1].update(inputs=[{"type": "string"}]), "tools[1]"),
        (lambda data: data.update(inputs=[]), ""),
    ],
)  # fmt: skip
def test_a_broken_document_is_refused(change: Callable[[Any], object], field: str) -> None:
    pytest.importorskip("pyagentspec")
    with pytest.raises(ManifestError) as caught:
        read_manifest(_desk(change))
    assert caught.value.field.startswith(field)


def test_without_the_package_names_and_texts_are_still_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_agent_spec_check, "find_spec", lambda name: None)
    assert "refund" in read_manifest(_desk(lambda data: data.update(inputs=[]))).tools
    with pytest.raises(ManifestError, match=r"tools\[0\]\.name: is required"):
        read_manifest(_desk(lambda data: data["tools"][0].pop("name")))
    with pytest.raises(ManifestError, match="system_prompt: expected text, got a list"):
        read_manifest(_desk(lambda data: data.update(system_prompt=["no"])))


def test_a_tool_that_stands_nowhere_is_told_where_it_is_named(tmp_path: Path) -> None:
    data = _desk(lambda data: data["tools"].append({"$component_ref": "refund-2"}))
    with pytest.raises(ManifestError, match="'refund-2'") as caught:
        read_manifest(_file(tmp_path, data))
    assert caught.value.field == "tools[2]"


def test_a_model_may_be_that_of_another_file() -> None:
    data = _desk(lambda data: data.update(llm_config={"$component_ref": "model.v4.1"}))
    assert "agent:parcel_desk:system_prompt" in {each.key for each in read_manifest(data).contexts}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(agentspec_version="99.1.0", inputs=[]),
        lambda data: data["tools"].append(
            {"component_type": "Ours", "component_plugin_name": "ours", "name": "x"}
        ),
    ],
)
def test_what_the_package_cannot_judge_is_read(change: Callable[[Any], object]) -> None:
    texts = {each.key: each.value for each in read_manifest(_desk(change)).contexts}
    assert texts["agent:parcel_desk:system_prompt"]


def test_two_agents_of_one_name_are_refused_with_both_lines() -> None:
    team = json.loads((GOLDEN / "agent_spec" / "editors.json").read_text(encoding="utf-8"))
    team["$referenced_components"]["checker"]["name"] = "editor"
    with pytest.raises(ManifestError, match="one text or definition of 'agent:editor:system_"):
        read_manifest(team)


def test_an_id_means_one_component(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        llm = data["llm_config"]
        data["$referenced_components"] = {"llm": llm}
        data["tools"][0]["$referenced_components"] = {"llm": llm}

    with pytest.raises(ManifestError, match="one component of the id 'llm'"):
        read_manifest(_desk(change))


def test_a_component_inside_itself_is_refused() -> None:
    node = {"component_type": "FlowNode", "name": "n", "subflow": {"$component_ref": "f"}}
    flow = {"component_type": "Flow", "name": "f", "nodes": [node], "start_node": node}
    flow["control_flow_connections"] = []
    top = {"component_type": "FlowNode", "name": "top", "subflow": {"$component_ref": "f"}}
    data = {**top, "agentspec_version": "25.4.1", "$referenced_components": {"f": flow}}
    with pytest.raises(ManifestError):
        read_manifest(data)


def test_schemas_and_free_data_are_no_components() -> None:
    def change(data: dict[str, Any]) -> None:
        odd = {"title": "component_type", "type": "object", "$component_ref": "no"}
        data["tools"][1]["inputs"].append({**odd, "default": {}})
        data["tools"][1]["metadata"] = {"component_type": "Agent", "name": "no"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_agent_spec_check, "find_spec", lambda name: None)
        manifest = read_manifest(_desk(change))
    refund = manifest.tools["refund"].input_schema or {}
    assert "component_type" in refund["properties"]
    assert [each.key for each in manifest.contexts if each.kind == "system_prompt"] == [
        "agent:parcel_desk:system_prompt"
    ]


def test_a_node_of_no_flow_is_the_documents_own() -> None:
    node: dict[str, Any] = {"component_type": "LlmNode", "name": "ask", "prompt_template": "Ask."}
    data: dict[str, Any] = {"$referenced_components": {"n": node}}
    assert [each.key for each in read_manifest(data, name="parts").contexts] == [
        "node:parts:ask:prompt"
    ]
    inside: dict[str, Any] = {
        "component_type": "Flow",
        "name": "flow",
        "nodes": [{"$component_ref": "n"}],
    }
    inside["start_node"] = {"$component_ref": "n"}
    data["$referenced_components"]["f"] = inside
    keys = {each.key for each in read_manifest(data, name="parts").contexts}
    assert keys == {"graph:flow:metadata", "node:flow:ask:prompt"}


_TEXTS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40).filter(str.strip)
_WORDS = st.text("abcxyz_", min_size=1, max_size=8)


@given(st.dictionaries(_WORDS, _TEXTS, min_size=1, max_size=5), st.dictionaries(_WORDS, _TEXTS))
def test_every_prompt_and_tool_is_found_again_under_its_key(
    prompts: dict[str, str], tools: dict[str, str]
) -> None:
    kept = {
        name: {"component_type": "ServerTool", "name": name, "description": told}
        for name, told in tools.items()
    }
    nodes = [
        {"component_type": "LlmNode", "name": name, "prompt_template": text}
        for name, text in prompts.items()
    ]
    start = {"component_type": "StartNode", "name": "start"}
    flow = {"component_type": "Flow", "name": "flow", "start_node": start, "nodes": nodes}
    data = {**flow, "agentspec_version": "99.0.0", "$referenced_components": kept}
    values = {each.key: each.value for each in read_manifest(data).contexts}
    assert values.pop("graph:flow:metadata")["node_count"] == len(nodes)  # type: ignore[index]
    for name, text in prompts.items():
        assert values.pop(f"node:flow:{name}:prompt") == text
    for name, told in tools.items():
        assert values.pop(f"tool:{name}:definition")["description"] == told  # type: ignore[index]
    assert not values
