"""How callbacks hear of a hit that stands in for a model or a tool: LangChain reports no run."""

from __future__ import annotations

import contextlib
from typing import Any

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event

__all__ = ["atell_hit", "tell_hit"]

_EVENT = "cache_fabric"


def tell_hit(said: dict[str, Any] | None) -> None:
    """Dispatch a custom event to the callbacks of the run that asked, if there was a hit."""
    if said is not None:
        with contextlib.suppress(Exception):  # outside a run there is nobody to tell
            dispatch_custom_event(_EVENT, {"outcome": "hit", **said})


async def atell_hit(said: dict[str, Any] | None) -> None:
    """As `tell_hit`, for callbacks of a running loop."""
    if said is not None:
        with contextlib.suppress(Exception):
            await adispatch_custom_event(_EVENT, {"outcome": "hit", **said})
