"""Contexts, executions, feedback and metrics as the seed's text calls them."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheFabric, ContextScope
from cache_fabric.errors import NotFound, ValidationError, VersionConflict


async def test_a_context_reads_both_ways_and_counts_versions(any_fabric: CacheFabric) -> None:
    first = await any_fabric.set_context("router:a:system_prompt", "one", metadata={"by": "me"})
    assert first
    await any_fabric.set_context("router:a:system_prompt", "two")
    entry = await any_fabric.get_context("router:a:system_prompt")
    assert entry["value"] == entry.value == "two"
    assert entry["version"] == entry.version == 2
    assert dict(entry)["scope"] is ContextScope.GLOBAL


async def test_an_unknown_context_is_the_default(any_fabric: CacheFabric) -> None:
    assert await any_fabric.get_context("nothing") is None
    assert await any_fabric.get_context("nothing", "fallback") == "fallback"


async def test_update_needs_a_key_that_exists_and_merges_mappings(any_fabric: CacheFabric) -> None:
    assert not await any_fabric.update_context("k", {"a": 1})
    await any_fabric.set_context("k", {"a": 1, "b": 1})
    updated = await any_fabric.update_context("k", {"b": 2}, merge=True)
    assert updated is not None
    assert (updated.value, updated.version) == ({"a": 1, "b": 2}, 2)
    replaced = await any_fabric.update_context("k", "text")
    assert replaced is not None
    assert replaced.value == "text"


async def test_scope_ids_are_part_of_the_key(any_fabric: CacheFabric) -> None:
    for tenant in ("acme", "globex"):
        await any_fabric.set_context("prompt", tenant, ContextScope.TENANT, tenant=tenant)
    await any_fabric.set_context("prompt", "for all")
    assert (await any_fabric.get_context("prompt", tenant="acme")).value == "acme"
    assert (await any_fabric.get_context("prompt", tenant="globex")).value == "globex"
    assert (await any_fabric.get_context("prompt", tenant="third")).value == "for all"
    assert (await any_fabric.get_context("prompt")).value == "for all"


async def test_a_lookup_goes_from_narrow_to_wide(fabric: CacheFabric) -> None:
    await fabric.set_context("p", "wide")
    await fabric.set_context("p", "tenant", ContextScope.TENANT, tenant="t")
    await fabric.set_context("p", "run", ContextScope.EXECUTION, execution_id="x")
    assert (await fabric.get_context("p", tenant="t", execution_id="x")).value == "run"
    assert (await fabric.get_context("p", tenant="t", execution_id="y")).value == "tenant"
    exact = await fabric.get_context("p", scope=ContextScope.GLOBAL, tenant="t", execution_id="x")
    assert exact.value == "wide"


async def test_compare_and_set_refuses_the_loser(any_fabric: CacheFabric) -> None:
    await any_fabric.set_context("k", 1, if_version=0)
    with pytest.raises(VersionConflict) as caught:
        await any_fabric.set_context("k", 2, if_version=0)
    assert caught.value.current == 1
    assert (await any_fabric.get_context("k")).value == 1


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"key": "", "value": 1}, "key"),
        ({"key": "k", "value": object()}, "value"),
        ({"key": "k", "value": 1, "scope": "galaxy"}, "scope"),
        ({"key": "k", "value": 1, "scope": ContextScope.TENANT}, "tenant"),
        ({"key": "k", "value": 1, "scope": ContextScope.EXECUTION}, "execution_id"),
        ({"key": "k", "value": 1, "metadata": {"a": {1}}}, "metadata.a"),
    ],
)
async def test_bad_input_names_its_field_and_writes_nothing(
    fabric: CacheFabric, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        await fabric.set_context(**arguments)
    assert caught.value.field == field
    assert (await fabric.inspect()).contexts == 0


async def test_an_execution_is_kept_with_its_feedback(any_fabric: CacheFabric) -> None:
    state = {"input": "a post", "output": "safe", "nodes_executed": ["classify"]}
    await any_fabric.track_execution("run-1", "moderation", state, tags=["eu"])
    await any_fabric.record_feedback("run-1", {"status": "correct", "user_rating": 5})
    await any_fabric.record_feedback("run-1", {"comment": "quick", "annotator": "LLM"})
    execution = await any_fabric.get_execution("run-1")
    assert execution is not None
    assert execution["state"]["output"] == "safe"
    assert execution.tags == ("eu",)
    assert [f.data for f in execution.feedback] == [
        {"status": "correct", "user_rating": 5},
        {"comment": "quick", "annotator": "LLM"},
    ]


async def test_executions_are_found_by_graph_status_and_text(any_fabric: CacheFabric) -> None:
    await any_fabric.track_execution("1", "g", {"status": "ok", "output": "A Tent"})
    await any_fabric.track_execution("2", "g", {"status": "failed"})
    await any_fabric.track_execution("3", "h", {"status": "ok"})

    async def found(**query: Any) -> list[str]:
        return [e.execution_id for e in await any_fabric.search_executions(**query)]

    assert await found() == ["3", "2", "1"]
    assert await found(graph="g", status="ok") == ["1"]
    assert await found(text="tent") == ["1"]
    assert await found(limit=1) == ["3"]


async def test_feedback_on_an_unknown_execution_is_an_error(fabric: CacheFabric) -> None:
    with pytest.raises(NotFound, match="track_execution"):
        await fabric.record_feedback("unknown", {"status": "correct"})


async def test_ids_that_start_alike_do_not_share_feedback(fabric: CacheFabric) -> None:
    for name in ("run", "run-1"):
        await fabric.track_execution(name, "g", {})
    await fabric.record_feedback("run-1", {"score": 1})
    execution = await fabric.get_execution("run")
    assert execution is not None
    assert execution.feedback == ()
