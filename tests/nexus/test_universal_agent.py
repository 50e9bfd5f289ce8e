"""Universal Agent manifests: every text and tool is found, and what is broken is told where."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.manifest import END, Manifest
from cache_fabric.nexus.source import Source


def read(text: str) -> Manifest:
    return read_manifest(Source.of_text(text, name="m.yaml"))


GRAPH = """\
name: demo
graphs:
  - name: main
    entry_node: a
    nodes:
      - id: a
        kind: router
        router_ref: r
      - {id: b, kind: tool, tool_ref: t}
    edges:
      - {from_node: a, to_node: b}
routers:
  - name: r
    system_message: One.
tools:
  - name: t
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("router_ref: r", "router_ref: x", 8, "graphs[0].nodes[0].router_ref"),
        ("router_ref: r", "router: {name: x}", 8, "graphs[0].nodes[0].router.name"),
        ("tool_ref: t", "tool_ref: x", 9, "graphs[0].nodes[1].tool_ref"),
        ("kind: router", "kind: rooter", 7, "graphs[0].nodes[0].kind"),
        ("id: b", "id: a", 9, "graphs[0].nodes[1].id"),
        ("id: b", "name: b", 9, "graphs[0].nodes[1].id"),
        ("entry_node: a", "entry_node: x", 4, "graphs[0].entry_node"),
        ("entry_node: a", "start: a", 3, "graphs[0].entry_node"),
        ("to_node: b", "to_node: x", 11, "graphs[0].edges[0].to_node"),
        ("from_node: a", "from_node: end", 11, "graphs[0].edges[0].from_node"),
        (
            "to_node: b",
            "to_node: b, condition: {trigger: x}",
            11,
            "graphs[0].edges[0].condition.trigger",
        ),
        ("to_node: b", "to_node: b, condition: x > 1", 11, "graphs[0].edges[0].condition"),
        ("kind: tool, tool_ref: t", "kind: subgraph, graph_ref: x", 9, "graphs[0].nodes[1]"),
        ("kind: tool, tool_ref: t", "kind: subgraph", 9, "graphs[0].nodes[1]"),
        ("system_message: One.", "system_message: [One.]", 14, "routers[0].system_message"),
        ("system_message: One.", "strategy: magic", 14, "routers[0].strategy"),
        ("  - name: t\n", "  - description: t\n", 16, "tools[0].name"),
        ("  - name: t\n", "  - t\n", 16, "tools[0]"),
        ("  - name: t\n", "  - name: t\n    input_schema: x\n", 17, "tools[0].input_schema"),
        ("name: demo", "name: [demo]", 1, "name"),
        (
            "router_ref: r",
            "config: {system_message: x, prompt: y}",
            8,
            "graphs[0].nodes[0].config.system_message",
        ),
    ],
)
def test_what_is_broken_is_told_with_file_line_and_field(
    old: str, new: str, line: int, field: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(GRAPH.replace(old, new, 1))
    error = caught.value
    assert (error.file, error.line, error.field) == ("m.yaml", line, field)
    assert str(error).startswith(f"m.yaml:{line}: {field}: ")


def test_an_edge_may_lead_to_the_end() -> None:
    manifest = read(GRAPH.replace("to_node: b", "to_node: END"))
    assert manifest.graphs[0].edges[0].target == END


def test_two_routers_of_one_name_and_text_are_one() -> None:
    manifest = read(
        GRAPH.replace("routers:\n", "routers:\n  - name: r\n    system_message: One.\n")
    )
    assert [each.key for each in manifest.contexts].count("router:r:system_prompt") == 1


@pytest.mark.parametrize(
    "other", ["system_message: Two.", "system_message: One.\n    default_model: x"]
)
def test_two_routers_of_one_name_that_differ_are_refused_with_both_lines(other: str) -> None:
    with pytest.raises(ManifestError, match="line 13 has another") as caught:
        read(GRAPH.replace("tools:\n", f"  - name: r\n    {other}\ntools:\n"))
    assert caught.value.line == 15


def test_two_tools_of_one_name_that_differ_are_refused() -> None:
    with pytest.raises(ManifestError, match="line 16 has another"):
        read(GRAPH + "  - {name: t, protocol: http}\n")


def test_two_graphs_of_one_name_are_refused() -> None:
    second = "  - {name: main, entry_node: z, nodes: [{id: z}]}\nrouters:"
    with pytest.raises(ManifestError, match="one graph called 'main'"):
        read(GRAPH.replace("routers:", second))


def test_two_texts_of_one_key_are_refused_with_both_lines() -> None:
    # "a:b" in graph "g" and "b" in graph "g:a" would both be node:g:a:b:prompt.
    text = """\
graphs:
  - {name: g, entry_node: "a:b", nodes: [{id: "a:b", config: {prompt: one}}]}
  - {name: "g:a", entry_node: b, nodes: [{id: b, config: {prompt: two}}]}
"""
    with pytest.raises(ManifestError, match=r"m\.yaml:2 says another") as caught:
        read(text)
    assert caught.value.line == 3


def test_a_text_too_large_for_a_context_is_told_with_its_line() -> None:
    with pytest.raises(ManifestError, match="1048576 bytes") as caught:
        read(GRAPH.replace("One.", "x" * 2_000_000))
    assert caught.value.line == 14


def test_a_manifest_that_says_nothing_is_refused() -> None:
    with pytest.raises(ManifestError, match="at least one"):
        read("name: x\nrouters: []\n")


def test_a_router_of_one_graph_is_of_this_graph_and_one_of_two_of_none() -> None:
    assert _graph_of_router(read(GRAPH)) == "main"
    second = "  - {name: b, entry_node: z, nodes: [{id: z, kind: router, router_ref: r}]}\nrouters:"
    assert _graph_of_router(read(GRAPH.replace("routers:", second))) is None


def _graph_of_router(manifest: Manifest) -> str | None:
    by_key = {each.key: each for each in manifest.contexts}
    return by_key["router:r:system_prompt"].graph


def test_an_empty_text_says_nothing() -> None:
    manifest = read(GRAPH.replace("One.", '" "'))
    assert manifest.routers["r"].key is None
    assert "router:r:system_prompt" not in [each.key for each in manifest.contexts]


def test_variables_of_the_environment_stay_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    assert "hunter2" not in repr(read(GRAPH + "    config: {key: '${SECRET}'}\n"))


def test_five_megabytes_are_read_whole() -> None:
    body = "Say one of the words.\n" * 20
    routers = [{"name": f"r{n}", "system_message": f"{n}\n{body}"} for n in range(11_000)]
    text = yaml.dump({"name": "big", "routers": routers}, Dumper=yaml.CSafeDumper)
    assert len(text) > 5_000_000
    manifest = read(text)
    assert len(manifest.contexts) == 11_000
    assert manifest.contexts[-1].value == f"10999\n{body}"


_NAMES = st.text("abz09_- é", min_size=1, max_size=6).filter(lambda name: name.strip() == name)
_TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30).filter(
    lambda text: bool(text.strip())
)
_SCHEMAS = st.none() | st.dictionaries(_NAMES, st.sampled_from(["string", "number"]), min_size=1)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    routers = draw(st.dictionaries(_NAMES, st.none() | _TEXTS, max_size=3))
    tools = draw(st.dictionaries(_NAMES, _SCHEMAS, max_size=3))
    graphs = []
    for name in draw(st.lists(_NAMES, max_size=2, unique=True)):
        ids = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
        kinds = _nodes(sorted(routers), sorted(tools))
        nodes = [{"id": id_} | draw(kinds) for id_ in ids]
        graphs.append({"name": name, "entry_node": nodes[0]["id"], "nodes": nodes})
    return {
        "name": "x",
        "graphs": graphs,
        "routers": [{"name": name, "system_message": text} for name, text in routers.items()],
        "tools": [{"name": name, "input_schema": schema} for name, schema in tools.items()],
    }


def _nodes(routers: list[str], tools: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    kinds: list[st.SearchStrategy[dict[str, Any]]] = [
        st.builds(lambda text: {"config": {"prompt": text}}, _TEXTS),
        st.builds(lambda text: {"kind": "human", "human_prompt": text}, _TEXTS),
        st.builds(lambda text: {"kind": "router", "config": {"system_message": text}}, _TEXTS),
    ]
    if routers:
        kinds.append(
            st.sampled_from(routers).map(lambda name: {"kind": "router", "router_ref": name})
        )
    if tools:
        kinds.append(
            st.sampled_from(tools).map(lambda name: {"kind": "tool", "tool": {"name": name}})
        )
    return st.one_of(kinds)


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """Return every text and schema of a document by the key that it has to be found under."""
    said: dict[str, Any] = {}
    for router in document["routers"]:
        if router["system_message"]:
            said[f"router:{router['name']}:system_prompt"] = router["system_message"]
    for tool in document["tools"]:
        said[f"tool:{tool['name']}:definition"] = tool["input_schema"]
    for graph in document["graphs"]:
        said[f"graph:{graph['name']}:metadata"] = len(graph["nodes"])
        for node in graph["nodes"]:
            key = f"node:{graph['name']}:{node['id']}"
            for text in node.get("config", {}).values():
                said[f"{key}:prompt"] = text
            if "human_prompt" in node:
                said[f"{key}:human_prompt"] = node["human_prompt"]
    return said


@given(documents(), st.booleans())
def test_every_text_and_tool_is_found_again_under_its_key(document: Any, flow: bool) -> None:
    if not _said(document):
        return
    text = yaml.safe_dump(document, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    manifest = read(text)
    found = {each.key: each.value for each in manifest.contexts}
    for key, value in found.items():
        if isinstance(value, dict):
            found[key] = value["input_schema"] if key.startswith("tool:") else value["node_count"]
    assert found == _said(document)
    for context in manifest.contexts:
        assert context.place.line is not None
    assert {each.key: each.value for each in read_manifest(document).contexts} == {
        each.key: each.value for each in manifest.contexts
    }
