"""The ``local`` preset: warm after a restart, and clear when its folder cannot be used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cache_fabric import CacheFabric, CacheRequest, Hit, Miss, Threshold, create_cache_fabric
from cache_fabric.errors import ConfigurationError

Ask = Callable[..., CacheRequest]
QUESTION, PARAPHRASE = "How do I return an item?", "How can I return an item?"


async def keep(fabric: CacheFabric, request: CacheRequest) -> None:
    missed = await fabric.lookup(request)
    assert isinstance(missed, Miss)
    await fabric.store(missed.ticket, "By post.")


async def test_a_second_run_starts_warm_in_both_tiers(tmp_path: Path, ask: Ask) -> None:
    async with create_cache_fabric("local", path=tmp_path, policy=Threshold()) as first:
        await keep(first, ask(QUESTION))
    async with create_cache_fabric("local", path=tmp_path, policy=Threshold()) as second:
        exact = await second.lookup(ask(QUESTION))
        near = await second.lookup(ask(PARAPHRASE))
        assert isinstance(exact, Hit)
        assert isinstance(near, Hit)
        assert (exact.tier, near.tier) == ("exact", "semantic")
        assert (await second.inspect()).metrics["requests"] == 3


UNCLOSED = """
import sys
from cache_fabric import CacheRequest, create_cache_fabric

fabric = create_cache_fabric("local", path=sys.argv[1])
messages = [{"role": "system", "content": "You are a shop's support."}]
messages += [{"role": "user", "content": "How do I return an item?"}]
request = CacheRequest(model="gpt-4o-mini", messages=messages)
fabric.sync.get_or_call(request, lambda: "By post.")
"""


def test_a_script_that_never_closes_its_fabric_loses_nothing(tmp_path: Path, ask: Ask) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    with create_cache_fabric("local", path=tmp_path, policy=Threshold()).sync as fabric:
        assert isinstance(fabric.lookup(ask(QUESTION)), Hit)
        assert isinstance(fabric.lookup(ask(PARAPHRASE)), Hit)
        assert fabric.inspect().metrics["misses"] == 1


async def test_two_namespaces_in_one_folder_do_not_meet(tmp_path: Path, ask: Ask) -> None:
    async with create_cache_fabric(
        "local", path=tmp_path, policy=Threshold(), namespace="a"
    ) as first:
        await keep(first, ask(QUESTION))
        async with create_cache_fabric(
            "local", path=tmp_path, policy=Threshold(), namespace="b"
        ) as second:
            assert isinstance(await second.lookup(ask(PARAPHRASE)), Miss)
            assert await second.clear() == 0
        assert isinstance(await first.lookup(ask(QUESTION)), Hit)


async def test_another_embedders_index_is_refused_on_open_and_costs_only_the_semantic_tier(
    tmp_path: Path, ask: Ask
) -> None:
    async with create_cache_fabric("local", path=tmp_path, policy=Threshold()) as first:
        await keep(first, ask(QUESTION))

    def embed(text: str) -> list[float]:
        return [1.0, float(len(text))]

    other = create_cache_fabric("local", path=tmp_path, policy=Threshold(), embedder=embed)
    with pytest.raises(ConfigurationError, match="wordllama"):
        await other.open()
    missed = await other.lookup(ask(PARAPHRASE))
    assert isinstance(missed, Miss)
    assert missed.degraded == "index"
    await other.store(missed.ticket, "By post.")
    assert isinstance(await other.lookup(ask(PARAPHRASE)), Hit)
    await other.aclose()
    async with create_cache_fabric("local", path=tmp_path, policy=Threshold()) as again:
        assert isinstance(await again.lookup(ask(PARAPHRASE)), Hit)


async def test_a_corrupt_database_costs_the_cache_and_never_the_call(
    tmp_path: Path, ask: Ask
) -> None:
    (tmp_path / "fabric.db").write_bytes(b"this is not a database, at all" * 100)
    fabric = create_cache_fabric("local", path=tmp_path, policy=Threshold())
    missed = await fabric.lookup(ask(QUESTION))
    assert isinstance(missed, Miss)
    assert missed.degraded == "store"
    await fabric.store(missed.ticket, "By post.")
    await fabric.aclose()
    assert (tmp_path / "fabric.db").read_bytes().startswith(b"this is not a database")
