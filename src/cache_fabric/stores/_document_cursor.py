"""The cursor of a page of documents: the place where it ended, as text for callers. Pure."""

from __future__ import annotations

import base64
import struct

from cache_fabric.errors import ValidationError

__all__ = ["Place", "cursor_at", "read_cursor"]

Place = tuple[float, str]
"""Where a document stands among those of its kind: its time, then its key."""

_FORM = "d1."


def cursor_at(place: Place) -> str:
    """Return the cursor that goes on below a place."""
    at, key = place
    named = struct.pack(">d", at) + key.encode("utf-8", "surrogatepass")
    return _FORM + base64.urlsafe_b64encode(named).decode()


def read_cursor(cursor: str) -> Place:
    """Return the place of a cursor; raises `ValidationError` for one that is not ours."""
    try:
        named = base64.urlsafe_b64decode(cursor.removeprefix(_FORM))
        place = struct.unpack(">d", named[:8])[0], named[8:].decode("utf-8", "surrogatepass")
        if cursor_at(place) == cursor:
            return place
    except (AttributeError, TypeError, ValueError, struct.error):
        pass
    raise ValidationError("cursor", "expected the cursor of a page that was found here")
