"""Compiling publishes a manifest as one bundle, and what is the same not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, Hit, create_cache_fabric
from cache_fabric.bundle import Bundle
from cache_fabric.errors import ManifestError, ValidationError, VersionConflict
from cache_fabric.filled_prompt import VARIABLES
from cache_fabric.nexus import compile as compiling
from cache_fabric.nexus.compile import compile_manifest, compile_manifest_sync
from cache_fabric.nexus.formats import read_manifest
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.plan import Plan, make_plan
from cache_fabric.nexus.published import content_hash
from nexus.golden_files import cases
from nexus.manifests import ROUTER, TOOL, manifest_of

NODE = "node:main:reply:prompt"
FIRST = manifest_of({ROUTER: "Route it.", TOOL: {"name": "lookup"}, NODE: "Answer {post}."})
SECOND = manifest_of({ROUTER: "Route it well.", TOOL: {"name": "lookup"}, NODE: "Answer  {post}."})


def values(fabric: CacheFabric) -> dict[str, Any]:
    fabric.sync.get_context("any", max_staleness=0.0)
    return {entry.key: entry.value for entry in fabric.sync.list_contexts()}


def test_every_context_of_a_manifest_is_found_under_its_key_at_one_revision(
    fabric: CacheFabric, other: CacheFabric
) -> None:
    done = compile_manifest_sync(FIRST, fabric, message="first", author="ann")
    assert (done.revision, done.versions) == (1, {ROUTER: 1, TOOL: 1, NODE: 1})
    assert values(other) == {context.key: context.value for context in FIRST.contexts}
    entries = other.sync.list_contexts()
    assert {(e.revision, e.message, e.author) for e in entries} == {(1, "first", "ann")}
    entry = other.sync.get_context(NODE)
    assert (entry.metadata["manifest"], entry.metadata["line"]) == ("moderation", 3)


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.name)
def test_a_file_of_every_format_comes_back_as_it_was_read_and_is_unchanged_then(
    fabric: CacheFabric, other: CacheFabric, path: Path
) -> None:
    done = compile_manifest_sync(path, fabric)
    read = {context.key: context for context in read_manifest(path).contexts}
    assert done.versions == dict.fromkeys(read, 1)
    found = values(other)
    assert {key: content_hash(value) for key, value in found.items()} == {
        key: content_hash(context.value) for key, context in read.items()
    }
    again = compile_manifest_sync(path, other, name=done.plan.manifest.name, prune=True)
    assert (again.plan.changes, again.revision) == ((), None)


def test_an_unchanged_manifest_publishes_nothing(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric, label="production")
    again = compile_manifest_sync(FIRST, fabric, label="production")
    assert again.plan.is_empty
    assert (again.revision, again.versions) == (None, {ROUTER: 1, TOOL: 1, NODE: 1})
    assert fabric.sync.set_context("next", "x").revision == 2


def test_only_what_differs_gets_a_version_and_a_cosmetic_change_keeps_its_behaviour(
    fabric: CacheFabric,
) -> None:
    compile_manifest_sync(FIRST, fabric)
    done = compile_manifest_sync(SECOND, fabric)
    assert done.versions == {ROUTER: 2, TOOL: 1, NODE: 2}
    found = {entry.key: entry for entry in fabric.sync.list_contexts()}
    assert {key: entry.behaviour for key, entry in found.items()} == {ROUTER: 2, TOOL: 1, NODE: 1}
    assert (found[ROUTER].change, found[NODE].change) == ("behaviour", "cosmetic")
    assert found[ROUTER].message == "compile moderation 1.0"


def test_a_plan_publishes_nothing(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric)
    planned = compile_manifest_sync(SECOND, fabric, plan=True, label="production")
    assert planned.revision is None
    assert [change.change for change in planned.plan.changes] == ["behaviour", "cosmetic"]
    assert len(planned.plan.labels) == 3
    assert values(fabric)[ROUTER] == "Route it."
    assert planned.versions == {TOOL: 1}


async def test_it_is_awaited_on_a_loop_that_the_fabric_has_adopted() -> None:
    async with create_cache_fabric("memory") as fabric:
        done = await compile_manifest(FIRST, fabric)
        assert done.revision == 1
        assert (await fabric.get_context(ROUTER)).value == "Route it."


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (manifest_of({ROUTER: "Route it.", TOOL: {"limit": float("inf")}}), "finite number"),
        (manifest_of({ROUTER: "Route it.", "k" * 513: "text"}), "at most 512 bytes"),
        (manifest_of({ROUTER: "Route it.", NODE: "x" * 1024 * 1024}), "at most 1048576 bytes"),
        (manifest_of({}), "expected at least one"),
    ],
)
def test_a_broken_manifest_publishes_nothing(
    fabric: CacheFabric, broken: Manifest, expected: str
) -> None:
    with pytest.raises(ManifestError, match=expected) as told:
        compile_manifest_sync(broken, fabric, prune=True)
    assert told.value.line == (2 if broken.contexts else None)
    assert values(fabric) == {}


def test_what_a_manifest_no_longer_has_stays_until_it_is_pruned(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric)
    fabric.sync.set_context("mine", "by hand")
    smaller = manifest_of({ROUTER: "Route it."})
    kept = compile_manifest_sync(smaller, fabric)
    assert [change.key for change in kept.plan.of("remove")] == [NODE, TOOL]
    assert kept.revision is None
    assert NODE in values(fabric)
    pruned = compile_manifest_sync(smaller, fabric, prune=True)
    assert pruned.versions == {ROUTER: 1}
    assert values(fabric) == {ROUTER: "Route it.", "mine": "by hand"}
    assert compile_manifest_sync(FIRST, fabric).versions == {ROUTER: 1, TOOL: 3, NODE: 3}


def test_manifests_of_one_name_are_kept_apart_by_another_name(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric)
    other = manifest_of({"other": "Text."})
    compile_manifest_sync(other, fabric, name="another", prune=True)
    assert len(values(fabric)) == 4
    assert compile_manifest_sync(FIRST, fabric, prune=True).plan.changes == ()


def test_a_label_follows_the_manifest_also_where_nothing_else_changed(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric)
    compile_manifest_sync(FIRST, fabric, label="production")
    assert versions_at(fabric, "production") == {ROUTER: 1, TOOL: 1, NODE: 1}
    compile_manifest_sync(SECOND, fabric)
    assert versions_at(fabric, "production") == {ROUTER: 1, TOOL: 1, NODE: 1}
    moved = compile_manifest_sync(SECOND, fabric, label="production").plan.labels
    assert [(m.key, m.before, m.version) for m in moved] == [(ROUTER, 1, 2), (NODE, 1, 2)]
    assert versions_at(fabric, "production") == {ROUTER: 2, TOOL: 1, NODE: 2}


def test_a_label_of_a_context_that_comes_back_points_at_what_was_published(
    fabric: CacheFabric,
) -> None:
    compile_manifest_sync(FIRST, fabric, label="production")
    fabric.sync.delete_context(ROUTER)
    compile_manifest_sync(FIRST, fabric, label="production")
    assert versions_at(fabric, "production") == {ROUTER: 3, TOOL: 1, NODE: 1}


def versions_at(fabric: CacheFabric, label: str) -> dict[str, int]:
    return {key: fabric.sync.get_context(key, label=label).version for key in (ROUTER, TOOL, NODE)}


def ask(fabric: CacheFabric, question: str, system: str, *, model: str = "gpt-4o-mini") -> Any:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    request = CacheRequest(model=model, messages=messages)
    found = fabric.sync.lookup(request)
    return found if isinstance(found, Hit) else fabric.sync.store(request, f"to {question}")


def test_a_plan_counts_the_answers_that_would_no_longer_be_found(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric)
    ask(fabric, "one?", "Route it.")
    ask(fabric, "two?", "Route it.", model="nobody-prices-this")
    ask(fabric, "three?", "Answer {post}.")
    fabric.sync.flush()
    tool = {**SECOND.contexts[1].value, "input_schema": {"type": "object"}}  # type: ignore[dict-item]
    new = manifest_of({ROUTER: "Route it well.", TOOL: tool, NODE: "Answer  {post}."})
    planned = compile_manifest_sync(new, fabric, plan=True).plan
    by_key = {change.key: change.answers for change in planned.changes}
    assert by_key[TOOL] is None, "no answer says which tools its call had"
    assert by_key[NODE] is None, "a cosmetic change keeps them"
    assert by_key[ROUTER] == planned.answers
    assert planned.answers is not None
    assert (planned.answers.count, planned.answers.unpriced) == (2, 1)
    assert planned.answers.cost
    compile_manifest_sync(new, fabric)
    assert isinstance(ask(fabric, "three?", "Answer  {post}."), Hit)
    assert not isinstance(ask(fabric, "one?", "Route it well."), Hit)


def test_a_reverted_manifest_finds_its_old_answers_again(fabric: CacheFabric) -> None:
    compile_manifest_sync(FIRST, fabric)
    ask(fabric, "one?", "Route it.")
    compile_manifest_sync(SECOND, fabric)
    compile_manifest_sync(FIRST, fabric)
    entry = fabric.sync.get_context(ROUTER)
    assert (entry.version, entry.behaviour) == (3, 1)
    assert isinstance(ask(fabric, "one?", "Route it."), Hit)
    assert not isinstance(ask(fabric, "one?", "Route it well."), Hit)


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Any) -> Iterator[list[Plan]]:
    """Do something else between each plan and its publication."""
    plans: list[Plan] = []
    publish = compiling._publish

    def publish_late(planned: Plan, *rest: Any) -> Bundle:
        plans.append(planned)
        act()
        return publish(planned, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(compiling, "_publish", publish_late)
        yield plans


@pytest.mark.parametrize("touched", [ROUTER, TOOL, NODE])
def test_a_plan_that_was_overtaken_is_made_again(
    fabric: CacheFabric, other: CacheFabric, monkeypatch: pytest.MonkeyPatch, touched: str
) -> None:
    compile_manifest_sync(FIRST, fabric)
    todo = [lambda: other.sync.set_context(touched, "by hand")]
    with meanwhile(monkeypatch, lambda: todo and todo.pop()()) as plans:
        compile_manifest_sync(SECOND, fabric)
    assert len(plans) == 2
    assert values(other) == {context.key: context.value for context in SECOND.contexts}


def test_whoever_is_always_overtaken_gives_up_and_has_published_nothing(
    fabric: CacheFabric, other: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_manifest_sync(FIRST, fabric)
    number = iter(range(100))
    with (
        meanwhile(monkeypatch, lambda: other.sync.set_context(ROUTER, f"{next(number)}")) as plans,
        pytest.raises(VersionConflict, match=ROUTER),
    ):
        compile_manifest_sync(SECOND, fabric)
    assert len(plans) == 10
    assert values(other) == {ROUTER: "9", TOOL: {"name": "lookup"}, NODE: "Answer {post}."}


def test_of_compilers_at_once_none_leaves_a_mixture(
    fabric: CacheFabric, other: CacheFabric
) -> None:
    manifests = [manifest_of({f"k{n}": f"text {m}" for n in range(4)}) for m in range(4)]
    seen: list[tuple[int, set[str]]] = []
    start = threading.Barrier(5)
    done = threading.Event()

    def compile_each(which: list[Manifest], on: CacheFabric) -> None:
        start.wait()
        for manifest in which:
            compile_manifest_sync(manifest, on)

    def look() -> None:
        start.wait()
        while not done.is_set():
            entries = other.sync.list_contexts("k")
            seen.append((len(entries), {entry.value for entry in entries}))

    compilers = [
        threading.Thread(target=compile_each, args=([one, manifests[0]], on))
        for one, on in zip(manifests, [fabric, other] * 2, strict=True)
    ]
    reader = threading.Thread(target=look)
    for thread in (*compilers, reader):
        thread.start()
    for thread in compilers:
        thread.join()
    done.set()
    reader.join()
    assert all(count in (0, 4) and len(texts) <= 1 for count, texts in seen)
    assert len(set(values(fabric).values())) == 1


def test_bad_arguments_are_named(fabric: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="label"):
        compile_manifest_sync(FIRST, fabric, label="3")
    with pytest.raises(ValidationError, match="format"):
        compile_manifest_sync(FIRST, fabric, format="prompty")


async def test_a_compile_does_not_hold_up_the_callers_loop(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned, planning = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(*args: Any, **more: Any) -> Plan:
        loop.call_soon_threadsafe(planning.set)
        asyncio.run_coroutine_threadsafe(turned.wait(), loop).result(30)
        return make_plan(*args, **more)

    monkeypatch.setattr("cache_fabric.nexus.compile.make_plan", slowly)
    compiled = asyncio.create_task(compile_manifest(FIRST, fabric))
    await planning.wait()
    turned.set()
    assert (await compiled).revision == 1


async def test_what_has_no_name_of_its_own_is_pruned_only_by_a_name_that_is_given(
    fabric: CacheFabric, tmp_path: Path
) -> None:
    for project in ("one", "two"):
        folder = tmp_path / project / "prompts"
        folder.mkdir(parents=True)
        (folder / f"{project}.md").write_text("Say it.")
    await compile_manifest(tmp_path / "one" / "prompts", fabric)
    with pytest.raises(ValidationError, match="name: expected one to prune by: 'prompts'"):
        await compile_manifest(tmp_path / "two" / "prompts", fabric, prune=True)
    await compile_manifest(tmp_path / "two" / "prompts", fabric, prune=True, name="two")
    assert await fabric.get_context("prompt:one") is not None
    (tmp_path / "two" / "prompts" / "two.md").rename(tmp_path / "two" / "prompts" / "2.md")
    await compile_manifest(tmp_path / "two" / "prompts", fabric, prune=True, name="two")
    assert await fabric.get_context("prompt:two") is None


@pytest.mark.parametrize("filled_by_us", [True, False])
def test_answers_to_a_text_with_variables_are_counted_where_they_tell_it(
    fabric: CacheFabric, filled_by_us: bool
) -> None:
    compile_manifest_sync(manifest_of({ROUTER: "Route it to {city}."}), fabric)
    text = "Route it to {city}." if filled_by_us else "Route it to Rome."
    messages = [{"role": "system", "content": text}, {"role": "user", "content": "Where to?"}]
    params = {VARIABLES: {"city": "Rome"}} if filled_by_us else {}
    fabric.sync.store(CacheRequest(model="m", messages=messages, params=params), "There.")
    changed = manifest_of({ROUTER: "Route it well, to {city}."})
    (change,) = compile_manifest_sync(changed, fabric, plan=True).plan.changes
    assert change.is_least
    assert (change.answers and change.answers.count) == (1 if filled_by_us else None)
