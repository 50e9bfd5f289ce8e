"""How the proxies under test verify a key: ``sk-TEAM-NAME`` is a key of that team."""

from __future__ import annotations

from fastapi import HTTPException, Request
from litellm.proxy._types import UserAPIKeyAuth


async def verify(request: Request, api_key: str) -> UserAPIKeyAuth:
    mark, _, rest = api_key.partition("-")
    team, _, name = rest.partition("-")
    if mark != "sk" or not name:
        raise HTTPException(401, "no such key")
    return UserAPIKeyAuth(api_key=api_key, team_id=team)
