"""``POST /v1/feedback``: what it takes, what it refuses, and that nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.errors import BackendUnavailable
from cache_fabric.web import create_app
from servers import end_with_parent

RATED = {"execution_id": "run-1", "user_rating": 2, "comment": "wrong city"}


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory")
    fabric.sync.track_execution("run-1", "support", {"status": "success"})
    yield fabric
    fabric.sync.close()


def client(fabric: CacheFabric, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(fabric, **options))
    return httpx.AsyncClient(transport=transport, base_url="http://fabric")


async def test_feedback_is_kept_with_its_execution(fabric: CacheFabric) -> None:
    async with client(fabric) as http:
        said = await http.post("/v1/feedback", json=RATED)
    assert said.status_code == 201
    assert said.json()["execution_id"] == "run-1"
    execution = fabric.sync.get_execution("run-1")
    assert execution is not None
    assert [f.data for f in execution.feedback] == [{"user_rating": 2, "comment": "wrong city"}]


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"json": {**RATED, "execution_id": "run-2"}}, 404, None),
        ({"json": {"user_rating": 2}}, 422, "execution_id"),
        ({"json": {**RATED, "execution_id": 5}}, 422, "execution_id"),
        ({"json": [RATED]}, 400, None),
        ({"content": b"{"}, 400, None),
        ({"content": b"[" * 50_000}, 400, None),
        ({"content": b" " * 70_000}, 413, None),
    ],
    ids=["unknown", "no id", "id of a number", "a list", "no JSON", "nested", "too large"],
)
async def test_what_cannot_be_kept_is_refused(
    fabric: CacheFabric, sent: dict[str, Any], status: int, field: str | None
) -> None:
    async with client(fabric) as http:
        said = await http.post("/v1/feedback", **sent)
    assert (said.status_code, said.json()["error"]["field"]) == (status, field)
    execution = fabric.sync.get_execution("run-1")
    assert execution is not None
    assert execution.feedback == ()


@pytest.mark.parametrize("given", [None, "Bearer other", "Basic secret", "Bearer secret2"])
async def test_a_token_lets_only_its_bearer_in(fabric: CacheFabric, given: str | None) -> None:
    headers = {} if given is None else {"authorization": given}
    async with client(fabric, token="secret") as http:
        refused = await http.post("/v1/feedback", json=RATED, headers=headers)
        taken = await http.post(
            "/v1/feedback", json=RATED, headers={"authorization": "Bearer secret"}
        )
    assert (refused.status_code, taken.status_code) == (401, 201)


async def test_a_store_that_is_away_is_told(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise BackendUnavailable("memory", "get", "is away")

    monkeypatch.setattr(fabric, "record_feedback", away)
    async with client(fabric) as http:
        assert (await http.post("/v1/feedback", json=RATED)).status_code == 503


def test_the_command_serves_a_folder_s_fabric(tmp_path: Path) -> None:
    with create_cache_fabric("local", path=tmp_path).sync as kept:
        kept.track_execution("run-1", "support", {"status": "success"})
    command = [sys.executable, "-c", "from cache_fabric.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "serve", "--fabric", str(tmp_path), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CACHE_FABRIC_API_TOKEN": "secret"},
        preexec_fn=end_with_parent,
    )
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        url = next(m[0] for line in lines if (m := re.search(r"http://\S+:\d+", line)))
        assert httpx.get(f"{url}/health").json() == {"status": "ok"}
        headers = {"authorization": "Bearer secret"}
        assert httpx.post(f"{url}/v1/feedback", json=RATED, headers=headers).status_code == 201
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    with create_cache_fabric("local", path=tmp_path).sync as kept:
        execution = kept.get_execution("run-1")
        assert execution is not None
        assert len(execution.feedback) == 1


def test_the_command_refuses_an_open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from cache_fabric.cli.app import app

    monkeypatch.delenv("CACHE_FABRIC_API_TOKEN", raising=False)
    result = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0", "--fabric", "memory"])
    assert result.exit_code == 1
    assert "CACHE_FABRIC_API_TOKEN" in result.stderr
