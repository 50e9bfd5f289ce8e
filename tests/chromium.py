"""A real Chromium for tests, and visits to a page that keep what went on in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
    WebError,
    expect,
    sync_playwright,
)

__all__ = ["PATIENCE", "Visit", "chromium"]

PATIENCE = 30_000
"""Milliseconds that a busy machine may take to show what a visitor sees at once."""
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_NOISE = ("--no-sandbox", "--disable-background-networking", "--disable-component-update")


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Run one; the test is skipped where none is installed, and fails where ``CI`` is set."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        reason = f"none of {', '.join(_PROGRAMS)} on the PATH (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_NOISE, *arguments])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A visitor's own browser profile with one page in it.

    Attributes:
        page: The page.
        requests: Everything that was asked for, by any of its pages.
        faults: Errors on the console, errors that nobody caught, and dialogs that a script opened.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.requests: list[Request] = []
        self.faults: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request))
        self.context.on("console", self._heard)
        self.context.on("weberror", self._failed)
        self.context.on("dialog", self._opened)
        self.page: Page = self.context.new_page()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def enter(self, url: str, token: str, panel: str = "") -> None:
        """Open the page as its printed address does, and wait until it follows what happens."""
        self.page.goto(f"{url}/#token={token}")
        expect(self.page.locator("header [role=status]")).to_have_text("live")
        if panel:
            self.open(panel)

    def open(self, panel: str) -> None:
        """Open a panel by its name."""
        link = self.page.get_by_role("navigation").get_by_role("link", name=panel, exact=True)
        link.click()
        expect(link).to_have_attribute("aria-current", "page")

    def foreign(self, url: str) -> list[str]:
        """Return what was asked for elsewhere than at the server."""
        ours = urlsplit(url).netloc
        asked = [request.url for request in self.requests]
        return [each for each in asked if urlsplit(each).netloc not in {ours, ""}]

    def changes(self) -> Sequence[str]:
        """Return the paths of what was asked for that may change something."""
        return [urlsplit(r.url).path for r in self.requests if r.method not in {"GET", "HEAD"}]

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _failed(self, error: WebError) -> None:
        self.faults.append(f"uncaught: {error.error}")

    def _opened(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        try:
            dialog.dismiss()
        except Error:  # the page went while it was open
            return
