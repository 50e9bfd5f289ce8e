"""What a response's headers say of the cache. Pure.

No key is shown: of an entry's id only the part that was drawn by chance when it was answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

__all__ = ["headers_of"]

_NAME = "x-cache-fabric"
_COST = {"x-litellm-response-cost": "0.0"}  # LiteLLM's own; it leaves it out where nothing was paid


def headers_of(
    said: Mapping[str, Any] | None,
    execution_id: str | None,
    contexts: Sequence[Mapping[str, Any]] = (),
) -> dict[str, str]:
    """Return the headers of one response.

    Args:
        said: What the fabric did, as it is kept in the call's record; ``None`` where it was not
            asked.
        execution_id: Of the call, where it is tracked.
        contexts: Those that the request's prompt came from.
    """
    said = said or {}
    outcome = said.get("outcome")
    told: dict[str, str] = {"": outcome if outcome in ("hit", "miss") else "bypass"}
    if outcome == "hit":
        told |= _of_hit(said)
    if execution_id is not None:
        told["execution"] = quote(execution_id)
    if contexts:
        told["prompt"] = ", ".join(f"{quote(c['key'])}@{c['version']}" for c in contexts)
    headers = {f"{_NAME}-{name}" if name else _NAME: value for name, value in told.items()}
    return {**headers, **_COST} if outcome == "hit" else headers


def _of_hit(said: Mapping[str, Any]) -> dict[str, str]:
    told = {
        "tier": str(said["tier"]),
        "similarity": f"{said['similarity']:.4f}",
        "age": f"{said['age']:.3f}",
        "entry": str(said["entry_id"]).rpartition(".")[2],
    }
    if said.get("saved_cost") is not None:
        told["saved"] = f"{said['saved_cost']:.6f}"
    return told
