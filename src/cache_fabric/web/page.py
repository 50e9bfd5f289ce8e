"""The page and what belongs to it: read once, served compressed, and nothing else is.

The files hold no secret, so they are served without a token: what the page shows, it asks the API
for, with the cookie of its session. Libraries are vendored with their licences (``vendor/``):
Preact with htm, whose templates write text and never markup, and uPlot.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cache_fabric.web.access import OPEN_PREFIX
from cache_fabric.web.errors import refusal

__all__ = ["page_routes"]

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    plain: bytes
    packed: bytes
    etag: str


def page_routes(ancestors: tuple[str, ...] = ()) -> list[Route]:
    """Return ``/`` and the files below ``/page/``.

    Args:
        ancestors: Origins that may show the page in a frame (a notebook's); none by default.
    """
    files = dict(_files(resources.files("cache_fabric.web").joinpath("page")))
    policy = _POLICY.format(ancestors=" ".join(ancestors) or "'none'")
    headers = {"content-security-policy": policy}
    if ancestors:
        headers["x-frame-options"] = ""  # it knows no list of origins; the policy has one
    return [
        Route("/", _serving(files["index.html"], headers)),
        *(Route(OPEN_PREFIX + name, _serving(file, headers)) for name, file in files.items()),
    ]


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, _File]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _files(each, f"{prefix}{each.name}/")
            continue
        media_type = _TYPES.get(each.name.rpartition(".")[2])
        if media_type is not None:
            plain = each.read_bytes()
            etag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
            yield prefix + each.name, _File(media_type, plain, gzip.compress(plain, mtime=0), etag)


def _serving(file: _File, headers: dict[str, str]) -> Callable[[Request], Awaitable[Response]]:
    told = {**headers, "etag": file.etag, "cache-control": "no-cache", "vary": "accept-encoding"}

    async def serve(request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return refusal(405, None, "expected GET")
        if request.headers.get("if-none-match") == file.etag:
            return Response(None, 304, told)
        if "gzip" in request.headers.get("accept-encoding", ""):
            packed = {**told, "content-encoding": "gzip"}
            return Response(file.packed, 200, packed, media_type=file.media_type)
        return Response(file.plain, 200, told, media_type=file.media_type)

    return serve
