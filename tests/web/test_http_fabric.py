"""``create_cache_fabric("http")``: a fabric of another process keeps its promises over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    create_cache_fabric,
    resolve_fabric_from_env,
)
from cache_fabric.cli.app import app
from cache_fabric.errors import BackendError, ConfigurationError
from cache_fabric.records import ContextChange
from cache_fabric.web import create_app
from servers import eventually, free_ports
from web_server import serving

TOKEN = "secret"
MOST_EXTRA = 0.5  # seconds; 0.1 where nothing else runs
PATIENT = FabricConfig(exact_timeout=10, semantic_timeout=10)  # these tests are not about budgets


class Served:
    """A fabric and its server, which can be stopped and started again."""

    def __init__(self, path: Path) -> None:
        self.fabric = create_cache_fabric("local", path=path, config=PATIENT)
        self._port = free_ports(1)[0]
        self._running = ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._running.enter_context(serving(create_app(self.fabric, token=TOKEN), self._port))

    def stop(self) -> None:
        self._running.close()

    def client(self) -> CacheFabric:
        return create_cache_fabric("http", url=self.url, token=TOKEN, config=PATIENT)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.start()
    yield served
    served.stop()
    served.fabric.sync.close()


def asked(text: str) -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}])


def test_both_ends_see_what_the_other_one_writes(served: Served) -> None:
    with served.client().sync as client:
        client.set_context("router:risk", "v1")
        entry = served.fabric.sync.get_context("router:risk", max_staleness=0)
        assert entry.value == "v1"
        served.fabric.sync.set_context("router:risk", "v2")
        eventually(lambda: client.get_context("router:risk").value == "v2", "the change")


def test_answers_are_shared_by_their_words_and_by_their_meaning(served: Served) -> None:
    with served.client().sync as one, served.client().sync as other:
        miss = one.lookup(asked("How do I reset my password?"))
        assert isinstance(miss, Miss)
        one.store(miss.ticket, "Click on 'forgot'.")
        one.flush()
        exact = other.lookup(asked("How do I reset my password?"))
        assert isinstance(exact, Hit)
        assert (exact.tier, exact.entry.payload) == ("exact", "Click on 'forgot'.")
        near = other.search_similar("how can I reset my password")
        assert near[0]["key"] == exact.entry.id
        meant = served.fabric.sync.lookup(asked("How do I reset my password ?"))
        assert isinstance(meant, Hit)


def test_runs_and_what_is_said_of_them_are_kept_by_the_server(served: Served) -> None:
    with served.client().sync as client:
        client.track_execution("run-1", "support", {"input": "Where?"}, durable=True)
        client.record_feedback("run-1", {"user_rating": 5})
    kept = served.fabric.sync.get_execution("run-1")
    assert kept is not None
    assert [one.verdict for one in kept.feedback] == ["good"]


def test_while_the_server_is_away_contexts_are_known_and_lookups_are_counted_misses(
    served: Served,
) -> None:
    with served.client().sync as client:
        client.set_context("router:risk", "v1")
        assert client.get_context("router:risk").value == "v1"
        served.stop()
        result = client.lookup(asked("Is anybody there?"))
        assert isinstance(result, Miss)
        assert result.degraded == "store"
        assert client.get_metrics()["misses"] == 1
        eventually(lambda: client.get_context("router:risk").stale, "the outage to be noticed")
        assert client.get_context("router:risk").value == "v1"
        with pytest.raises(BackendError):
            client.set_context("router:risk", "v2")
        served.fabric.sync.set_context("router:risk", "v2")
        served.start()
        eventually(lambda: client.get_context("router:risk").value == "v2", "the change")
        eventually(lambda: not client.get_context("router:risk").stale, "the view to be current")


def test_a_server_that_hangs_costs_a_lookup_its_budget_and_no_more(served: Served) -> None:
    hung, app = threading.Event(), create_app(served.fabric, token=TOKEN)

    async def hanging(scope: Any, receive: Any, send: Any) -> None:
        while hung.is_set():
            await asyncio.sleep(0.01)
        await app(scope, receive, send)

    with (
        serving(hanging) as url,
        create_cache_fabric("http", url=url, token=TOKEN).sync as client,
    ):
        client.lookup(asked("Is anybody there?"))
        hung.set()
        began = time.monotonic()
        for number in range(20):
            result = client.lookup(asked(f"Is anybody there, number {number}?"))
            assert isinstance(result, Miss)
            assert result.degraded is not None
            client.release(result.ticket)
        assert time.monotonic() - began < 20 * MOST_EXTRA
        hung.clear()


async def test_a_watch_survives_a_restart_of_the_server_without_a_gap(served: Served) -> None:
    async with served.client() as client:
        first = await client.set_context("a", 0)
        seen: list[tuple[int, int]] = []
        enough = asyncio.Event()

        async def follow() -> None:
            async for change in client.watch(after=first.revision):
                assert isinstance(change, ContextChange)
                seen.append((change.revision, change.version))
                if len(seen) == 6:
                    enough.set()

        following = asyncio.create_task(follow())
        write = served.fabric.sync.set_context
        written = []
        for value in range(1, 7):
            if value == 3:
                await asyncio.to_thread(served.stop)
            if value == 5:
                await asyncio.to_thread(served.start)
            entry = await asyncio.to_thread(write, "a", value)
            written.append((entry.revision, entry.version))
        await asyncio.wait_for(enough.wait(), 60)
        following.cancel()
        assert seen == written


def test_the_environment_and_the_command_line_name_a_server(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.fabric.sync.set_context("router:risk", "You judge risks.")
    monkeypatch.setenv("CACHE_FABRIC_API_TOKEN", TOKEN)
    environ = {"CACHE_BACKEND": "http", "CACHE_FABRIC_URL": served.url}
    with resolve_fabric_from_env(environ).sync as client:
        assert client.get_context("router:risk").value == "You judge risks."
    said = CliRunner().invoke(app, ["contexts", "ls", "--json", "--fabric", served.url])
    assert said.exit_code == 0, said.output
    assert [one["key"] for one in json.loads(said.stdout)] == ["router:risk"]


def test_a_token_is_not_shown_by_what_fails() -> None:
    client = create_cache_fabric("http", url="http://127.0.0.1:1", token="canary-token")
    with pytest.raises(BackendError) as told:
        client.sync.open()
    client.sync.close()
    assert "canary" not in "".join(traceback.format_exception(told.value))


def test_a_namespace_that_is_not_the_server_s_is_refused(served: Served) -> None:
    client = create_cache_fabric("http", url=served.url, token=TOKEN, namespace="other")
    with pytest.raises(ConfigurationError, match="namespace"):
        client.sync.open()
    client.sync.close()
