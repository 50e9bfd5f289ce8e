"""Whatever manifests follow on each other, what is live is what the last one says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cache_fabric import create_cache_fabric
from cache_fabric.nexus.compile import compile_manifest_sync
from cache_fabric.nexus.manifest import Manifest
from cache_fabric.nexus.published import content_hash
from nexus.manifests import manifest_of

TEXTS = st.sampled_from(["Route it.", "Route  it.", "Route it well.", "Ask {who}."])
TOOLS = st.fixed_dictionaries({"name": st.sampled_from("xy"), "limit": st.sampled_from([1, True])})
MANIFESTS = st.dictionaries(st.sampled_from("abc"), TEXTS, min_size=1).flatmap(
    lambda texts: st.dictionaries(st.sampled_from(["tool:d", "tool:e"]), TOOLS).map(
        lambda tools: manifest_of({**texts, **tools})
    )
)


@settings(max_examples=40)
@given(st.lists(MANIFESTS, min_size=1, max_size=4))
def test_live_is_what_the_last_manifest_says(manifests: list[Manifest]) -> None:
    with create_cache_fabric("memory").sync as fabric:
        last, words_of = 0, dict[tuple[str, int], list[str]]()
        for manifest in manifests:
            done = compile_manifest_sync(manifest, fabric._fabric, prune=True, label="production")
            assert done.revision in (None, last + 1)
            last = done.revision or last
            said = {context.key: context.value for context in manifest.contexts}
            live = {entry.key: entry for entry in fabric.list_contexts()}
            assert {key: content_hash(entry.value) for key, entry in live.items()} == {
                key: content_hash(value) for key, value in said.items()
            }
            assert done.versions == {key: entry.version for key, entry in live.items()}
            assert all(entry.labels == ("production",) for entry in live.values())
            for key, entry in live.items():
                if isinstance(entry.value, str):  # one behaviour, one text but for white space
                    words = entry.value.split()
                    assert words_of.setdefault((key, entry.behaviour), words) == words
            again = compile_manifest_sync(manifest, fabric._fabric, prune=True, label="production")
            assert (again.plan.changes, again.plan.labels, again.revision) == ((), (), None)
