"""Who is let in: Host, Origin and token are checked before anything is read or done.

A page of another origin cannot use the browser of somebody who has the API open: it is refused by
its Origin, and by Host where its own name was pointed at this address (DNS rebinding). Nobody else
is told anything but 401. What is answered says to browsers that it is never framed, sniffed, cached
or read by others.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from asyncio import sleep
from collections import Counter, deque
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cache_fabric.web.errors import refusal

__all__ = ["OPEN_PATHS", "STRICT_HEADERS", "Access"]

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""What is answered without a token: that it runs, to whoever watches over it."""
STRICT_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
_WINDOW = 60.0  # seconds in which wrong tokens are counted together
_STEP = 0.02  # seconds by which each of them makes the next one wait longer
_LONGEST_WAIT = 1.0
_MOST_WAITING = 64
_log = logging.getLogger("cache_fabric")


class Access:
    """Lets requests through to the app, or answers them itself.

    Args:
        app: What is protected.
        token: What ``Authorization: Bearer`` must carry; ``None`` lets everybody in.
        hosts: Names that the server is reached under, beside ``localhost`` and any IP address.

    Attributes:
        refused: How many requests were refused, by reason: ``host``, ``origin``, ``token``.
    """

    def __init__(self, app: ASGIApp, token: str | None = None, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})
        self._wrong: deque[float] = deque(maxlen=int(_LONGEST_WAIT / _STEP))
        self._waiting = 0
        self.refused: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        refused = await self._refused(scope)
        strict = _strict(send)
        if refused is not None:
            await refused(scope, receive, strict)
            return
        # Names in a path are routed as they were sent: a key may hold a slash, as %2F.
        scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("ascii", "replace")
        await self._app(scope, receive, strict)

    async def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return self._refusal("host", 421, "this server does not go by that name")
        if not self._is_same_origin(headers, hosts[0]):
            return self._refusal("origin", 403, "requests of other origins are refused")
        if scope["path"] in OPEN_PATHS or self._token is None or self._carries(headers):
            return None
        await self._slow_down()
        said = self._refusal("token", 401, "expected Authorization: Bearer with the API's token")
        said.headers["www-authenticate"] = "Bearer"
        return said

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return name in self._hosts or _is_address(name)

    def _is_same_origin(self, headers: Headers, host: str) -> bool:
        """Return whether a browser did not say that another origin is asking."""
        if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return False
        origins = headers.getlist("origin")
        # A proxy that ends TLS hides the scheme, so that only host and port can be compared.
        return all(origin.partition("://")[2].lower() == host.lower() for origin in origins)

    def _carries(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        assert self._token is not None
        return scheme.lower() == "bearer" and hmac.compare_digest(
            given.strip().encode("utf-8", "surrogatepass"), self._token
        )

    async def _slow_down(self) -> None:
        """Let who guesses wait, but never more callers at once than the server can spare."""
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

    def _refusal(self, reason: str, status: int, message: str) -> Response:
        self.refused[reason] += 1
        return refusal(status, None, message)


def _name(host: str) -> str:
    """Return the name of a ``Host`` header, without the port and the brackets of an address."""
    bare = host.lower()
    if bare.startswith("["):
        return bare[1:].partition("]")[0]
    return bare.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _strict(send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in STRICT_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return told
