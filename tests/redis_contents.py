"""What a Redis holds, read key by key: to compare before and after, and to check our own index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from cache_fabric.stores._redis_document_facts import Facts
from cache_fabric.stores._redis_keys import KindLayout, Layout
from cache_fabric.stores.documents import Blob, Document

PROMPT = Blob(key="prompt", value=b"p" * 4096, text="You are a support agent")
GOOD = frozenset({("feedback", "good")})

_READ: dict[bytes, Callable[[Any, bytes], Any]] = {
    b"hash": lambda admin, key: admin.hgetall(key),
    b"zset": lambda admin, key: dict(admin.zrange(key, 0, -1, withscores=True)),
    b"stream": lambda admin, key: admin.xrange(key),
}


def document(number: int, *, at: float | None = None, tag: str = "a") -> Document:
    """A document with something in every place that there is."""
    own = Blob(key=f"own{number}", value=bytes(600), text=f"answer{number}")
    return Document(
        key=f"k{number}",
        value=b"v" * 300,
        at=number if at is None else at,
        terms=frozenset({("graph", "g"), ("tag", tag), ("entry", f"e{number}")}),
        numbers={"cost": number, "seconds": number / 7},
        text=f"question number {number}",
        blobs=[PROMPT, own],
    )


def contents(admin: Any) -> dict[bytes, Any]:
    """All that is no cache entry; without the marks of what was done, which go in a minute."""
    keys = [key for key in admin.scan_iter(b"{cf:*", count=1000) if b":done:" not in key]
    return {key: _READ[admin.type(key)](admin, key) for key in keys}


def check_index(admin: Any, namespace: str, *kinds: str) -> None:
    """Fail unless each set holds what the facts of the documents say, and nothing else.

    ``kinds`` are all that the namespace has.
    """
    layout = Layout.of(namespace)
    held = contents(admin)
    names: Counter[bytes] = Counter()
    for kind in kinds:
        for facts in _checked(held, layout.kind(kind)):
            names.update(facts.blobs)
    counted = {blob: int(count) for blob, count in held.get(layout.blob_names, {}).items()}
    assert counted == names
    assert held.get(layout.blobs, {}).keys() == names.keys()
    assert held.get(layout.blob_words, {}).keys() <= names.keys()


def _checked(held: dict[bytes, Any], place: KindLayout) -> list[Facts]:
    read = {key: Facts.read(raw) for key, raw in held.get(place.facts, {}).items()}
    sets: dict[bytes, dict[bytes, float]] = {}
    for key, facts in read.items():
        for name, score in facts.scores().items():
            sets.setdefault(place.prefix + name, {})[key] = score
    bodies = {place.facts, place.values, place.words}
    found = {key: value for key, value in held.items() if key.startswith(place.prefix)}
    assert {key: value for key, value in found.items() if key not in bodies} == sets
    assert found.get(place.values, {}).keys() == read.keys()
    assert found.get(place.words, {}).keys() <= read.keys()
    return list(read.values())
