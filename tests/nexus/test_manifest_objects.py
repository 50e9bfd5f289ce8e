"""Objects of the real packages are read as their files are, and neither package is imported."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cache_fabric.errors import ManifestError
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.source import Source
from nexus.golden_files import GOLDEN

COMPILER = GOLDEN / "universal_agent" / "compiler.yaml"
KERNEL = GOLDEN / "universal_agent" / "kernel.yaml"


def texts(manifest: Manifest) -> dict[str, Any]:
    return {each.key: each.value for each in manifest.contexts}


def test_what_the_real_compiler_made_is_read() -> None:
    compiler = pytest.importorskip("universal_agent_nexus.compiler")
    passes = pytest.importorskip("universal_agent_nexus.ir.pass_manager")
    text = COMPILER.read_text().replace("to_node: end", "to_node: note_damage")
    text = text.replace("route: no\n", "route: 'no'\n")
    ir = compiler.parse(text, source_type="yaml")
    ir = passes.create_default_pass_manager(passes.OptimizationLevel.DEFAULT).run(ir)
    manifest = read_manifest(ir)
    theirs, ours = texts(manifest), texts(read_manifest(COMPILER))
    assert manifest.format == "nexus-ir"
    assert manifest.name == "returns-desk"
    assert type(manifest.routers["parcel_router"].strategy) is str
    for key in ("router:parcel_router:system_prompt", "graph:returns:metadata"):
        assert theirs[key] == ours[key]
    tool, whole = theirs["tool:order_lookup:definition"], ours["tool:order_lookup:definition"]
    assert tool == whole | {"input_schema": None, "output_schema": None}
    assert {node.id: node.ref for node in manifest.graphs[0].nodes} == {
        "sort_parcel": "parcel_router",
        "look_up_order": "order_lookup",
        "write_reply": None,
        "note_damage": None,
        "clerk": None,
    }


def test_what_the_real_kernel_loaded_is_read() -> None:
    kernel = pytest.importorskip("universal_agent.manifests.loader")
    loaded = kernel.ManifestLoader.load_from_path(KERNEL)
    manifest = read_manifest(loaded)
    ours = texts(read_manifest(KERNEL))
    # The kernel gives a router without a text one of its own, and a graph a version.
    ours["router:rules_only:system_prompt"] = "You are a helpful assistant."
    ours["graph:review:metadata"]["version"] = "0.1.0"
    assert texts(manifest) == ours


def test_what_the_real_compiler_writes_is_read() -> None:
    generators = pytest.importorskip("universal_agent_nexus.ir.generator")
    parsers = pytest.importorskip("universal_agent_nexus.ir.parser")
    ir = parsers.YAMLParser().parse(
        "name: x\n"
        "graphs: [{name: g, entry_node: a, nodes: [{id: a, kind: router, router_ref: r}]}]\n"
        "routers: [{name: r, system_message: 'Say {word}.'}]\ntools: [{name: t, description: d}]\n"
    )
    written = Source.of_text(generators.YAMLGenerator().generate(ir), name="x.yaml")
    assert texts(read_manifest(written)) == texts(read_manifest(ir))


def test_any_object_of_this_shape_is_read() -> None:
    ir = SimpleNamespace(
        name="x",
        graphs=[],
        routers=[SimpleNamespace(name="r", system_message="One.", strategy=None)],
        tools=[
            SimpleNamespace(name="t", description="d", config={"a": [1]}, input_schema={"b": 1})
        ],
    )
    manifest = read_manifest(ir)
    assert manifest.contexts[0].value == "One."
    assert manifest.tools["t"].input_schema == {"b": 1}
    ir.tools[0].config = {"a": object()}
    with pytest.raises(ManifestError, match=r"tools\[0\].config.a: expected JSON data"):
        read_manifest(ir)


def test_reading_imports_no_other_package() -> None:
    code = (
        "import sys; from cache_fabric.nexus.formats import read_manifest; "
        "read_manifest(sys.argv[1]); others = ('universal', 'langchain', 'langgraph'); "
        "sys.exit(any(name.startswith(others) for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(COMPILER)], check=False)
    assert done.returncode == 0
