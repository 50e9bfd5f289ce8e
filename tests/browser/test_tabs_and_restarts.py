"""Two tabs agree, and a page finds back to its server by itself."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Miss, create_cache_fabric
from cache_fabric.web import create_app
from chromium import Visit
from staged_page import TOKEN, Staged
from web_server import serving

KEY = "router:moderation:system_prompt"


@pytest.fixture
def visit(browser: Browser, staged: Staged) -> Iterator[Visit]:
    with Visit(browser) as visit:
        visit.enter(staged.url, TOKEN)
        yield visit


@pytest.fixture
def fabric() -> Iterator[CacheFabric]:
    fabric = create_cache_fabric("memory", config=FabricConfig(exact_timeout=30))
    with fabric.sync:
        yield fabric


def app_of(fabric: CacheFabric) -> object:
    return create_app(fabric, token=TOKEN, page=True)


def opened(page: Page, url: str) -> Page:
    page.goto(f"{url}/#/contexts")
    expect(page.locator("header [role=status]")).to_have_text("live")
    return page


def test_a_second_tab_sees_what_the_first_does(visit: Visit, staged: Staged) -> None:
    first = opened(visit.page, staged.url)
    second = opened(visit.context.new_page(), staged.url)
    first.get_by_label("What it says").fill("Said in the first tab.")
    first.get_by_role("button", name="Publish").click()
    expect(second.get_by_label("What it says")).to_have_value("Said in the first tab.")
    first.get_by_role("link", name="History").click()
    second.get_by_role("link", name="Playground").click()
    second.get_by_label("Text to classify").fill("Asked in the second tab")
    second.get_by_role("button", name="Classify", exact=True).click()
    expect(first.get_by_role("row").filter(has_text="Asked in the second tab")).to_be_visible()
    assert visit.faults == []


def test_what_is_typed_outlives_another_tab_s_version_and_is_not_written_over_it(
    visit: Visit, staged: Staged
) -> None:
    first = opened(visit.page, staged.url)
    expect(first.get_by_label("What it says")).not_to_be_empty()
    first.get_by_label("What it says").fill("Mine, not yet published.")
    staged.fabric.set_context(KEY, "Theirs.")
    expect(first.get_by_text("was published while you typed")).to_be_visible()
    expect(first.get_by_label("What it says")).to_have_value("Mine, not yet published.")
    expect(first.get_by_role("button", name="Publish")).to_be_disabled()
    first.get_by_role("button", name="Keep mine on top of it").click()
    first.get_by_role("button", name="Publish").click()
    expect(first.get_by_text("is at version")).to_be_visible()
    kept = staged.fabric.context_history(KEY)
    assert {"Theirs.", "Mine, not yet published."} <= {each.value for each in kept}


def test_a_page_resyncs_by_itself_after_its_server_was_restarted(
    browser: Browser, fabric: CacheFabric
) -> None:
    fabric.sync.set_context(KEY, "Before.")
    with Visit(browser) as visit:
        with serving(app_of(fabric)) as url:
            port = urlsplit(url).port
            assert port is not None
            visit.enter(url, TOKEN, "Contexts")
            expect(visit.page.get_by_label("What it says")).to_have_value("Before.")
        expect(visit.page.locator("header [role=status]")).to_have_text("reconnecting")
        fabric.sync.set_context(KEY, "While it was away.")
        request = CacheRequest(model="m", messages=[{"role": "user", "content": "hello"}])
        assert isinstance(fabric.sync.lookup(request), Miss)
        with serving(app_of(fabric), port):
            expect(visit.page.locator("header [role=status]")).to_have_text("live")
            expect(visit.page.get_by_label("What it says")).to_have_value("While it was away.")
            expect(visit.page.locator("[data-figure=rate] dd")).to_have_text("0.0 %")
            fabric.sync.set_context(KEY, "After.")
            expect(visit.page.get_by_label("What it says")).to_have_value("After.")
    assert not [fault for fault in visit.faults if "ERR_" not in fault]  # what Chromium itself says


def test_a_page_that_a_proxy_answers_for_a_while_is_not_signed_out(
    visit: Visit, staged: Staged
) -> None:
    """A stream that is answered with a 502 is one that a browser does not take up again."""

    def away(route: Route) -> None:
        route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")

    visit.context.route("**/v1/events", away)
    visit.page.reload()
    expect(visit.page.locator("header [role=status]")).to_have_text("reconnecting")
    visit.context.unroute("**/v1/events", away)
    expect(visit.page.locator("header [role=status]")).to_have_text("live")


def test_a_session_that_is_over_says_so(visit: Visit, staged: Staged) -> None:
    visit.context.clear_cookies()

    visit.page.reload()
    expect(visit.page.get_by_text("You are not signed in")).to_be_visible()


def test_a_slow_server_is_waited_for_with_the_frame_in_place(visit: Visit, staged: Staged) -> None:
    held: list[Route] = []
    visit.context.route("**/v1/executions/search", lambda route: held.append(route))
    visit.open("History")
    expect(visit.page.get_by_label("Find")).to_be_visible()
    expect(visit.page.get_by_text("No run matches")).to_have_count(0)
    for route in held:
        route.continue_()


def test_a_store_that_is_away_is_told_and_what_was_read_stays(visit: Visit, staged: Staged) -> None:
    visit.open("Answers")
    visit.context.route(
        "**/v1/answers?*",
        lambda route: route.fulfill(
            status=503, json={"error": {"field": None, "message": "the store is away"}}
        ),
    )
    visit.page.get_by_role("button", name="Pinned").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("the store is away")


def test_a_live_fabric_without_the_demo_shows_its_own_panels_alone(
    browser: Browser, fabric: CacheFabric
) -> None:
    with serving(app_of(fabric)) as url, Visit(browser) as visit:
        visit.enter(url, TOKEN)
        links = visit.page.get_by_role("navigation").get_by_role("link")
        expect(links).to_have_text(
            ["Live metrics", "Architecture", "History", "Contexts", "Answers", "System"]
        )
        expect(visit.page.locator(".simulated")).to_have_count(0)
        for panel, empty in {
            "Live metrics": "Nothing measured yet",
            "History": "Runs appear here once an agent is tracked",
            "Contexts": "No context yet",
            "Answers": "No answer is kept yet",
            "System": "Acknowledged writes survive",
        }.items():
            visit.open(panel)
            expect(visit.page.locator("main").get_by_text(empty).first).to_be_visible()
        assert visit.faults == []
