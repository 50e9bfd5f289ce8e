"""Every panel shows what it has, is usable by everybody, and asks for no more than it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from cache_fabric import CacheRequest, Miss
from chromium import Visit
from contrast import faint_texts
from staged_page import TOKEN, Staged

PANELS = {
    "Playground": "Nothing classified yet",
    "Live metrics": "What the figures rest on",
    "Architecture": "How a request goes",
    "History": "what will the weather be?",
    "Contexts": "router:moderation:system_prompt",
    "Answers": "what will the weather be?",
    "System": "Acknowledged writes survive",
}
PHONE = {"width": 360, "height": 740}
MOST_BYTES = 80_000


@pytest.fixture(scope="module", autouse=True)
def traffic(staged: Staged) -> None:
    """A miss, three hits, and a run."""
    fabric = staged.fabric
    request = CacheRequest(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "what will the weather be?"}]
    )
    asked = fabric.lookup(request)
    assert isinstance(asked, Miss)
    assert asked.ticket is not None
    fabric.store(asked.ticket, "Fair.")
    answers: list[Any] = [fabric.lookup(request) for _ in range(3)]
    state = {"input": "what will the weather be?", "output": "Fair.", "status": "success"}
    fabric.track_execution("run-1", "weather", state, answers=answers, durable=True)


@pytest.fixture
def visit(browser: Browser, staged: Staged) -> Iterator[Visit]:
    with Visit(browser) as visit:
        visit.enter(staged.url, TOKEN)
        yield visit


def shows(page: Page, panel: str) -> None:
    expect(page.locator("main").get_by_text(PANELS[panel]).first).to_be_visible()


def test_every_panel_shows_and_none_has_an_error(visit: Visit, staged: Staged) -> None:
    for panel in PANELS:
        visit.open(panel)
        shows(visit.page, panel)
        expect(visit.page).to_have_title(f"{panel} · Cache Fabric")
        expect(visit.page.locator("[data-figure=rate] dd")).to_have_text("75.0 %")
    assert visit.faults == []
    assert visit.foreign(staged.url) == []


def test_the_first_load_is_small_and_stays_with_the_server(
    browser: Browser, staged: Staged
) -> None:
    with Visit(browser) as visit:
        visit.enter(staged.url, TOKEN)
        expect(visit.page.locator("[data-figure=rate] dd")).to_have_text("75.0 %")
        finished = [r for r in visit.requests if not r.url.endswith("/v1/events")]
        moved = sum(r.sizes()["responseBodySize"] for r in finished)
        assert 20_000 < moved <= MOST_BYTES
        assert visit.foreign(staged.url) == []


def test_to_look_changes_nothing(visit: Visit, staged: Staged) -> None:
    before = standing(staged)
    for panel in PANELS:
        visit.open(panel)
        shows(visit.page, panel)
    asked = {request.url for request in visit.requests if request.method == "GET"}
    asked -= {f"{staged.url}/v1/events"}
    assert {f"{staged.url}/v1/contexts", f"{staged.url}/v1/demo"} <= asked
    for url in asked:
        assert visit.context.request.get(url).ok
    assert set(visit.changes()) == {"/session", "/v1/executions/search"}  # a search names words
    assert standing(staged) == before


def standing(staged: Staged) -> tuple[object, ...]:
    fabric = staged.fabric
    return (
        [(each.key, each.version) for each in fabric.list_contexts()],
        [each.id for each in fabric.list_answers()],
        len(fabric.search_executions()),
        fabric.get_metrics()["requests"],
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(browser: Browser, staged: Staged, theme: str) -> None:
    with Visit(browser, color_scheme=theme) as visit:
        visit.enter(staged.url, TOKEN)
        for panel in PANELS:
            visit.open(panel)
            shows(visit.page, panel)
            assert faint_texts(visit.page) == [], panel
        assert visit.page.locator(f":root[data-theme={theme}]").count() == 1


def test_nothing_runs_over_the_edge_of_a_phone(browser: Browser, staged: Staged) -> None:
    with Visit(browser, viewport=PHONE, has_touch=True, is_mobile=True) as visit:
        visit.enter(staged.url, TOKEN)
        for panel in PANELS:
            visit.open(panel)
            shows(visit.page, panel)
            root = "document.documentElement"
            assert visit.page.evaluate(f"{root}.scrollWidth") == PHONE["width"], panel
            assert visit.page.evaluate(OUTSIDE) == [], panel
        acts = visit.page.get_by_role("navigation").get_by_role("link")
        assert acts.last.bounding_box()["x"] < PHONE["width"]  # type: ignore[index]


# What stands outside of the page and cannot be scrolled to within a part of it.
OUTSIDE = """() => [...document.querySelectorAll('main *')].filter((each) => {
  const box = each.getBoundingClientRect();
  const isOut = box.left < 0 || box.right > innerWidth + 1;
  return box.width && isOut && !each.closest('.scroll, .unseen, .cut');
}).map((each) => each.outerHTML.slice(0, 90))"""


def test_who_wants_no_motion_gets_none(browser: Browser, staged: Staged) -> None:
    with Visit(browser, reduced_motion="reduce") as visit:
        visit.enter(staged.url, TOKEN, "Architecture")
        request = CacheRequest(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "what will the weather be?"}]
        )
        staged.fabric.lookup(request)
        expect(visit.page.locator("path.pulse").first).to_be_attached()
        expect(visit.page.locator("path.pulse").first).to_be_hidden()
        moving = "() => document.getAnimations().filter((a) => a.playState === 'running').length"
        assert visit.page.evaluate(moving) == 0


def test_a_request_lights_up_the_way_that_it_took(visit: Visit, staged: Staged) -> None:
    visit.open("Architecture")
    visit.page.get_by_role("button", name="Hot tier").press("Enter")
    expect(visit.page.get_by_text("No event here yet")).to_be_visible()
    request = CacheRequest(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "what will the weather be?"}]
    )
    staged.fabric.lookup(request)
    expect(visit.page.locator("path.pulse.c-exact")).to_have_count(2)
    expect(visit.page.get_by_text("same request")).to_be_visible()


def test_the_keyboard_is_enough(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.get_by_role("link", name="History").focus()
    page.keyboard.press("Enter")
    run = page.get_by_role("button", name="what will the weather be?")
    run.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="One run")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(run).to_be_focused()
    page.get_by_role("link", name="Playground").press("Enter")
    page.get_by_label("Text to classify").fill("I will hurt him")
    page.get_by_label("Text to classify").press("Control+Enter")
    expect(page.get_by_label("Through the cache")).to_contain_text("miss")
    page.get_by_role("button", name="Classify", exact=True).press("Enter")
    page.keyboard.press("Enter")  # the focus has not gone
    expect(page.get_by_label("Through the cache")).to_contain_text("hit")
    assert visit.faults == []


def test_everything_that_can_be_used_has_a_name(visit: Visit) -> None:
    for panel in PANELS:
        visit.open(panel)
        shows(visit.page, panel)
        for part in visit.page.locator("main").locator("button, input, select, textarea").all():
            if part.is_visible():
                assert part.evaluate(NAME), part.evaluate("(each) => each.outerHTML")


NAME = """(each) => each.getAttribute('aria-label') || each.innerText.trim()
  || [...(each.labels ?? [])].map((label) => label.innerText).join('').trim()"""


def test_the_chosen_theme_is_kept(visit: Visit, staged: Staged) -> None:
    visit.page.get_by_role("button", name="Use the dark theme").click()
    visit.page.reload()
    expect(visit.page.locator(":root[data-theme=dark]")).to_have_count(1)
    assert visit.faults == []
