"""Who is let in: Host, Origin and token are checked before anything is read or done.

A page of another origin cannot use the browser of somebody who has the API open: it is refused by
its Origin, and by Host where its own name was pointed at this address (DNS rebinding). Nobody else
is told anything but 401. What is answered says to browsers that it is never framed, sniffed, cached
or read by others.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cache_fabric.web.errors import refusal
from cache_fabric.web.tokens import Token

__all__ = ["OPEN_PATHS", "STRICT_HEADERS", "Access"]

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/session"})
"""What is answered without a token: that it runs, the page, which shows nothing by itself, and who
has the token that a session begins."""
OPEN_PREFIX = "/page/"
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
_CHANGE_NOTHING = frozenset({"GET", "HEAD"})


class Access:
    """Lets requests through to the app, or answers them itself.

    Args:
        app: What is protected.
        token: What has to be carried; ``None`` lets everybody in.
        hosts: Names that the server is reached under, beside ``localhost`` and any IP address.
        framed: Whether the page may be opened in a frame of another origin, of those that its own
            policy names; all else that it asks for comes from its own.

    Attributes:
        refused: How many requests were refused, by reason: ``host``, ``origin``, ``token``.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: Token | None = None,
        hosts: Iterable[str] = (),
        *,
        framed: bool = False,
    ) -> None:
        self._app = app
        self._framed = framed
        self._token = token
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})
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
        opens_frame = self._framed and _is_page_in_frame(scope, headers)
        if not opens_frame and not _is_same_origin(headers, hosts[0]):
            return self._refusal("origin", 403, "requests of other origins are refused")
        token = self._token
        path: str = scope["path"]
        is_open = path in OPEN_PATHS or path.startswith(OPEN_PREFIX)
        if is_open or token is None or token.is_borne(headers):
            return None
        if token.has_session(headers):
            if scope["method"] in _CHANGE_NOTHING or _says_its_origin(headers):
                return None
            return self._refusal("origin", 403, "a change in a session has to name its origin")
        await token.slow_down()
        said = self._refusal("token", 401, "expected Authorization: Bearer with the API's token")
        said.headers["www-authenticate"] = "Bearer"
        return said

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return name in self._hosts or _is_address(name)

    def _refusal(self, reason: str, status: int, message: str) -> Response:
        self.refused[reason] += 1
        return refusal(status, None, message)


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Return whether a browser did not say that another origin is asking."""
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return False
    origins = headers.getlist("origin")
    # A proxy that ends TLS hides the scheme, so that only host and port can be compared.
    return all(origin.partition("://")[2].lower() == host.lower() for origin in origins)


def _is_page_in_frame(scope: Scope, headers: Headers) -> bool:
    asks = scope["path"] == "/" and scope["method"] in _CHANGE_NOTHING
    return asks and headers.get("sec-fetch-dest") == "iframe"


def _says_its_origin(headers: Headers) -> bool:
    return "origin" in headers or headers.get("sec-fetch-site") == "same-origin"


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
