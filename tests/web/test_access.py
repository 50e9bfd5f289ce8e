"""Who is let in: rows D10 to D25 of the attack list that an API can be attacked by."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.errors import ConfigurationError
from cache_fabric.web import create_app, tokens
from cache_fabric.web.access import Access
from cache_fabric.web.operations import Operation
from cache_fabric.web.tokens import COOKIE, Token
from web_server import serving

TOKEN = "a-long-secret"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory")
    yield fabric
    fabric.sync.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Do not really wait for who guesses, but note for how long."""
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(tokens, "sleep", note)
    return waited


def client(fabric: CacheFabric, **options: Any) -> httpx.AsyncClient:
    app = create_app(fabric, **{"token": TOKEN, **options})
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8090", headers=BEARER)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:8090", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
        ("localhost", 200),
        ("LOCALHOST:8090", 200),
        ("127.0.0.1:8090", 200),
        ("[::1]:8090", 200),
        ("10.1.2.3:8090", 200),
        ("fabric.internal", 200),
    ],
)
async def test_a_name_that_is_not_the_server_s_is_refused(
    fabric: CacheFabric, host: str, status: int
) -> None:
    async with client(fabric, hosts=["Fabric.internal"]) as http:
        said = await http.get("/v1/contexts", headers={"host": host})
        assert said.status_code == status


async def test_two_host_headers_are_refused(fabric: CacheFabric) -> None:
    async with client(fabric) as http:
        headers = [("host", "localhost"), ("host", "evil.example"), *BEARER.items()]
        assert (await http.get("/v1/contexts", headers=headers)).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3000", ""])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/feedback"),
        ("PUT", "/v1/contexts/k"),
        ("GET", "/v1/contexts"),
        ("GET", "/v1/watch"),
        ("OPTIONS", "/v1/contexts/k"),
        ("GET", "/healthz"),
    ],
)
async def test_another_origin_is_refused_and_is_told_nothing(
    fabric: CacheFabric, origin: str, method: str, path: str
) -> None:
    async with client(fabric) as http:
        headers = {"origin": origin, "content-type": "text/plain"}
        said = await http.request(method, path, headers=headers, content='{"value": 1}')
    assert said.status_code == 403
    assert not [name for name in said.headers if name.startswith("access-control-")]
    assert await fabric.list_contexts() == []


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)]
)
async def test_a_browser_that_names_another_site_is_refused(
    fabric: CacheFabric, site: str, status: int
) -> None:
    async with client(fabric) as http:
        said = await http.get("/v1/contexts", headers={"sec-fetch-site": site})
    assert said.status_code == status


async def test_the_server_s_own_origin_is_let_in(fabric: CacheFabric) -> None:
    async with client(fabric) as http:
        headers = {"origin": "http://localhost:8090"}
        said = await http.put("/v1/contexts/k", json={"value": 1}, headers=headers)
    assert said.status_code == 201


async def test_every_operation_but_the_probes_asks_for_the_token(
    fabric: CacheFabric, quick: list[float]
) -> None:
    async with client(fabric) as http:
        paths = (await http.get("/v1/openapi.json")).json()["paths"]
        paths["/v1/parts/store/get"] = {"post": {}}
        paths["/v1/nothing"] = {"get": {}}
        del http.headers["authorization"]
        for path, methods in paths.items():
            for method in methods:
                said = await http.request(method, path.replace("{", "").replace("}", ""))
                if path in {"/healthz", "/readyz", "/session"}:
                    assert said.status_code in {200, 204, 400}
                else:
                    assert said.status_code == 401, path
                    assert said.headers["www-authenticate"] == "Bearer"


async def test_who_guesses_tokens_waits_longer_each_time_and_nobody_else_does(
    fabric: CacheFabric, quick: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    door = Access(create_app(fabric), Token(TOKEN))
    transport = httpx.ASGITransport(app=door)
    with caplog.at_level(logging.DEBUG, "cache_fabric"):
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            for number in range(1_000):
                guess = {"authorization": f"Bearer guess-{number}"}
                assert (await http.get("/v1/contexts", headers=guess)).status_code == 401
            waited = list(quick)
            assert (await http.get("/v1/contexts", headers=BEARER)).status_code == 200
    assert waited == sorted(waited)
    assert (len(waited), waited[0] < waited[-1] <= 1.0) == (1_000, True)
    assert quick == waited
    assert door.refused["token"] == 1_000
    assert "guess" not in caplog.text
    assert len(caplog.records) < 10


async def test_guesses_that_wait_are_bounded(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, waiting = asyncio.Event(), 0

    async def wait(_: float) -> None:
        nonlocal waiting
        waiting += 1
        await released.wait()

    monkeypatch.setattr(tokens, "sleep", wait)
    async with client(fabric) as http:
        wrong = {"authorization": "Bearer wrong"}
        guesses = [asyncio.create_task(http.get("/v1/contexts", headers=wrong)) for _ in range(99)]
        done, _ = await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        assert done
        released.set()
        assert {(await guess).status_code for guess in guesses} == {401}
    assert waiting == 64


@pytest.mark.parametrize(
    "given", [f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Bearer \xe9"]
)
async def test_only_the_whole_token_of_a_bearer_opens(
    fabric: CacheFabric, quick: list[float], given: str
) -> None:
    async with client(fabric) as http:
        headers = {b"authorization": given.encode("latin-1")}
        assert (await http.get("/v1/contexts", headers=headers)).status_code == 401


async def test_a_token_in_the_address_opens_nothing(
    fabric: CacheFabric, quick: list[float]
) -> None:
    async with client(fabric) as http:
        del http.headers["authorization"]
        assert (await http.get(f"/v1/contexts?token={TOKEN}")).status_code == 401


def test_an_empty_token_is_refused(fabric: CacheFabric) -> None:
    with pytest.raises(ConfigurationError, match="token"):
        create_app(fabric, token="")


async def test_get_changes_nothing(fabric: CacheFabric) -> None:
    await fabric.set_context("k", 1)
    before = await fabric.snapshot_contexts()
    async with client(fabric) as http:
        paths = (await http.get("/v1/openapi.json")).json()["paths"]
        for path, methods in paths.items():
            if path not in {"/v1/watch", "/v1/events"}:  # they do not end
                named = path.replace("{key}", "k").replace("{id}", "k").replace("{label}", "k")
                assert (await http.get(f"{named}?id=1&delete=1")).status_code < 500
                if "get" not in methods:
                    assert (await http.get(named)).status_code in {404, 405}
    assert (await fabric.snapshot_contexts()) == before


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/contexts/..%2f..%2fetc%2fpasswd", "/v1/contexts/%2e%2e%2f", "/%2e%2e/etc/passwd"),
        *("/v1/contexts/a%5c..%5cb", "/static/..%2fapp.py", "/v1/..%2fhealthz"),
    ],
)
async def test_no_path_leads_out_of_the_api(fabric: CacheFabric, path: str) -> None:
    async with client(fabric) as http:
        said = await http.get(path)
    assert said.status_code == 404


@pytest.mark.parametrize("key", ["a%00b", "a%0d%0aset-cookie:x", "a%ff", "%ed%a0%80", "k" * 513])
async def test_a_key_that_is_none_is_refused(fabric: CacheFabric, key: str) -> None:
    async with client(fabric) as http:
        said = await http.put(f"/v1/contexts/{key}", json={"value": 1})
    assert (said.status_code, said.json()["error"]["field"]) == (422, "key")
    assert "set-cookie" not in said.headers


async def test_what_is_not_there_and_what_is_another_one_s_is_answered_alike(
    fabric: CacheFabric,
) -> None:
    await fabric.track_execution("theirs", "g", {"input": "secret"}, tenant="other")
    async with client(fabric) as http:
        theirs = await http.get("/v1/executions/theirs?tenant=mine")
        nobody = await http.get("/v1/executions/nobody?tenant=mine")
    assert (theirs.status_code, theirs.content) == (nobody.status_code, nobody.content)
    assert theirs.status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/healthz", {}, 200),
        ("/v1/contexts", BEARER, 200),
        ("/v1/contexts", {}, 401),
        ("/v1/contexts", {"host": "evil.example"}, 421),
        ("/v1/contexts", {"origin": "null"}, 403),
        ("/v1/nothing", BEARER, 404),
        ("/v1/contexts/none", BEARER, 404),
    ],
)
async def test_every_answer_is_strict_with_browsers(
    fabric: CacheFabric, quick: list[float], path: str, headers: dict[str, str], status: int
) -> None:
    async with client(fabric) as http:
        del http.headers["authorization"]
        said = await http.get(path, headers=headers)
    assert said.status_code == status
    assert "default-src 'none'" in said.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in said.headers["content-security-policy"]
    assert said.headers["x-frame-options"] == "DENY"
    assert said.headers["x-content-type-options"] == "nosniff"
    assert said.headers["referrer-policy"] == "no-referrer"
    assert said.headers["cache-control"] == "no-store"
    assert said.headers["content-type"] == "application/json"


async def test_a_fault_of_ours_is_told_in_the_same_form_and_without_its_words(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the prompt was: canary")

    monkeypatch.setattr(fabric, "list_contexts", broken)
    async with client(fabric) as http:
        said = await http.get("/v1/contexts")
    assert said.status_code == 500
    assert "canary" not in said.text
    assert said.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"value": "' + b"x" * 3_000_000 + b'"}', {}, 413),
        (b'{"value": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", {}, 400),
        (b'{"value": NaN}', {}, 400),
        (b'{"value": "\\ud800"}', {}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b'{"value": 1}', {"content-type": "text/plain"}, 415),
        (b'{"value": 1, "valeu": 2}', {}, 422),
        (json.dumps({"value": "x" * 1_100_000}).encode(), {}, 422),
        (b'{"value": ' + b"[" * 70 + b"]" * 70 + b"}", {}, 422),
    ],
    ids=["too large", "too deep", "nan", "surrogate", "list", "none", "text", "typo", "mib", "70"],
)
async def test_a_body_that_is_none_is_refused_before_anything_is_done(
    fabric: CacheFabric, content: bytes, headers: dict[str, str], status: int
) -> None:
    async with client(fabric) as http:
        said = await http.put("/v1/contexts/k", content=content, headers=headers)
    assert said.status_code == status, said.text
    assert await fabric.list_contexts() == []


def test_a_websocket_is_refused(fabric: CacheFabric) -> None:
    with serving(create_app(fabric, token=TOKEN)) as url:
        upgrade = {
            **BEARER,
            "connection": "upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        assert httpx.get(f"{url}/v1/watch", headers=upgrade, timeout=10).status_code == 403


OWN = {"origin": "http://localhost:8090"}


async def test_a_session_opens_the_api_to_its_own_pages(fabric: CacheFabric) -> None:
    async with client(fabric) as http:
        del http.headers["authorization"]
        begun = await http.post("/session", json={"token": TOKEN}, headers=OWN)
        assert begun.status_code == 204
        [set_cookie] = begun.headers.get_list("set-cookie")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(set_cookie.split("; "))
        assert TOKEN not in set_cookie
        assert (await http.get("/v1/contexts")).status_code == 200
        body = {"value": 1}
        assert (await http.put("/v1/contexts/k", json=body)).status_code == 403
        foreign = {"origin": "http://evil.example"}
        assert (await http.put("/v1/contexts/k", json=body, headers=foreign)).status_code == 403
        assert (await http.put("/v1/contexts/k", json=body, headers=OWN)).status_code == 201
        assert (await http.delete("/session", headers=OWN)).status_code == 204
        assert (await http.get("/v1/contexts")).status_code == 401


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
async def test_a_session_over_tls_stays_there(
    fabric: CacheFabric, scheme: str, secure: bool
) -> None:
    async with client(fabric) as http:
        origin = {"origin": f"{scheme}://localhost:8090"}
        begun = await http.post("/session", json={"token": TOKEN}, headers=origin)
    assert ("Secure" in begun.headers["set-cookie"].split("; ")) is secure


async def test_a_session_needs_the_token(fabric: CacheFabric, quick: list[float]) -> None:
    async with client(fabric) as http:
        del http.headers["authorization"]
        refused = await http.post("/session", json={"token": "wrong"}, headers=OWN)
        assert (refused.status_code, len(quick)) == (401, 1)
        assert "set-cookie" not in refused.headers
        foreign = {"origin": "http://evil.example"}
        stolen = await http.post("/session", json={"token": TOKEN}, headers=foreign)
        assert (stolen.status_code, "set-cookie" in stolen.headers) == (403, False)


async def test_a_session_outlasts_the_server_and_not_its_token(
    fabric: CacheFabric, quick: list[float]
) -> None:
    cookie = {"cookie": f"{COOKIE}={Token(TOKEN).new_session()}"}
    async with client(fabric) as http:
        del http.headers["authorization"]
        assert (await http.get("/v1/contexts", headers=cookie)).status_code == 200
    async with client(fabric, token="another") as http:
        del http.headers["authorization"]
        assert (await http.get("/v1/contexts", headers=cookie)).status_code == 401


async def test_a_session_ends(
    fabric: CacheFabric, quick: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = {"cookie": f"{COOKIE}={Token(TOKEN).new_session()}"}
    later = time.time() + tokens.SESSION_SECONDS + 1
    monkeypatch.setattr("cache_fabric.web.tokens.time.time", lambda: later)
    async with client(fabric) as http:
        del http.headers["authorization"]
        assert (await http.get("/v1/contexts", headers=cookie)).status_code == 401


@pytest.mark.parametrize("value", ["", ".", "9999999999.", "9999999999.00", "x.y", "\xe9", "=;"])
async def test_a_forged_session_opens_nothing(
    fabric: CacheFabric, quick: list[float], value: str
) -> None:
    async with client(fabric) as http:
        headers = {b"cookie": f"{COOKIE}={value}".encode("latin-1"), b"authorization": b""}
        assert (await http.get("/v1/contexts", headers=headers)).status_code == 401


async def test_who_asks_is_told_whether_he_is_in_and_only_then_what_is_beside_the_api(
    fabric: CacheFabric, quick: list[float]
) -> None:
    async def nothing(_: Any) -> dict[str, Any]:
        return {}

    beside = Operation(method="GET", path="/v1/beside", call=nothing, summary="None.")
    async with client(fabric, operations=[beside]) as http:
        told = (await http.get("/session")).json()
        assert told == {"signed_in": True, "beside": ["/v1/beside"]}
        del http.headers["authorization"]
        for cookie in ("", "9999999999.forged"):
            headers = {"cookie": f"{COOKIE}={cookie}"}
            told = (await http.get("/session", headers=headers)).json()
            assert told == {"signed_in": False, "beside": []}
