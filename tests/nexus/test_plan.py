"""What publishing a manifest would change."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cache_fabric import ContextScope
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.plan import make_plan
from cache_fabric.nexus.published import content_hash, metadata_of, published_value
from cache_fabric.records import ContextEntry
from nexus.manifests import ROUTER, TOOL, manifest_of


def live_of(manifest: Manifest, version: int = 1) -> list[ContextEntry]:
    """Return what is live after this manifest was published."""
    return [
        ContextEntry(
            key=context.key,
            value=published_value(context),
            scope=ContextScope.GLOBAL,
            version=version,
            behaviour=1,
            revision=1,
            timestamp=datetime(2026, 1, 1, tzinfo=UTC),
            metadata=metadata_of(manifest, context),
        )
        for context in manifest.contexts
    ]


VALUES = st.text("ab {}\n", max_size=12) | st.dictionaries(
    st.sampled_from("xy"), st.integers(0, 9), max_size=2
)
MANIFESTS = st.dictionaries(st.sampled_from("abcdefg"), VALUES).map(manifest_of)


@given(MANIFESTS)
def test_what_was_published_is_unchanged(manifest: Manifest) -> None:
    planned = make_plan(manifest, live_of(manifest), prune=True)
    assert planned.is_empty
    assert planned.changes == ()
    assert [entry.key for entry in planned.unchanged] == [c.key for c in manifest.contexts]


@given(MANIFESTS, MANIFESTS)
def test_every_key_of_old_and_new_is_told_once(old: Manifest, new: Manifest) -> None:
    planned = make_plan(new, live_of(old))
    told = [change.key for change in planned.changes] + [e.key for e in planned.unchanged]
    assert sorted(told) == sorted({c.key for c in (*old.contexts, *new.contexts)})
    assert {c.key for c in planned.of("add")} == keys(new) - keys(old)
    assert {c.key for c in planned.of("remove")} == keys(old) - keys(new)


def keys(manifest: Manifest) -> set[str]:
    return {context.key for context in manifest.contexts}


def test_a_change_has_its_class_and_a_diff() -> None:
    old = manifest_of({ROUTER: "Be brief.\nBe kind.", TOOL: {"name": "a"}, "same": "Same."})
    new = manifest_of({ROUTER: "Be brief.\nBe honest.", TOOL: {"name": "b"}, "same": "Same."})
    first, second = make_plan(new, live_of(old, version=3)).changes
    assert (first.key, first.action, first.change) == (ROUTER, "change", "behaviour")
    assert first.diff.splitlines()[:2] == [f"--- {ROUTER}@3", f"+++ {ROUTER}@4"]
    assert "-Be kind." in first.diff
    assert "+Be honest." in first.diff
    assert (second.key, second.change) == (TOOL, "breaking")
    assert '+  "name": "b"' in second.diff


def test_what_others_published_is_neither_removed_nor_ours() -> None:
    others = live_of(manifest_of({"other": "Text."}, name="another"))
    by_hand = ContextEntry(
        key="by-hand",
        value="Text.",
        scope=ContextScope.GLOBAL,
        version=1,
        behaviour=1,
        revision=1,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
    )
    another_format = dataclasses.replace(manifest_of({"key": "Text."}), format="folder")
    live = [*others, by_hand, *live_of(another_format)]
    planned = make_plan(manifest_of({}), live, prune=True)
    assert planned.is_empty


def test_a_removed_context_is_published_only_to_be_pruned() -> None:
    live = live_of(manifest_of({ROUTER: "Text."}))
    kept, pruned = (make_plan(manifest_of({}), live, prune=prune) for prune in (False, True))
    assert [change.key for change in kept.of("remove")] == [ROUTER]
    assert (kept.is_empty, pruned.is_empty) == (True, False)
    assert kept.costing == ()
    assert [change.key for change in pruned.costing] == [ROUTER]


def test_a_live_text_that_no_compiler_described_is_looked_at_as_the_new_one_is() -> None:
    manifest = manifest_of({ROUTER: "Judge {post}  well."})
    bare = {"key": ROUTER, "scope": ContextScope.GLOBAL, "version": 1, "behaviour": 1}
    at: Any = {"revision": 1, "timestamp": datetime(2026, 1, 1, tzinfo=UTC)}
    for text, change in (("Judge {post} well.", "cosmetic"), ("Judge well.", "breaking")):
        entry = ContextEntry(**bare, **at, value=text)  # type: ignore[arg-type]
        assert make_plan(manifest, [entry]).changes[0].change == change


def test_the_metadata_says_where_a_context_comes_from() -> None:
    manifest = manifest_of({ROUTER: "Judge {post}."})
    assert metadata_of(manifest, manifest.contexts[0]) == {
        "file": "manifest.yaml",
        "line": 1,
        "field": "contexts[1]",
        "graph": "main",
        "manifest": "moderation",
        "format": "by-hand",
        "type": "system_prompt",
        "hash": content_hash("Judge {post}."),
        "variables": ["post"],
        "number": 1,
    }


def test_a_hash_is_of_the_content_and_not_of_the_order_of_keys() -> None:
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert content_hash("") == empty
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_a_version_that_is_not_the_manifests_own_is_told_with_whose_it_is() -> None:
    own = manifest_of({ROUTER: "One.", TOOL: {"name": "lookup"}})
    new = manifest_of({ROUTER: "Two.", TOOL: {"name": "lookup", "description": "Finds."}})
    assert {change.instead_of for change in make_plan(new, live_of(own)).changes} == {None}
    (router, tool) = live_of(dataclasses.replace(own, name="other", format="prompty"))
    by_hand = dataclasses.replace(router, metadata={}, author="ada")
    told = [change.instead_of for change in make_plan(new, [by_hand, tool]).changes]
    assert told == ["ada has set it, no manifest", "it is of manifest other (prompty)"]
    (router, tool) = live_of(own)
    updated = dataclasses.replace(router, value="One!")
    taken_back = dataclasses.replace(tool, same_as=3, author="ada")
    told = [change.instead_of for change in make_plan(new, [updated, taken_back]).changes]
    assert told == ["somebody has changed it since", "ada has rolled it back to version 3"]
    gone = manifest_of({TOOL: {"name": "lookup"}})
    (removed,) = make_plan(gone, [updated, tool]).changes
    assert (removed.action, removed.instead_of) == ("remove", "somebody has changed it since")
