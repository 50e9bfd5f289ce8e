"""``cache-fabric compile``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from typer.testing import CliRunner, Result

from cache_fabric import CacheRequest, Miss, Usage, create_cache_fabric
from cache_fabric.cli.app import app
from cli.conftest import PLAIN

MANIFEST = """\
name: moderation
version: "1.0"
graphs:
  - name: main
    entry_node: triage
    nodes:
      - {id: triage, kind: router, router_ref: triage}
      - {id: lookup, kind: tool, tool_ref: lookup}
    edges: []
routers:
  - name: triage
    strategy: llm
    system_message: Route it.
tools:
  - name: lookup
    description: Finds a post.
    protocol: local
"""
ROUTER, TOOL, GRAPH = "router:triage:system_prompt", "tool:lookup:definition", "graph:main:metadata"
Compile = Callable[..., Result]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "moderation.yaml"
    file.write_text(MANIFEST)
    return file


@pytest.fixture
def compile_it(manifest: Path, folder: Path) -> Compile:
    """Run ``cache-fabric compile`` on the manifest and a folder of the test."""

    def invoke(*args: str) -> Result:
        words = ["compile", str(manifest), "--fabric", str(folder), *args]
        result = CliRunner().invoke(app, words, env=PLAIN)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke


def edit(manifest: Path, *changes: tuple[str, str]) -> None:
    text = manifest.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    manifest.write_text(text)


def test_it_says_what_it_published(compile_it: Compile, manifest: Path) -> None:
    first = compile_it()
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.splitlines()[0] == f"moderation 1.0 (universal-agent), from {manifest}"
    assert f"  + {ROUTER}  {manifest}:13" in first.stdout
    assert "      Route it." in first.stdout
    assert "Plan: 3 to add, 0 to change" in first.stdout
    assert first.stdout.endswith("Published at revision 1.\n")
    again = compile_it()
    assert "No changes: 3 contexts are live as the manifest says." in again.stdout
    assert again.stdout.endswith("Nothing was published.\n")


def test_a_plan_shows_class_diff_answers_and_cost_and_publishes_nothing(
    compile_it: Compile, manifest: Path, folder: Path
) -> None:
    compile_it()
    with create_cache_fabric("local", path=folder).sync as fabric:
        for model in ("gpt-4o-mini", "nobody-prices-this"):
            messages = [
                {"role": "system", "content": "Route it."},
                {"role": "user", "content": "Where does this go?"},
            ]
            missed = fabric.lookup(CacheRequest(model=model, messages=messages))
            assert isinstance(missed, Miss)
            usage = Usage(input_tokens=1_000_000, output_tokens=0)
            fabric.store(missed.ticket, "There.", usage=usage)
    edit(
        manifest,
        ("Route it.", "Route it well."),
        ("protocol: local", "protocol: http"),
        ("name: main", "name: other"),
    )
    planned = compile_it("--plan")
    assert planned.exit_code == 0
    shown = planned.stdout
    assert f"  ~ {ROUTER}  1 -> 2  behaviour" in shown
    assert "      -Route it.\n      +Route it well.\n" in shown
    assert "2 answers are no longer found; asking again costs about $0.1500, without 1" in shown
    assert f"  ~ {TOOL}  1 -> 2  breaking" in shown
    assert "answers affected: unknown" in shown
    assert f"  - {GRAPH}  no longer in the manifest; stays" in shown
    assert "Plan: 1 to add, 2 to change (1 breaking, 1 behaviour), 1 no longer" in shown
    assert "Published" not in shown
    with create_cache_fabric("local", path=folder).sync as fabric:
        assert fabric.get_context(ROUTER).value == "Route it."


def test_the_same_as_json(compile_it: Compile, manifest: Path) -> None:
    compile_it()
    edit(manifest, ("Route it.", "Route  it."))
    planned = json.loads(compile_it("--plan", "--json", "--label", "production").stdout)
    (change,) = planned["changes"]
    assert (change["key"], change["action"], change["change"]) == (ROUTER, "change", "cosmetic")
    assert (change["live"], change["line"], change["answers"]) == (1, 13, None)
    assert "+Route  it." in change["diff"]
    assert planned["revision"] is None
    assert {move["key"] for move in planned["labels"]} == {ROUTER, TOOL, GRAPH}
    assert planned["answers"] == {"count": 0, "unpriced": 0, "cost": 0.0}
    done = json.loads(compile_it("--json", "--label", "production").stdout)
    assert (done["revision"], done["versions"][ROUTER], done["answers"]) == (2, 2, None)


def test_the_exit_code_tells_of_changes_where_that_is_asked_for(
    compile_it: Compile, manifest: Path
) -> None:
    assert compile_it("--plan").exit_code == 0
    assert compile_it("--plan", "--detailed-exitcode").exit_code == 2
    compile_it()
    assert compile_it("--plan", "--detailed-exitcode").exit_code == 0
    manifest.write_text("name: [")
    assert compile_it("--plan", "--detailed-exitcode").exit_code == 1
    assert "--plan" in compile_it("--detailed-exitcode").stderr


def test_a_lock_is_kept_beside_the_manifest_and_drift_is_told(
    compile_it: Compile, manifest: Path, folder: Path
) -> None:
    compile_it("--lock")
    lock = json.loads(manifest.with_name("moderation.yaml.lock").read_text())
    assert lock["contexts"][ROUTER]["version"] == 1
    with create_cache_fabric("local", path=folder).sync as fabric:
        fabric.set_context(ROUTER, "By hand.", author="bob")
    shown = compile_it("--plan", "--lock").stdout
    assert f"  ! {ROUTER}: bob has published version 2 since version 1" in shown


def test_prune_deletes_what_the_manifest_no_longer_has(
    compile_it: Compile, manifest: Path, folder: Path
) -> None:
    compile_it()
    tools = MANIFEST[MANIFEST.index("tools:") :]
    edit(manifest, (tools, ""), ("      - {id: lookup, kind: tool, tool_ref: lookup}\n", ""))
    assert f"  - {TOOL}  no longer in the manifest" in compile_it().stdout
    assert f"  - {TOOL}  is deleted" in compile_it("--prune").stdout
    with create_cache_fabric("local", path=folder).sync as fabric:
        assert fabric.get_context(TOOL) is None


def test_a_broken_manifest_ends_with_its_place_and_publishes_nothing(
    compile_it: Compile, manifest: Path, folder: Path
) -> None:
    edit(manifest, ("    strategy: llm\n", "    strategy: llm\n    strategy: llm\n"))
    broken = compile_it()
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert re.search(rf"cache-fabric: {re.escape(str(manifest))}:\d+: .*strategy", broken.stderr)
    with create_cache_fabric("local", path=folder).sync as fabric:
        assert fabric.list_contexts() == []


def test_an_unknown_format_is_told_with_the_choices(compile_it: Compile) -> None:
    refused = compile_it("--format", "docx")
    assert refused.exit_code == 1
    assert "universal-agent" in refused.stderr


def test_a_text_of_a_manifest_cannot_steer_the_terminal(
    compile_it: Compile, manifest: Path
) -> None:
    compile_it()
    edit(manifest, ("Route it.", '"Route\\e[2Jit."'))
    shown = compile_it("--plan").stdout
    assert "\x1b" not in shown
    assert "+Route\\x1b[2Jit." in shown


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_watch_publishes_each_change_until_it_is_interrupted(
    manifest: Path, folder: Path, end: signal.Signals
) -> None:
    words = [sys.executable, "-m", "cache_fabric", "compile", str(manifest)]
    with subprocess.Popen(
        [*words, "--fabric", str(folder), "--watch", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=in_background if end == signal.SIGTERM else None,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert following(process.stdout)["revision"] == 1
            manifest.write_text("name: [")
            assert "moderation.yaml" in process.stderr.readline()
            edited = manifest.with_suffix(".new")
            edited.write_text(MANIFEST.replace("Route it.", "Route it well."))
            edited.replace(manifest)
            assert following(process.stdout)["versions"][ROUTER] == 2
            process.send_signal(end)
            assert process.wait(30) == 130
        finally:
            process.kill()


def in_background() -> None:
    """Ignore Ctrl-C as shells let their background jobs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def following(out: IO[str]) -> dict[str, Any]:
    return dict(json.loads(out.readline()))


def test_a_plan_tells_whose_version_it_replaces_and_what_is_not_published(
    compile_it: Compile, manifest: Path
) -> None:
    compile_it("--name", "another")
    config = "protocol: local\n    config: {headers: {Authorization: Bearer hunter2}}"
    edit(manifest, ("protocol: local", config))
    planned = compile_it("--plan")
    assert "      ! it is of manifest another (universal-agent)\n" in planned.stdout
    assert "credentials are not published: config.headers.Authorization" in planned.stdout
    assert "hunter2" not in planned.stdout
    told = json.loads(compile_it("--plan", "--json").stdout)["changes"]
    (change,) = told
    assert change["instead_of"] == "it is of manifest another (universal-agent)"
    assert change["left_out"] == ["config.headers.Authorization"]
