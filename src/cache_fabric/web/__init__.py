"""Cache Fabric over HTTP; importing this package imports no web framework.

``create_app(fabric)`` is an ASGI application: all of a fabric under ``/v1``, and ``/metrics``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from cache_fabric.web.app import create_app

__all__ = ["create_app"]

_EXTRA = {"starlette", "sse_starlette", "prometheus_client"}


def __getattr__(name: str) -> Any:
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from cache_fabric.web import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        raise MissingExtraError("ui", f"{__name__}.{name}") from error
    return app.create_app


def __dir__() -> list[str]:
    return sorted(__all__)
