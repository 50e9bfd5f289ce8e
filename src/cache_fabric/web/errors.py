"""Errors as they are answered: ``{"error": {"field", "message"}}`` with a status."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from cache_fabric.errors import (
    BackendError,
    CacheFabricError,
    FabricClosedError,
    IncompleteErasure,
    NotFound,
    ValidationError,
    VersionConflict,
)

__all__ = ["Failure", "answer_to", "refusal"]


class Cause(Struct):
    """What is wrong, and with which field, ``null`` where it is about none."""

    field: str | None
    message: str


class Failure(Struct):
    """An error; ``current`` is what won where a compare-and-set lost."""

    error: Cause
    current: Any | UnsetType = UNSET


_STATUS: dict[type[CacheFabricError], int] = {
    NotFound: 404,
    VersionConflict: 412,
    ValidationError: 422,
    BackendError: 503,
    FabricClosedError: 503,
    IncompleteErasure: 503,
}


def answer_to(error: CacheFabricError) -> Response:
    """Return what a caller is told of an error of the fabric; it never shows a prompt."""
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    current = {"version": error.current} if isinstance(error, VersionConflict) else UNSET
    return refusal(status, getattr(error, "field", None), str(error), current)


def refusal(
    status: int, field: str | None, message: str, current: Any | UnsetType = UNSET
) -> Response:
    """Return an error as it is answered."""
    told = msgspec.json.encode(Failure(Cause(field, message), current))
    return Response(told, status, media_type="application/json")
