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
from cache_fabric.web.answers import answer_operations
from cache_fabric.web.bundles import bundle_operations
from cache_fabric.web.context_versions import version_operations
from cache_fabric.web.contexts import context_operations
from cache_fabric.web.earners import Earners
from cache_fabric.web.errors import refusal
from cache_fabric.web.events import event_operations
from cache_fabric.web.executions import execution_operations
from cache_fabric.web.feedback import feedback_operations
from cache_fabric.web.figures import figure_operations
from cache_fabric.web.health import health_operations
from cache_fabric.web.hub import Hub
from cache_fabric.web.lookups import lookup_operations
from cache_fabric.web.metrics import metrics_operations
from cache_fabric.web.openapi import document_operation
from cache_fabric.web.operations import Operation, routes
from cache_fabric.web.page import page_routes
from cache_fabric.web.parts import part_routes
from cache_fabric.web.sessions import session_operations
from cache_fabric.web.similar import similar_operations
from cache_fabric.web.system import system_operations
from cache_fabric.web.tokens import Token
from cache_fabric.web.watching import watch_operations

__all__ = ["create_app"]


def create_app(
    fabric: CacheFabric,
    *,
    token: str | None = None,
    trusted: bool = False,
    hosts: Iterable[str] = (),
    content: bool = False,
    page: bool = False,
    ancestors: Iterable[str] = (),
    operations: Iterable[Operation] = (),
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
        content: Whether ``/v1/events`` tells what was asked, beside what came of it.
        page: Whether the dashboard is served at ``/``.
        ancestors: Origins that may show the dashboard in a frame, as a notebook's does.
        operations: Further ones, beside those of the API. ``app.state.hub.tell(kind, data)`` tells
            the listeners of ``/v1/events`` what they do.

    Raises `ConfigurationError` for a token without text.
    """
    bearer = None if token is None else Token(token)
    hub, earners = Hub(fabric, content=content), Earners()
    if page:
        fabric.add_hook(earners)
    further = tuple(operations)
    served = (
        *session_operations(bearer, tuple(dict.fromkeys(each.path for each in further))),
        *_operations(fabric, hub, earners, trusted=trusted),
        *further,
    )
    ancestors = tuple(ancestors)
    app = Starlette(
        routes=[
            *routes((*served, document_operation(served))),
            *(page_routes(ancestors) if page else ()),
            *(part_routes(fabric) if token is not None else ()),
        ],
        middleware=[Middleware(Access, token=bearer, hosts=hosts, framed=bool(ancestors))],
        exception_handlers={HTTPException: _refused},
    )
    app.state.hub = hub
    return app


def _operations(
    fabric: CacheFabric, hub: Hub, earners: Earners, *, trusted: bool
) -> tuple[Operation, ...]:
    return (
        *health_operations(fabric),
        *context_operations(fabric),
        *version_operations(fabric),
        *bundle_operations(fabric),
        *watch_operations(fabric),
        *lookup_operations(fabric),
        *answer_operations(fabric, earners),
        *similar_operations(fabric),
        *execution_operations(fabric),
        *feedback_operations(fabric, trusted=trusted),
        *figure_operations(fabric),
        *system_operations(fabric),
        *event_operations(fabric, hub),
        *metrics_operations(fabric),
    )


def _refused(_: Request, error: Exception) -> Response:
    """Answer what no route takes in the form of all other errors."""
    assert isinstance(error, HTTPException)
    said = refusal(error.status_code, None, error.detail)
    said.headers.update(error.headers or {})
    return said
