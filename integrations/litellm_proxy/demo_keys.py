"""Teams without a database: ``sk-TEAM-NAME`` is a key of that team. For the demo only."""

from __future__ import annotations

from fastapi import HTTPException, Request
from litellm.proxy._types import UserAPIKeyAuth


async def verify(request: Request, api_key: str) -> UserAPIKeyAuth:  # noqa: ARG001 - LiteLLM's
    """Return whose a key is."""
    mark, _, rest = api_key.partition("-")
    team, _, name = rest.partition("-")
    if mark != "sk" or not name:
        raise HTTPException(401, "expected a key such as sk-red-ann")
    return UserAPIKeyAuth(api_key=api_key, team_id=team)
