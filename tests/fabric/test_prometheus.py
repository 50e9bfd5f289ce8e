"""A fabric that is scraped: by process or as a whole, in both colours, over faults and restarts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from cache_fabric import CacheFabric, CacheRequest, Verified, create_cache_fabric
from cache_fabric.errors import BackendUnavailable, SyncCallOnIOLoopError, ValidationError
from cache_fabric.instrumentation.events import LookupEvent
from cache_fabric.instrumentation.prometheus import FabricCollector
from cache_fabric.stores.memory import MemoryStore


class Unreadable(MemoryStore):
    """Gives no document."""

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.documents.find = self._find  # type: ignore[method-assign]

    async def _find(self, *_: Any, **__: Any) -> Any:
        raise BackendUnavailable("memory", "find", "is away")


def request(question: str = "How do I return an item?") -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": question}])


def values(families: Iterable[Metric]) -> dict[str, float]:
    """Samples of all labels added up, by name."""
    found: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            name = sample.name.removeprefix("cachefabric_")
            found[name] = found.get(name, 0.0) + sample.value
    return found


def use(fabric: CacheFabric, hits: int) -> None:
    for _ in range(hits + 1):
        fabric.sync.get_or_call(request(), lambda: "By post.")


def test_a_registry_shows_what_the_process_did_at_each_scrape() -> None:
    fabric, registry = create_cache_fabric("memory"), CollectorRegistry()
    registry.register(FabricCollector(fabric))
    hot = {"result": "hit", "tier": "hot", "model": "m", "graph": ""}
    assert registry.get_sample_value("cachefabric_requests_total", hot) is None
    for hits in (1, 3):
        use(fabric, hits)
        figures = fabric.sync.get_metrics()
        shown = registry.get_sample_value("cachefabric_requests_total", hot)
        assert shown == figures["hits"]
    fabric.sync.close()
    assert registry.get_sample_value("cachefabric_requests_total", hot) == 5


def test_a_registry_takes_it_without_asking_the_fabric() -> None:
    fabric = create_cache_fabric("memory", store=Unreadable("n"))
    registry = CollectorRegistry(auto_describe=True)
    registry.register(FabricCollector(fabric, scope="fabric"))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(FabricCollector(fabric))
    assert fabric._life().contexts.live.view is None


def test_the_scope_is_a_process_or_all_of_them(tmp_path: Path) -> None:
    place = f"sqlite://{tmp_path / 'fabric.db'}"
    one, two = (create_cache_fabric("memory", store=place) for _ in range(2))
    use(one, 2)
    use(two, 3)
    two.sync.close()  # and so writes its sums
    assert values(FabricCollector(one).collect())["requests_total"] == 3
    portal, sums = one._life().portal, one._life().sums
    portal.call(lambda: sums.write())
    found = values(FabricCollector(one, scope="fabric").collect())
    assert found["requests_total"] == 7
    assert found["sums_complete"] == 1
    one.sync.close()


def test_a_killed_process_lowers_no_counter_of_the_whole(tmp_path: Path) -> None:
    place = f"sqlite://{tmp_path / 'fabric.db'}"
    killed = create_cache_fabric("memory", store=place)
    use(killed, 2)
    life = killed._life()
    life.portal.call(lambda: life.sums.write())
    use(killed, 4)  # what is not written is lost with it
    before = values(FabricCollector(killed, scope="fabric").collect())
    successor = create_cache_fabric("memory", store=place)
    after = values(FabricCollector(successor, scope="fabric").collect())
    assert before["requests_total"] == after["requests_total"] == 3
    successor.sync.close()
    killed.sync.close()


async def test_async_servers_collect_the_same(tmp_path: Path) -> None:
    async with create_cache_fabric("memory") as fabric:
        await fabric.get_or_call(request(), answer)
        await fabric._life().sums.write()
        for collector in (FabricCollector(fabric), FabricCollector(fabric, scope="fabric")):
            found = values(await collector.acollect())
            assert (found["requests_total"], found["sums_complete"]) == (1, 1)
        assert values(FabricCollector(fabric).collect())["requests_total"] == 1
        with pytest.raises(SyncCallOnIOLoopError):
            FabricCollector(fabric, scope="fabric").collect()


async def answer() -> str:
    return "By post."


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_without_the_store_a_scrape_has_gauges_and_no_counters(colour: str) -> None:
    fabric = create_cache_fabric("memory", store=Unreadable("n"))
    use(fabric, 1)
    collector = FabricCollector(fabric, scope="fabric")
    found = values(collector.collect() if colour == "sync" else asyncio.run(collector.acollect()))
    assert found["sums_complete"] == 0
    assert not [name for name in found if name.endswith(("_total", "_bucket"))]
    assert "history_queue_size" in found
    assert values(FabricCollector(fabric).collect())["requests_total"] == 2
    fabric.sync.close()


def test_it_tells_how_the_process_stands() -> None:
    fabric = create_cache_fabric("memory", policy=Verified(max_error=0.02))
    collector = FabricCollector(fabric)
    assert {"context_revision", "watch_connected", "answers"}.isdisjoint(
        values(collector.collect())
    )
    fabric.sync.set_context("k", 1)
    fabric.sync.track_execution("run", "graph", {"status": "success"})
    fabric.sync.get_execution("run")
    found = values(collector.collect())
    assert (found["context_revision"], found["watch_connected"]) == (1, 1)
    assert found["false_hit_budget_ratio"] == 0.02
    assert found["history_queue_size"] == 0
    assert found["history_written_total"] == 1
    assert found["history_last_write_timestamp_seconds"] > 1.7e9
    fabric._life().contexts.live.freshness.connected = False
    assert values(collector.collect())["watch_connected"] == 0
    fabric.sync.close()


def test_answers_under_a_verdict_are_counted() -> None:
    fabric = create_cache_fabric("memory")
    entries: list[Any] = []
    for question in ("one", "two", "three"):
        miss: Any = fabric.sync.lookup(request(question))
        entries.append(fabric.sync.store(miss.ticket, question))
    fabric.sync.flush()
    fabric.sync.retire_answer(entries[0])
    fabric.sync.pin_answer(entries[1])
    states = {
        sample.labels["state"]: sample.value
        for family in FabricCollector(fabric).collect()
        if family.name == "cachefabric_answers"
        for sample in family.samples
    }
    assert states == {"quarantined": 1, "pinned": 1}
    fabric.sync.close()


@pytest.mark.parametrize("scope", ["all", "", None])
def test_another_scope_is_refused(scope: Any) -> None:
    with pytest.raises(ValidationError, match=r'scope: expected "process" or "fabric"'):
        FabricCollector(create_cache_fabric("memory"), scope=scope)


def test_without_prometheus_client_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "from cache_fabric.errors import MissingExtraError\n"
        "try:\n"
        "    import cache_fabric.instrumentation.prometheus\n"
        "except MissingExtraError as error:\n"
        "    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install 'cache-fabric[otel]'" in done.stdout


def test_of_too_many_models_the_same_are_named_whoever_writes_last(tmp_path: Path) -> None:
    place = f"sqlite://{tmp_path / 'fabric.db'}"
    fabrics = [create_cache_fabric("memory", store=place) for _ in range(4)]
    collector = FabricCollector(fabrics[0], scope="fabric")
    shown: set[frozenset[str]] = set()
    for number, fabric in enumerate([*fabrics, *fabrics, *reversed(fabrics)]):
        for model in range(150):
            name = f"{fabrics.index(fabric)}-{model}"
            fabric._metrics(LookupEvent(outcome="miss", model=name, reason="", seconds=0.1))
        life = fabric._life()
        life.portal.call(life.sums.write)
        if number >= len(fabrics) - 1:
            models = {
                sample.labels["model"]
                for family in collector.collect()
                for sample in family.samples
                if sample.name == "cachefabric_requests_total"
            }
            assert len(models) == 201
            shown.add(frozenset(models))
    assert len(shown) == 1
    for fabric in fabrics:
        fabric.sync.close()
