"""What the pages of others can do with the browser of somebody who has the dashboard open: nothing.

Rows D10 to D13, D16, D20, D21 and D23, as a browser plays them. The other page is served from
another port of the same address, which is the same *site*: the session's cookie goes along.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from chromium import Visit, chromium
from staged_page import TOKEN, Staged
from web_server import serving

KEY = "router:moderation:system_prompt"
REBOUND = "--host-resolver-rules=MAP evil.example 127.0.0.1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(REBOUND) as each:
        yield each


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another server of this machine, with an empty page."""

    async def page(_: Any) -> HTMLResponse:
        return HTMLResponse("<!doctype html><title>elsewhere</title><p>elsewhere")

    with serving(Starlette(routes=[Route("/", page)])) as url:
        yield url


@pytest.fixture(scope="module")
def visit(browser: Browser, staged: Staged) -> Iterator[Visit]:
    with Visit(browser) as visit:
        visit.enter(staged.url, TOKEN)
        yield visit


@pytest.fixture
def other(visit: Visit, elsewhere: str) -> Iterator[Page]:
    """A page of another origin in the same browser, signed in as the visitor is."""
    page = visit.context.new_page()
    page.goto(elsewhere)
    yield page
    page.close()


def standing(staged: Staged) -> list[tuple[str, int]]:
    return [(each.key, each.version) for each in staged.fabric.list_contexts()]


def test_a_name_that_was_pointed_at_the_server_reaches_nothing(
    visit: Visit, staged: Staged
) -> None:
    port = staged.url.rpartition(":")[2]
    page = visit.context.new_page()
    for path in ("/", "/page/js/main.js", "/v1/contexts"):
        said = page.goto(f"http://evil.example:{port}{path}")
        assert said is not None
        assert said.status == 421
    page.close()


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_another_origin_s_request_is_refused(
    other: Page, staged: Staged, kind: str, mode: str
) -> None:
    before = standing(staged)
    sent = {
        "mode": mode,
        "credentials": "include",
        "headers": {"content-type": kind},
        "body": '{"value": "taken over", "running": false}',
    }
    for path in (f"/v1/contexts/{KEY}", "/v1/demo/store", "/v1/feedback", "/session"):
        for method in ("POST", "PUT", "DELETE"):
            told = other.evaluate(FETCH, [staged.url + path, {**sent, "method": method}])
            assert told in {"failed", "opaque 0 "}
    assert standing(staged) == before


FETCH = """([url, options]) => fetch(url, options).then(
  async (said) => `${said.type} ${said.status} ${await said.text()}`, () => 'failed')"""


def test_images_frames_links_and_forms_of_others_change_nothing(
    other: Page, staged: Staged
) -> None:
    before = standing(staged)
    paths = [f"/v1/contexts/{KEY}/rollback?version=1", "/v1/demo/store?running=false", "/session"]
    for path in paths:
        assert other.evaluate(IMAGE, staged.url + path) == "refused"
    other.evaluate(FORM, f"{staged.url}/v1/demo/store")
    other.wait_for_url("**/v1/demo/store")
    expect(other.locator("body")).to_contain_text("requests of other origins are refused")
    assert standing(staged) == before


IMAGE = """(src) => new Promise((done) => {
  const image = new Image();
  image.onload = () => done('shown');
  image.onerror = () => done('refused');
  image.src = src;
})"""
FORM = """(action) => {
  const form = document.createElement('form');
  Object.assign(form, { method: 'post', action, enctype: 'text/plain' });
  form.innerHTML = '<input name=\\'{"running": false, "x": "\\' value=\\'"}\\'>';
  document.body.append(form);
  form.submit();
}"""


def test_a_page_without_an_origin_is_refused(other: Page, staged: Staged) -> None:
    """A sandboxed frame sends ``Origin: null``."""
    other.evaluate(
        """() => { const frame = document.createElement('iframe'); frame.sandbox = 'allow-scripts';
        frame.srcdoc = '<p>sandboxed'; document.body.append(frame); }"""
    )
    expect(other.frame_locator("iframe").locator("p")).to_be_visible()
    sent = {
        "method": "PUT",
        "credentials": "include",
        "headers": {"content-type": "application/json"},
    }
    for url in (f"{staged.url}/v1/contexts/{KEY}", f"{staged.url}/v1/contexts"):
        assert other.frames[1].evaluate(FETCH, [url, sent]) == "failed"


def test_streams_are_refused_to_other_origins(other: Page, staged: Staged) -> None:
    opened = """(url) => new Promise((done) => {
      const signedIn = { withCredentials: true };
      const source = url.startsWith('ws') ? new WebSocket(url) : new EventSource(url, signedIn);
      source.onopen = () => done('open');
      source.onerror = () => { source.close(); done('refused'); };
    })"""
    socket = staged.url.replace("http:", "ws:")
    for url in (f"{staged.url}/v1/events", f"{staged.url}/v1/watch", f"{socket}/v1/events"):
        assert other.evaluate(opened, url) == "refused"


def test_the_page_is_shown_in_no_frame(other: Page, staged: Staged) -> None:
    framed = """(src) => new Promise((done) => {
      const frame = document.createElement('iframe'); frame.src = src;
      frame.onload = () => done(); document.body.append(frame);
    })"""
    other.evaluate(framed, f"{staged.url}/")
    assert other.frames[1].url.startswith("chrome-error:")


def test_no_script_of_others_is_taken_in(other: Page, staged: Staged) -> None:
    """The page's own files, as a module or an image elsewhere, are not to be had either."""
    had = "(url) => import(url).then(() => 'had', () => 'refused')"
    assert other.evaluate(had, f"{staged.url}/page/js/api.js") == "refused"


def test_the_token_stays_out_of_addresses_referers_logs_and_scripts(
    browser: Browser, staged: Staged, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), Visit(browser) as visit:
        visit.enter(staged.url, TOKEN, "System")
        page = visit.page
        said = [request.url + str(request.all_headers()) for request in visit.requests]
        assert not [each for each in said if TOKEN in each]
        assert [r.url for r in visit.requests if TOKEN in (r.post_data or "")] == [
            f"{staged.url}/session"
        ]
        assert TOKEN not in page.url
        held = "() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
        assert page.evaluate(held) == '["",{},{}]'
        page.go_back()
        page.go_back()
        assert TOKEN not in page.url
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "rest",
    [
        "?next=//evil.example",
        "?next=javascript:alert(1)",
        "#//evil.example",
        "#/javascript:alert(1)",
    ],
)
def test_the_page_leads_nowhere_else(visit: Visit, staged: Staged, rest: str) -> None:
    visit.faults.clear()
    visit.requests.clear()
    visit.page.goto(f"{staged.url}/{rest}")
    expect(visit.page.locator("header [role=status]")).to_have_text("live")
    expect(visit.page.get_by_role("navigation")).to_be_visible()
    assert visit.page.url.startswith(f"{staged.url}/")
    assert visit.faults == []
    assert visit.foreign(staged.url) == []


def test_who_is_not_signed_in_is_told_how_to_and_nothing_else(
    browser: Browser, staged: Staged
) -> None:
    with Visit(browser) as visit:
        visit.page.goto(staged.url)
        expect(visit.page.get_by_text("You are not signed in")).to_be_visible()
        asked = [request.url for request in visit.requests if "/page/" not in request.url]
        assert asked == [f"{staged.url}/", f"{staged.url}/session"]
        assert visit.faults == []
        visit.enter(staged.url, TOKEN)  # the whole address, put into the page that is open
