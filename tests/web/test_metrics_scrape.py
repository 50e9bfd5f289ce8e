"""``GET /metrics``: all processes, in the format that is asked for, for who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cache_fabric import CacheFabric, CacheRequest, create_cache_fabric
from cache_fabric.web import create_app


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[CacheFabric]:
    """A fabric over a file on which another process has answered one request and one anew."""
    place = f"sqlite://{tmp_path / 'fabric.db'}"
    other = create_cache_fabric("memory", store=place)
    request = CacheRequest(model="m", messages=[{"role": "user", "content": "Where?"}])
    for _ in range(2):
        other.sync.get_or_call(request, lambda: "In Berne.")
    other.sync.close()
    fabric = create_cache_fabric("memory", store=place)
    yield fabric
    fabric.sync.close()


def client(fabric: CacheFabric, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(fabric, **options))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_one_scrape_is_for_all_processes(fabric: CacheFabric) -> None:
    async with client(fabric) as http:
        said = await http.get("/metrics")
    assert said.headers["content-type"].startswith("text/plain; version=")
    shown = {
        (sample.name, sample.labels.get("result"), sample.labels.get("tier")): sample.value
        for family in text_string_to_metric_families(said.text)
        for sample in family.samples
    }
    assert shown["cachefabric_requests_total", "hit", "hot"] == 1
    assert shown["cachefabric_requests_total", "miss", ""] == 1
    assert shown["cachefabric_sums_complete", None, None] == 1
    assert shown["cachefabric_watch_connected", None, None] == 1


async def test_who_asks_for_openmetrics_gets_it(fabric: CacheFabric) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    async with client(fabric) as http:
        said = await http.get("/metrics", headers={"Accept": accept})
    assert said.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert said.text.endswith("# EOF\n")


@pytest.mark.parametrize(("carried", "status"), [("secret", 200), ("other", 401), (None, 401)])
async def test_it_is_behind_the_token(
    fabric: CacheFabric, carried: str | None, status: int
) -> None:
    headers = {} if carried is None else {"Authorization": f"Bearer {carried}"}
    async with client(fabric, token="secret") as http:
        said = await http.get("/metrics", headers=headers)
    assert said.status_code == status
    assert ("cachefabric_" in said.text) is (status == 200)
