"""Presets, options and the environment: what is accepted, and how a mistake is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheFabric,
    ExactOnly,
    FabricConfig,
    Threshold,
    create_cache_fabric,
    resolve_fabric_from_env,
)
from cache_fabric.errors import ConfigurationError
from cache_fabric.stores.memory import MemoryStore


@pytest.mark.parametrize(
    ("backend", "options", "named"),
    [
        ("galaxy", {}, "backend: unknown 'galaxy', expected one of memory, local, redis, http"),
        ("memory", {"colour": 1}, "colour: unknown option of backend 'memory', expected one of"),
        ("memory", {"path": "x"}, "path: unknown option"),
        (
            "memory",
            {"store": "mongodb://x"},
            "store: unknown 'mongodb', expected one of",
        ),
        ("memory", {"index": "faiss"}, "index: unknown 'faiss', expected one of chroma"),
        ("memory", {"index": "faiss"}, "resident"),
        ("memory", {"store": MemoryStore("m"), "index": "resident"}, "index=StoredIndex(...)"),
        ("memory", {"url": "redis://"}, "url: unknown option of backend 'memory'"),
        ("vector", {"url": "milvus://h"}, "index: unknown 'milvus', expected one of chroma"),
        ("vector", {"url": "http://h", "vector_db_url": "http://h"}, "given twice"),
        ("memory", {"embedder": "bert"}, "embedder: unknown 'bert'"),
        ("memory", {"embedder": 7}, "embedder: expected a name"),
        ("memory", {"policy": "loose"}, "policy: expected a policy"),
        ("memory", {"policy": Threshold(0.9), "similarity_threshold": 0.9}, "given twice"),
        ("memory", {"similarity_threshold": 1.5}, "similarity"),
        ("memory", {"namespace": ""}, "namespace: expected 1 to 128"),
        ("memory", {"ttl": 0}, "ttl: expected seconds above 0"),
        ("memory", {"ttl": float("nan")}, "ttl: expected seconds above 0"),
        ("memory", {"ttl": "60"}, "ttl: expected seconds as a number"),
        ("memory", {"ttl": True}, "ttl: expected seconds as a number"),
        ("memory", {"config": {}}, "config: expected a FabricConfig"),
        ("memory", {"hooks": [1]}, "hooks: expected functions"),
        ("local", {"path": 7}, "path: expected a folder"),
    ],
)
def test_a_mistake_is_named_with_the_choices(
    backend: str, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create_cache_fabric(backend, **options)
    assert named in str(caught.value)


@pytest.mark.parametrize("name", ["candidates", "hot_entries", "queue_bytes", "max_entry_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_a_bad_limit_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: expected a whole number"):
        FabricConfig(**{name: value})


@pytest.mark.parametrize("name", ["max_entries", "max_bytes", "tenant_max_entries"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
def test_a_bad_bound_is_named_and_none_is_no_bound(name: str, value: Any) -> None:
    unbounded: dict[str, Any] = {name: None}
    assert getattr(FabricConfig(**unbounded), name) is None
    with pytest.raises(ConfigurationError, match=f"{name}: expected a whole number"):
        FabricConfig(**{name: value})


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (file, file / "below"):
        with pytest.raises(ConfigurationError, match="is a file, expected a folder"):
            create_cache_fabric("local", path=path)
    assert file.read_text() == "mine"


async def test_the_seeds_names_are_accepted() -> None:
    fabric = create_cache_fabric(
        "memory",
        prefix="nexus_cache",
        embedding_fn=lambda text: [1.0, float(len(text))],
        similarity_threshold=0.93,
    )
    assert fabric.config.namespace == "nexus_cache"
    assert fabric.policy.floor == 0.93
    await fabric.set_context("k", "v")
    assert len(await fabric.search_similar("k")) == 1
    await fabric.aclose()


async def test_a_store_that_was_passed_in_is_not_closed() -> None:
    store = MemoryStore("mine")
    async with create_cache_fabric("memory", store=store) as fabric:
        await fabric.set_context("k", "v")
    assert len(await store.records("")) > 0


def test_the_environment_describes_a_fabric(tmp_path: Path) -> None:
    fabric = resolve_fabric_from_env(
        {
            "CACHE_BACKEND": "local",
            "CACHE_FABRIC_PATH": str(tmp_path),
            "CACHE_FABRIC_NAMESPACE": "prod",
            "CACHE_FABRIC_TTL": "60",
            "CACHE_FABRIC_SIMILARITY": "0.97",
            "CACHE_FABRIC_SECRET": "hush",
        }
    )
    assert (fabric.config.namespace, fabric.config.ttl) == ("prod", 60.0)
    assert fabric.config.secret == b"hush"
    assert fabric.policy.floor == 0.97


def test_a_kubernetes_service_of_our_name_is_not_taken_for_an_option() -> None:
    told = {
        "CACHE_FABRIC_SERVICE_HOST": "10.0.0.7",
        "CACHE_FABRIC_SERVICE_PORT": "8090",
        "CACHE_FABRIC_SERVICE_PORT_HTTP": "8090",
        "CACHE_FABRIC_PORT": "tcp://10.0.0.7:8090",
        "CACHE_FABRIC_PORT_8090_TCP_ADDR": "10.0.0.7",
    }
    resolve_fabric_from_env({"CACHE_BACKEND": "memory", **told})


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"CACHE_FABRIC_COLOUR": "x"}, "CACHE_FABRIC_COLOUR: unknown, expected one of"),
        ({"CACHE_FABRIC_TTL": "soon"}, "CACHE_FABRIC_TTL: could not convert"),
        ({"CACHE_BACKEND": "galaxy"}, "backend: unknown 'galaxy'"),
    ],
)
def test_a_mistake_in_the_environment_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_fabric_from_env(environ)
    assert named in str(caught.value)


def test_the_policy_can_be_any_of_ours() -> None:
    fabric: CacheFabric = create_cache_fabric("memory", policy=ExactOnly())
    assert not fabric.policy.semantic


def names(fabric: CacheFabric) -> tuple[str, str]:
    parts = fabric._life().parts
    return parts.store.name, parts.index.name


@pytest.mark.parametrize(
    ("backend", "options", "expected"),
    [
        ("redis", {}, ("redis", "resident")),
        ("redis", {"index": "memory"}, ("redis", "memory")),
        ("redis", {"vector_db_url": "http://h"}, ("redis", "resident:qdrant http://h:6333")),
        ("redis", {"store": MemoryStore("m")}, ("memory", "memory")),
        ("memory", {"index": "resident"}, ("memory", "resident")),
        ("vector", {}, ("memory", "resident:qdrant http://localhost:6333")),
        ("vector", {"url": "https://h/q"}, ("memory", "resident:qdrant https://h:6333/q")),
        ("vector", {"url": "chroma+http://h"}, ("memory", "resident:chroma+http://h:8000")),
        (
            "vector",
            {"vector_db_url": "qdrant+http://h", "redis_url": "redis://"},
            ("redis", "resident:qdrant http://h:6333"),
        ),
        (
            "vector",
            {"url": "http://h", "store": MemoryStore("m")},
            ("memory", "qdrant http://h:6333"),
        ),
    ],
)
def test_a_preset_places_store_and_vectors(
    backend: str,
    options: dict[str, Any],
    expected: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VECTOR_URL", raising=False)
    assert names(create_cache_fabric(backend, **options)) == expected


def test_the_environment_says_where_the_vectors_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTOR_URL", "http://theirs")
    assert names(create_cache_fabric("vector"))[1] == "resident:qdrant http://theirs:6333"
    given = {"CACHE_BACKEND": "vector", "VECTOR_URL": "http://ours", "REDIS_URL": "redis://r"}
    assert names(resolve_fabric_from_env(given)) == (
        "memory",
        "resident:qdrant http://ours:6333",
    )


def test_the_token_of_the_http_api_is_no_option_of_a_fabric() -> None:
    resolve_fabric_from_env({"CACHE_BACKEND": "memory", "CACHE_FABRIC_API_TOKEN": "x"})
