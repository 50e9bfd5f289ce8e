"""What a hit costs: exact against LangChain's own cache, semantic against the embedder alone."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cache_fabric.bench.timing import Row, interleaved
from cache_fabric.config import FabricConfig
from cache_fabric.drivers import make_embedder
from cache_fabric.factory import create_cache_fabric
from cache_fabric.keys import derive
from cache_fabric.types import CacheRequest, Hit

if TYPE_CHECKING:
    from cache_fabric.fabric import CacheFabric

__all__ = ["WORDS", "exact_hits", "semantic_hits"]

_SYSTEM = "You are the support assistant of a shop. Answer in two sentences."


def exact_hits(rounds: int = 3000) -> list[Row]:
    """Measure ``FabricCache.lookup`` on ``memory`` against ``InMemoryCache.lookup``.

    LangChain's cache looks two strings up in a dict. Ours derives a canonical, keyed key from them
    and decodes a private copy, so the honest bar is three times both of the first two rows.
    """
    from langchain_core.caches import InMemoryCache
    from langchain_core.load import dumps
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
    from langchain_core.outputs import ChatGeneration

    from cache_fabric.langchain import FabricCache
    from cache_fabric.langchain._prompt import read_request

    prompt = dumps([SystemMessage(_SYSTEM), HumanMessage("How do I return an item?")])
    llm_string = '{"id": ["x"], "kwargs": {"model_name": "gpt-4o-mini"}}---[(\'stop\', None)]'
    answer = [ChatGeneration(message=AIMessage("By post, within 60 days. " * 8))]
    theirs = InMemoryCache()
    theirs.update(prompt, llm_string, answer)
    fabric = create_cache_fabric("memory")
    with fabric.sync:
        ours = FabricCache(fabric)
        ours.update(prompt, llm_string, answer)
        request = read_request(prompt, llm_string)

        def key(_: int) -> object:
            read_request(prompt, llm_string)
            return derive(request, secret=b"s", namespace="n", embedder="e")

        found = interleaved(
            {
                "InMemoryCache.lookup": lambda _: theirs.lookup(prompt, llm_string),
                "canonical key": key,
                "FabricCache.lookup": lambda _: ours.lookup(prompt, llm_string),
            },
            rounds,
        )
        assert ours.lookup(prompt, llm_string)
    base = found["InMemoryCache.lookup"][0] + found["canonical key"][0]
    return _rows(found, base, {"FabricCache.lookup": "at most 3x the two rows above together"})


def semantic_hits(rounds: int = 500, entries: int = 10_000) -> list[Row]:
    """Measure a semantic hit on ``local`` against the embedder alone, with 10,000 entries.

    Once with all entries in one partition (one application), once spread over 20 (tenants).
    """
    embedder = make_embedder("wordllama")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(embedder.open())
    rows: list[Row] = []
    for partitions in (1, 20):
        with (
            tempfile.TemporaryDirectory() as folder,
            _filled(folder, entries, partitions) as fabric,
        ):
            asked = [_request(number, partitions, again=True) for number in range(entries)]

            def hit(number: int, asked: list[CacheRequest] = asked) -> object:
                found = fabric.sync.lookup(asked[number % len(asked)])
                assert isinstance(found, Hit), found
                return found

            def embed(number: int, asked: list[CacheRequest] = asked) -> object:
                text = asked[number % len(asked)].messages[-1]["content"]
                return loop.run_until_complete(embedder.embed([text]))

            for warm_up in range(2 * partitions):
                hit(warm_up)
            found = interleaved({"embedder alone": embed, "semantic hit": hit}, rounds)
            name = f"semantic hit, {entries:,} entries in {partitions} partitions"
            found[name] = found.pop("semantic hit")
            base = found["embedder alone"][0]
            rows += _rows(found, base, {name: "at most 3x the embedder"})
    loop.close()
    return rows


def _rows(found: dict[str, tuple[float, float]], base: float, bars: dict[str, str]) -> list[Row]:
    return [
        Row(name, p50, p99, p50 / base, bars.get(name, "")) for name, (p50, p99) in found.items()
    ]


@contextmanager
def _filled(folder: str, entries: int, partitions: int) -> Iterator[CacheFabric]:
    patient = FabricConfig(semantic_timeout=5.0, queue_entries=entries)
    fabric = create_cache_fabric("local", path=Path(folder), config=patient)
    with fabric.sync:
        for number in range(entries):
            fabric.sync.store(_request(number, partitions), f"answer {number}")
        fabric.sync.flush()
        yield fabric


def _request(number: int, partitions: int, *, again: bool = False) -> CacheRequest:
    rng = random.Random(number)  # noqa: S311 - a reproducible text, not a secret
    words = " ".join(rng.choice(WORDS) for _ in range(4))
    question = f"{'how can I' if again else 'how do I'} {words} item{number}"
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": question}]
    return CacheRequest(model="m", messages=messages, tenant=f"t{number % partitions}")


WORDS = [
    "return",
    "order",
    "parcel",
    "refund",
    "jacket",
    "tent",
    "boots",
    "delivery",
    "repair",
    "size",
    "colour",
    "invoice",
    "voucher",
    "account",
    "address",
    "stove",
    "bottle",
    "lamp",
    "rope",
    "poles",
    "sleeping",
    "bag",
    "map",
    "compass",
    "guarantee",
    "exchange",
]
