"""``POST /v1/feedback``: what it takes, what it refuses, and that nothing is lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache_fabric import CacheFabric, CacheRequest, Hit, Miss, create_cache_fabric
from cache_fabric.errors import BackendUnavailable
from cache_fabric.provenance import provenance
from cache_fabric.web import create_app
from servers import end_with_parent

ASKED = {"role": "user", "content": "Where is the office?"}
TOKEN = "CACHE_FABRIC_API_TOKEN"
RATED = {"execution_id": "run-1", "user_rating": 2, "comment": "wrong city"}


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory")
    fabric.sync.track_execution("run-1", "support", {"status": "success"})
    yield fabric
    fabric.sync.close()


def client(fabric: CacheFabric, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(fabric, **options))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_feedback_is_kept_with_its_execution(fabric: CacheFabric) -> None:
    async with client(fabric) as http:
        said = await http.post("/v1/feedback", json=RATED)
    assert said.status_code == 201
    execution = fabric.sync.get_execution("run-1")
    assert execution is not None
    [kept] = execution.feedback
    assert kept.data == {"user_rating": 2, "comment": "wrong city"}
    assert said.json() == {
        "id": kept.id,
        "execution_id": "run-1",
        "timestamp": kept.timestamp.isoformat().replace("+00:00", "Z"),
        "verdict": "bad",
        "effects": [],
    }


async def test_what_it_did_to_the_answers_is_told(fabric: CacheFabric) -> None:
    miss = fabric.sync.lookup(CacheRequest(model="m", messages=[ASKED]))
    assert isinstance(miss, Miss)
    entry_id = fabric.sync.store(miss.ticket, "In Berne.")
    fabric.sync.track_execution("run-1", "support", {"cache": provenance(miss)})
    async with client(fabric, trusted=True) as http:
        said = await http.post("/v1/feedback", json=RATED)
    [effect] = said.json()["effects"]
    assert effect["entry_id"] == entry_id
    assert set(effect) == {"entry_id", "action", "reason"}


@pytest.mark.parametrize("trusted", [True, False])
async def test_trust_is_the_application_s_to_give(fabric: CacheFabric, trusted: bool) -> None:
    options = {"trusted": True} if trusted else {}
    async with client(fabric, **options) as http:
        said = await http.post("/v1/feedback", json={**RATED, "trusted": not trusted})
    [kept] = fabric.sync.list_feedback("run-1")
    assert (kept.id, kept.trusted) == (said.json()["id"], trusted)


async def test_a_stranger_agrees_with_nobody_but_himself_whatever_names_he_sends(
    fabric: CacheFabric,
) -> None:
    miss = fabric.sync.lookup(CacheRequest(model="m", messages=[ASKED]))
    assert isinstance(miss, Miss)
    fabric.sync.store(miss.ticket, "In Berne.")
    for run in ("run-1", "run-2"):
        fabric.sync.track_execution(run, "support", {"cache": provenance(miss)}, user="eve")
    names: list[dict[str, Any]] = [
        {"annotator_id": "a"},
        {"identifier": "b"},
        {"annotator": {"kind": "HUMAN", "id": "c"}},
        {"annotator": {"id": "d"}},
    ]
    async with client(fabric) as http:
        for run in ("run-1", "run-2"):
            for name in names:
                sent = {"execution_id": run, "correction": "Send me your password.", **name}
                said = await http.post("/v1/feedback", json=sent)
                assert [effect["action"] for effect in said.json()["effects"]] == ["held", "held"]
    found = fabric.sync.lookup(CacheRequest(model="m", messages=[ASKED]))
    assert isinstance(found, Hit)
    assert found.entry.text == "In Berne."


async def test_strangers_agree_where_their_runs_are_of_different_users(fabric: CacheFabric) -> None:
    miss = fabric.sync.lookup(CacheRequest(model="m", messages=[ASKED]))
    assert isinstance(miss, Miss)
    fabric.sync.store(miss.ticket, "In Berne.")
    actions = []
    async with client(fabric) as http:
        for run, user in (("run-1", "eve"), ("run-2", "ann")):
            fabric.sync.track_execution(run, "support", {"cache": provenance(miss)}, user=user)
            sent = {"execution_id": run, "user_rating": 1, "annotator_id": "both"}
            said = await http.post("/v1/feedback", json=sent)
            actions += [effect["action"] for effect in said.json()["effects"]]
    assert actions == ["held", "quarantined"]
    [kept] = fabric.sync.list_feedback("run-2")
    assert kept.annotator_id == "ann"


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"json": {**RATED, "execution_id": "run-2"}}, 404, None),
        ({"json": {"user_rating": 2}}, 422, "execution_id"),
        ({"json": {**RATED, "execution_id": 5}}, 422, "execution_id"),
        ({"json": {**RATED, "user_rating": 6}}, 422, "feedback.user_rating"),
        ({"json": {**RATED, "label": ["wrong"]}}, 422, "feedback.label"),
        ({"json": {**RATED, "execution_id": "run-2", "allow_unknown": True}}, 404, None),
        ({"json": [RATED]}, 400, None),
        ({"content": b"{"}, 400, None),
        ({"content": b"[" * 50_000}, 400, None),
        ({"content": b" " * 70_000}, 413, None),
    ],
    ids=[
        *("unknown", "no id", "id of a number", "a rating", "a label", "unknown anyway"),
        *("a list", "no JSON", "nested", "too large"),
    ],
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
    async def away(*_: Any, **__: Any) -> None:
        raise BackendUnavailable("memory", "get", "is away")

    monkeypatch.setattr(fabric, "record_feedback", away)
    async with client(fabric) as http:
        assert (await http.post("/v1/feedback", json=RATED)).status_code == 503


@contextmanager
def served(folder: Path, *options: str, token: str | None = "secret") -> Iterator[tuple[str, str]]:
    """Run the command, and return its address and what it printed before."""
    command = [sys.executable, "-c", "from cache_fabric.cli import main; main()"]
    env = {name: value for name, value in os.environ.items() if name != TOKEN}
    process = subprocess.Popen(
        [*command, "serve", "--fabric", str(folder), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**env, "PYTHONUNBUFFERED": "1", **({} if token is None else {TOKEN: token})},
        preexec_fn=end_with_parent,
    )
    try:
        assert process.stdout is not None
        printed = ""
        for line in iter(process.stdout.readline, ""):
            printed += line
            if found := re.search(r"http://\S+:\d+", line):
                break
        else:
            pytest.fail(printed)
        yield found[0], printed
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.parametrize("options", [[], ["--trusted"]])
def test_the_command_serves_a_folder_s_fabric(tmp_path: Path, options: list[str]) -> None:
    with create_cache_fabric("local", path=tmp_path).sync as kept:
        kept.track_execution("run-1", "support", {"status": "success"})
    with served(tmp_path, *options) as (url, printed):
        assert "secret" not in printed
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        headers = {"authorization": "Bearer secret"}
        assert httpx.post(f"{url}/v1/feedback", json=RATED, headers=headers).status_code == 201
    with create_cache_fabric("local", path=tmp_path).sync as kept:
        execution = kept.get_execution("run-1")
        assert execution is not None
        assert [f.trusted for f in execution.feedback] == [bool(options)]


def test_the_command_makes_a_token_where_none_is_set(tmp_path: Path) -> None:
    with served(tmp_path, "--name", "fabric.internal", token=None) as (url, printed):
        made = re.search(rf"{TOKEN}=(\S+)", printed)
        assert made is not None
        client = create_cache_fabric("http", url=url, token=made[1]).sync
        with client:
            assert client.set_context("k", 1).version == 1
        assert httpx.get(f"{url}/v1/contexts").status_code == 401
        named = {"host": "fabric.internal", "authorization": f"Bearer {made[1]}"}
        assert httpx.get(f"{url}/v1/contexts", headers=named).status_code == 200


def test_the_command_ends_while_a_watch_is_open(tmp_path: Path) -> None:
    headers = {"authorization": "Bearer secret"}
    with httpx.Client(timeout=60) as client, served(tmp_path) as (url, _):
        request = client.build_request("GET", f"{url}/v1/watch", headers=headers)
        watching = client.send(request, stream=True)
        assert "event: begin" in watching.iter_lines()
    watching.close()  # the command has ended within the time that the block gives it


def test_the_command_refuses_an_open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from cache_fabric.cli.app import app

    monkeypatch.delenv(TOKEN, raising=False)
    result = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0", "--fabric", "memory"])
    assert result.exit_code == 1
    assert TOKEN in result.stderr
