"""A response of no particular host as an `Answer`. Pure."""

from __future__ import annotations

import json
from typing import Any

from cache_fabric.types import Answer

__all__ = ["as_answer"]


def as_answer(response: Any) -> Answer:
    """Return the response as what is kept of it; its text is itself, or its JSON."""
    if isinstance(response, str):
        return Answer(payload=response, text=response)
    try:
        text = json.dumps(response, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = type(response).__name__  # encoding will say that it is not plain data
    return Answer(payload=response, text="" if response in (None, {}, []) else text)
