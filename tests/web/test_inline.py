"""`fabric.ui`: the dashboard in a frame of a notebook's page, and in nobody else's."""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from cache_fabric import CacheFabric, create_cache_fabric
from cache_fabric.errors import ConfigurationError, MissingExtraError
from cache_fabric.web.app import create_app

CHROMIUM = shutil.which("chromium")
OTHER_SITE = {"sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"}


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    made = create_cache_fabric("memory")
    yield made
    made.sync.close()


def where(frame: Any) -> tuple[str, str]:
    """Return the server's address, and the token."""
    parts = urlsplit(frame.address)
    return f"http://127.0.0.1:{parts.port}", parts.fragment.partition("=")[2]


def is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_its_token_opens_the_api_and_nothing_else_does(fabric: CacheFabric) -> None:
    address, token = where(fabric.ui())
    url = f"{address}/v1/contexts"
    assert httpx.get(url, trust_env=False).status_code == 401
    carried = {"authorization": f"Bearer {token}"}
    assert httpx.get(url, headers=carried, trust_env=False).status_code == 200


def test_shown_again_it_is_the_same_server(fabric: CacheFabric) -> None:
    first, again = fabric.ui(), fabric.sync.ui(height=300, host="127.0.0.1")
    assert where(first) == where(again)
    assert "height='300'" in again._repr_html_()
    assert urlsplit(again.address).hostname == "127.0.0.1"
    assert where(create_cache_fabric("memory").ui()) != where(first)


def test_it_listens_on_loopback_alone(fabric: CacheFabric) -> None:
    fabric.ui()
    assert fabric._page._socket.getsockname()[0] == "127.0.0.1"


def test_it_ends_with_the_fabric() -> None:
    fabric = create_cache_fabric("memory")
    address, _ = where(fabric.ui())
    assert is_up(address)
    fabric.sync.close()
    assert not is_up(address)


async def test_it_ends_with_a_fabric_whose_loop_it_needs() -> None:
    async with create_cache_fabric("memory") as fabric:
        address, token = where(fabric.ui())
        async with httpx.AsyncClient(trust_env=False) as client:
            carried = {"authorization": f"Bearer {token}"}
            assert (await client.get(f"{address}/v1/system", headers=carried)).status_code == 200
    assert not is_up(address)


def test_a_port_that_is_taken_is_named(fabric: CacheFabric) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port: cannot listen on {port}"):
            fabric.ui(port=port)


def test_without_a_web_server_the_extra_is_named(
    fabric: CacheFabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cache_fabric.web.inline", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match="ui"):
        fabric.ui()


def test_another_origin_may_frame_the_page_and_ask_for_nothing(fabric: CacheFabric) -> None:
    app = create_app(fabric, page=True, ancestors=("http://localhost:*",))
    client = TestClient(app, base_url="http://localhost", headers=OTHER_SITE)
    page = client.get("/")
    assert page.status_code == 200
    assert "frame-ancestors http://localhost:*" in page.headers["content-security-policy"]
    assert client.get("/v1/contexts").status_code == 403
    assert client.post("/session", json={"token": "t"}).status_code == 403
    assert client.get("/", headers={"sec-fetch-dest": "empty"}).status_code == 403


def test_where_nobody_is_named_nobody_may(fabric: CacheFabric) -> None:
    client = TestClient(create_app(fabric, page=True), base_url="http://localhost")
    assert client.get("/", headers=OTHER_SITE).status_code == 403
    assert "frame-ancestors 'none'" in client.get("/").headers["content-security-policy"]


@contextmanager
def notebook_page(shown: str) -> Iterator[str]:
    """Serve a page of another origin with an output in it; yields its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>n</title><body>{shown}".encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
async def test_a_browser_shows_it_inside_the_notebook(fabric: CacheFabric) -> None:
    from playwright.async_api import async_playwright, expect

    said: list[str] = []
    with notebook_page(fabric.ui()._repr_html_()) as port:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"]
            )
            page = await browser.new_page()
            page.on("console", lambda message: said.append(f"{message.text} {message.location}"))
            await page.goto(f"http://localhost:{port}/")
            inside = page.frame_locator("iframe")
            await expect(inside.get_by_text("Hit rate").first).to_be_visible()
            await expect(inside.get_by_text("live", exact=True)).to_be_visible()
            await browser.close()
    # The page asks whether this is the demo; a notebook's own page may lack an icon.
    assert [text for text in said if "/v1/demo" not in text and "favicon" not in text] == []
