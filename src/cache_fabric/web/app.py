"""The HTTP API put together: one file a subject, and `Access` in front of them all."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from cache_fabric.fabric import CacheFabric
from cache_fabric.web.access import Access
from cache_fabric.web.contexts import context_operations
from cache_fabric.web.errors import refusal
from cache_fabric.web.feedback import feedback_operations
from cache_fabric.web.health import health_operations
from cache_fabric.web.metrics import metrics_operations
from cache_fabric.web.operations import Operation, route

__all__ = ["create_app"]


def create_app(
    fabric: CacheFabric,
    *,
    token: str | None = None,
    trusted: bool = False,
    hosts: Iterable[str] = (),
) -> Starlette:
    """Return the ASGI application of a fabric, which it uses as it is and never closes.

    ``/v1/openapi.json`` says what it takes and answers. An error is ``{"error": {"field",
    "message"}}`` with 400 (no JSON object), 401 (token), 403 (another origin), 404 (not there),
    412 (a compare-and-set lost: ``current`` is what won), 413 (too large), 415 (not JSON), 421
    (another host), 422 (a field) or 503 (the store is away).

    Args:
        fabric: What is served.
        token: What ``Authorization: Bearer`` must carry; without it everybody is let in. It opens
            everything: give it to agents and operators, not to end users.
        trusted: Whether one feedback may act alone. For callers who vouch for what they send; an
            end user's own word is not trusted. Never read from what is sent. Who is not trusted is
            not believed whose word it is either: it counts as that of the user of the run, and all
            runs without one are of one and the same stranger, who cannot agree with himself.
        hosts: Names that the server is reached under, beside ``localhost`` and any IP address.
    """
    return Starlette(
        routes=[route(operation) for operation in _operations(fabric, trusted=trusted)],
        middleware=[Middleware(Access, token=token, hosts=hosts)],
        exception_handlers={HTTPException: _refused},
    )


def _operations(fabric: CacheFabric, *, trusted: bool) -> tuple[Operation, ...]:
    return (
        *health_operations(fabric),
        *context_operations(fabric),
        *feedback_operations(fabric, trusted=trusted),
        *metrics_operations(fabric),
    )


def _refused(_: Request, error: Exception) -> Response:
    """Answer what no route takes in the form of all other errors."""
    assert isinstance(error, HTTPException)
    said = refusal(error.status_code, None, error.detail)
    said.headers.update(error.headers or {})
    return said
