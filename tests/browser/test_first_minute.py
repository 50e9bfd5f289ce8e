"""The first minute that the page invites to, from the printed address to the store's return."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from chromium import Visit

AGENTS = ("appeals", "night-shift", "triage")
POST = "Selling my bike, 20 pounds, collect it at the church"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo as a visitor starts it: what the command prints."""
    folder: Path = tmp_path_factory.mktemp("demo")
    command = (sys.executable, "-m", "cache_fabric", "demo", "--port", "0", "--latency", "0.02")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        (*command, "--path", str(folder)), stdout=subprocess.PIPE, text=True, env=environment
    ) as demo:
        assert demo.stdout is not None
        printed = re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", demo.stdout.readline())
        assert printed is not None
        yield printed[0]
        demo.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    with Visit(browser) as visit:
        url, _, token = address.partition("/#token=")
        visit.enter(url, token)
        yield visit


@pytest.fixture
def page(visit: Visit) -> Page:
    visit.open("Playground")
    return visit.page


def classified(page: Page, text: str) -> Locator:
    """Classify a text; returns where what came of it stands."""
    page.get_by_label("Text to classify").fill(text)
    with page.expect_response("**/v1/demo/classify"):
        page.get_by_role("button", name="Classify", exact=True).click()
    return page.get_by_label("Through the cache")


def is_done(page: Page, step: str) -> None:
    expect(page.get_by_role("listitem").filter(has_text=step)).to_contain_text("(done)")


def test_the_page_says_that_the_model_is_simulated_and_how_slow(page: Page) -> None:
    expect(page.locator(".simulated")).to_have_text("simulated model, 20 ms")


def test_a_text_is_a_miss_and_then_a_hit_with_what_it_saved(page: Page) -> None:
    first = classified(page, POST)
    expect(first).to_contain_text("miss")
    expect(first).to_contain_text(re.compile(r"cost \$0\.0000\d\d"))
    is_done(page, "Classify a new text")
    second = classified(page, POST)
    expect(second).to_contain_text("hit · hot")
    expect(second).to_contain_text(re.compile(r"[\d.]+ ms"))
    expect(second).to_contain_text(re.compile(r"saved \$0\.0000\d\d"))
    expect(second).to_contain_text("same request · context router:moderation:system_prompt v1")
    is_done(page, "Classify it again")


def test_a_fresh_answer_stands_beside_the_cached_one(page: Page) -> None:
    page.get_by_label("ask the model as well").check()
    classified(page, POST)
    fresh = page.get_by_label("Fresh from the model")
    expect(fresh).to_contain_text("neither looked up nor kept")
    cached = page.get_by_label("Through the cache").locator(".answer").inner_text()
    expect(fresh.locator(".answer")).to_have_text(cached)
    page.get_by_label("ask the model as well").uncheck()


def test_a_hundred_run_and_each_is_counted_once_and_every_wrong_hit_is_listed(page: Page) -> None:
    page.locator("#run").click()
    batch = page.get_by_label("Batch of 100")
    expect(batch.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    expect(batch.locator("circle")).to_have_count(100)
    said = batch.inner_text()
    ended = [int(n) for n in re.findall(r"(\d+) (?:exact|semantic|misses)\b", said)]
    assert sum(ended) == 100
    assert ended[0] >= 30
    wrong = int(re.findall(r"(\d+) wrong", said)[0])
    assert wrong == batch.locator("tbody tr").count()
    if not wrong:
        expect(batch).to_contain_text("No wrong hit so far; 10 traps were asked.")
    expect(page.locator("[data-figure=rate] p")).not_to_have_text("no lookups yet")
    is_done(page, "Run 100")


def published(page: Page, words: str, change: str) -> None:
    page.get_by_role("link", name="Contexts").click()
    prompt = page.get_by_label("What it says")
    prompt.fill(f"{prompt.input_value()}\n{words}")
    page.get_by_role("radio", name=change).check()
    page.get_by_role("button", name="Publish").click()


def test_a_published_prompt_flips_the_agents_and_the_next_call_misses(
    page: Page, visit: Visit
) -> None:
    expect(classified(page, POST)).to_contain_text("hit")
    published(page, "Be strict.", "behaviour")
    for name in AGENTS:
        chip = page.locator(f"[data-chip={name}]")
        expect(chip).to_have_text(re.compile(rf"^\s*{name} v2 in [\d.,]+ m?s$"))
    visit.open("Playground")
    for name in AGENTS:
        expect(page.locator(f"[data-agent={name}]")).to_contain_text(re.compile(r"v2[\d\s.,]*ms"))
    is_done(page, "Publish another prompt")
    expect(classified(page, POST)).to_contain_text("miss")
    expect(page.get_by_label("Through the cache")).to_contain_text("system_prompt v2")
    expect(classified(page, POST)).to_contain_text("hit")


def test_a_cosmetic_change_keeps_the_hit(page: Page, visit: Visit) -> None:
    published(page, "Thank you.", "cosmetic")
    expect(page.locator("[data-chip=triage]")).to_contain_text("v3")
    visit.open("Playground")
    expect(classified(page, POST)).to_contain_text("hit")


def test_an_older_version_is_compared_and_rolled_back_to(page: Page, visit: Visit) -> None:
    visit.open("Contexts")
    versions = page.get_by_label("Versions")
    versions.get_by_role("button", name="diff").first.click()
    expect(versions.locator(".add")).to_contain_text(["+Thank you."])
    versions.get_by_role("row").filter(has_text="v1").get_by_role("button").click()
    expect(page.locator("[data-chip=triage]")).to_contain_text("v4")
    expect(page.get_by_label("What it says")).not_to_have_value(re.compile("Be strict"))
    visit.open("Playground")
    expect(classified(page, POST)).to_contain_text("hit")  # the first answer is found again


def test_thumbs_down_on_a_hit_has_the_next_call_computed_anew(page: Page, visit: Visit) -> None:
    expect(classified(page, POST)).to_contain_text("hit")
    page.get_by_role("button", name="This answer is wrong").first.click()
    expect(page.get_by_text("taken out of service")).to_be_visible()
    expect(classified(page, POST)).to_contain_text("miss")
    is_done(page, "Thumbs down")
    visit.open("Answers")
    page.get_by_role("button", name="Quarantined").click()
    answers = page.get_by_label("Answers")
    expect(answers.get_by_role("row").filter(has_text=POST)).to_be_visible()
    answers.get_by_role("button", name="Restore").click()
    expect(answers).to_contain_text("Nothing is in quarantine")


def test_agents_and_page_answer_while_the_store_is_stopped_and_nothing_is_lost(
    page: Page, visit: Visit
) -> None:
    known = "I will not hurt him, said nobody"
    classified(page, known)
    visit.open("History")  # it is written
    expect(page.get_by_role("row").filter(has_text=known)).to_be_visible()
    visit.open("Playground")
    page.get_by_role("button", name="Stop the store", exact=True).click()
    expect(page.get_by_text("The store is stopped")).to_be_visible()
    agent = page.locator("[data-agent=triage]")
    expect(agent).to_contain_text("stale")
    answered = agent.locator("td").nth(4)
    before = answered.inner_text()
    expect(answered).not_to_have_text(before)
    expect(classified(page, known)).to_contain_text("hit · hot")
    new = "Does anybody know a good plumber?"
    expect(classified(page, new).locator(".answer")).not_to_be_empty()
    page.get_by_role("button", name="Start the store", exact=True).click()
    expect(agent).to_contain_text("current")
    outage = page.locator("#outage")
    expect(outage).to_contain_text("All agents have caught up")
    expect(outage).to_contain_text("no run was lost")
    is_done(page, "Stop the store")
    for text in (known, new):
        expect(classified(page, text)).to_contain_text("hit")
    visit.open("History")
    for text in (known, new):  # twice each: while the store was away, and now
        expect(page.get_by_role("row").filter(has_text=text).nth(1)).to_be_visible()


def test_the_whole_minute_had_no_error_and_stayed_with_the_server(
    visit: Visit, address: str
) -> None:
    assert visit.faults == []
    assert visit.foreign(address) == []
