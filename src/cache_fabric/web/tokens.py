"""The token of the API: carried in a header, or exchanged for a session's cookie by a browser.

A cookie is good for half a day, also after a restart of the server with the same token, and says
nothing of the token. Browsers send it for their own pages alone, and what changes something has to
come from the server's own origin.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from asyncio import sleep
from collections import deque
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from cache_fabric.errors import ConfigurationError

__all__ = ["COOKIE", "SESSION_SECONDS", "Token"]

COOKIE = "cache_fabric_session"
SESSION_SECONDS = 12 * 3600
_WINDOW = 60.0  # seconds in which wrong tokens are counted together
_STEP = 0.02  # seconds by which each of them makes the next one wait longer
_LONGEST_WAIT = 1.0
_MOST_WAITING = 64
_log = logging.getLogger("cache_fabric")


class Token:
    """Knows who carries it.

    Args:
        text: The token.

    Attributes:
        refused: How often it was not carried.

    Raises:
        ConfigurationError: The text is empty.
    """

    def __init__(self, text: str) -> None:
        if not text:
            raise ConfigurationError("token: expected text; None lets everybody in")
        self._text = text.encode()
        self._sealing = hashlib.sha256(b"cache fabric session\x00" + self._text).digest()
        self._wrong: deque[float] = deque(maxlen=int(_LONGEST_WAIT / _STEP))
        self._waiting = 0
        self.refused = 0

    def is_borne(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers have it: ``Authorization: Bearer``."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.matches(given.strip())

    def has_session(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers have the cookie of a session that goes on."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        until, _, seal = ("" if cookie is None else cookie.value).partition(".")
        is_ours = hmac.compare_digest(seal.encode("utf-8", "replace"), self._seal(until).encode())
        return is_ours and time.time() < int(until)

    def matches(self, given: str) -> bool:
        """Return whether this is the token, in a time that does not tell how much of it is."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._text)

    def new_session(self) -> str:
        """Return the value of a cookie for half a day."""
        until = str(int(time.time()) + SESSION_SECONDS)
        return f"{until}.{self._seal(until)}"

    async def slow_down(self) -> None:
        """Let who guesses wait, but never more callers at once than the server can spare."""
        self.refused += 1
        now = time.monotonic()
        if not self._wrong or now - self._wrong[-1] > _WINDOW:
            self._wrong.clear()
            _log.warning("the API was asked with a wrong token, or none")
        self._wrong.append(now)
        if self._waiting >= _MOST_WAITING:
            return
        self._waiting += 1
        try:
            await sleep(len(self._wrong) * _STEP)
        finally:
            self._waiting -= 1

    def _seal(self, until: str) -> str:
        return hmac.digest(self._sealing, until.encode("utf-8", "replace"), "sha256").hex()
