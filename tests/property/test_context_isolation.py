"""Two tenants, two users, ten thousand random operations: nothing crosses."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cache_fabric import ContextScope, create_cache_fabric
from cache_fabric.errors import NotFound

KEYS = ("prompt", "tool", "acme", "global\u241fprompt")
SCOPES = (ContextScope.GLOBAL, ContextScope.TENANT, ContextScope.USER)
OPERATIONS = 10_000


def place(scope: ContextScope, tenant: str, user: str) -> tuple[str, ...]:
    if scope is ContextScope.GLOBAL:
        return ("global",)
    return (tenant,) if scope is ContextScope.TENANT else (tenant, user)


def resolved(model: dict[Any, Any], key: str, tenant: str, user: str) -> Any:
    for scope in reversed(SCOPES):
        value = model.get((place(scope, tenant, user), key))
        if value is not None:
            return value
    return None


@pytest.mark.timeout(300)
async def test_random_operations_of_two_tenants_never_meet() -> None:
    rng = random.Random(11)
    model: dict[Any, Any] = {}
    async with create_cache_fabric("memory") as fabric:
        for number in range(OPERATIONS):
            tenant, user = rng.choice(("acme", "globex")), rng.choice(("ann", "bob"))
            key, scope = rng.choice(KEYS), rng.choice(SCOPES)
            owner: dict[str, Any] = {} if scope is ContextScope.GLOBAL else {"tenant": tenant}
            if scope is ContextScope.USER:
                owner["user"] = user
            where = (place(scope, tenant, user), key)
            action = rng.random()
            if action < 0.1:
                value = [tenant, user, number]
                await fabric.set_context(key, value, scope, **owner)
                model[where] = value
            elif action < 0.12 and scope is not ContextScope.USER:
                try:
                    await fabric.delete_context(key, scope=scope, tenant=owner.get("tenant"))
                except NotFound:
                    assert model.get(where) is None
                model[where] = None
            else:
                found = await fabric.get_context(key, tenant=tenant, user=user)
                expected = resolved(model, key, tenant, user)
                assert (found.value if found else None) == expected
