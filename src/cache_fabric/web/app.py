"""The HTTP API: what somebody says of an execution, whose id a proxy's response header named."""

from __future__ import annotations

import dataclasses
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from cache_fabric.errors import BackendError, NotFound, ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.feedback_rules import said_by
from cache_fabric.records import Feedback

__all__ = ["create_app"]

_MOST_BYTES = 64 * 1024
_STATUS = {NotFound: 404, ValidationError: 422, BackendError: 503}
_Endpoint = Callable[[Request], Awaitable[JSONResponse]]


def create_app(
    fabric: CacheFabric, *, token: str | None = None, trusted: bool = False
) -> Starlette:
    """Return the ASGI application of a fabric, which it uses as it is and never closes.

    ``POST /v1/feedback`` takes a JSON object with ``execution_id`` and what `record_feedback` takes
    (``user_rating``, ``score``, ``label``, ``comment``, ``correction`` ...), and answers with 201
    and ``{"id", "execution_id", "timestamp", "verdict", "effects": [{"entry_id", "action",
    "reason"}]}``. ``GET /health`` answers with 200. An error is ``{"error": {"field", "message"}}``
    with 400 (no JSON object), 401 (token), 404 (no such execution), 413 (over 64 KiB), 422 (a
    field, as ``feedback.user_rating``) or 503 (the store is away).

    Args:
        fabric: Keeps the feedback.
        token: What ``Authorization: Bearer`` must carry; without it everybody is let in.
        trusted: Whether one feedback may act alone. For callers who vouch for what they send; an
            end user's own word is not trusted. Never read from what is sent. Who is not trusted is
            not believed whose word it is either: it counts as that of the user of the run, and all
            runs without one are of one and the same stranger, who cannot agree with himself.
    """

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def feedback(request: Request) -> JSONResponse:
        if token is not None and not _carries(request, token):
            return _error(401, None, "expected Authorization: Bearer with the API's token")
        body = await _body(request)
        if body is None:
            return _error(413, None, f"expected at most {_MOST_BYTES} bytes")
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            return _error(400, None, "expected a JSON object")
        execution_id = given.pop("execution_id", None)
        if not trusted:
            run = await fabric.get_execution(execution_id)
            given = said_by(given, None if run is None else run.user)
        kept = await fabric.record_feedback(execution_id, given, trusted=trusted)
        return JSONResponse(_told(kept), status_code=201)

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/feedback", _answered(feedback), methods=["POST"]),
        ]
    )


def _answered(endpoint: _Endpoint) -> _Endpoint:
    async def answer(request: Request) -> JSONResponse:
        try:
            return await endpoint(request)
        except (NotFound, ValidationError, BackendError) as error:
            status = next(s for kind, s in _STATUS.items() if isinstance(error, kind))
            return _error(status, getattr(error, "field", None), str(error))

    return answer


def _told(kept: Feedback) -> dict[str, Any]:
    return {
        "id": kept.id,
        "execution_id": kept.execution_id,
        "timestamp": kept.timestamp.isoformat(),
        "verdict": kept.verdict,
        "effects": [dataclasses.asdict(effect) for effect in kept.effects],
    }


def _carries(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


async def _body(request: Request) -> bytes | None:
    """Return the body, ``None`` as soon as it is too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            return None
    return body


def _error(status: int, field: Any, message: str) -> JSONResponse:
    return JSONResponse({"error": {"field": field, "message": message}}, status_code=status)
