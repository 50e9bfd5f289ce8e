"""One call of LiteLLM through a fabric, whatever ``litellm.cache`` is.

The way that needs no seam of LiteLLM's: the call is made without its cache, around it the fabric is
asked and told. What ``enable`` cannot do: a caller that fails, leaves or is cancelled frees those
who wait for it at once, and what comes back says where it came from.
"""

from __future__ import annotations

from typing import Any

import litellm as host

from cache_fabric.fabric import CacheFabric
from cache_fabric.litellm._one_call import OneCall
from cache_fabric.litellm._terms import Name, Terms
from cache_fabric.options import NO_OPTIONS, CacheOptions

__all__ = ["acompletion", "completion"]

_UNCACHED = {"caching": False, "cache": {"no-cache": True, "no-store": True}}


def completion(
    fabric: CacheFabric,
    *,
    tenant: Name = None,
    user: Name = None,
    options: CacheOptions = NO_OPTIONS,
    **kwargs: Any,
) -> Any:
    """Return what ``litellm.completion(**kwargs)`` returns, from the fabric where it can.

    ``_hidden_params["cache_fabric"]`` of what comes back says where it came from: ``outcome``
    (``hit``, ``miss`` or ``bypass``), of a hit ``tier``, ``similarity``, ``entry_id``, ``age`` and
    ``saved_cost``, else the ``reason``. A hit costs nothing, and is no event for LiteLLM's
    callbacks.

    Args:
        fabric: Used as it is and never closed.
        tenant: Whose call it is; as in `enable`.
        user: The same for the end user.
        options: Of the request; ``cache={...}`` among the arguments stands above them.
        kwargs: Of the call.

    Raises:
        ValidationError: An argument of ours is not usable. Else what LiteLLM raises.
    """
    call = OneCall(Terms(fabric, tenant, user, options), kwargs, awaits=False)
    body = call.lookup()
    if body is not None:
        return call.replayed(body)
    try:
        response = host.completion(**{**kwargs, **_UNCACHED})
    except BaseException as error:
        body = call.fail(error)
        if body is None:
            raise
        return call.replayed(body)
    return call.answered(response)


async def acompletion(
    fabric: CacheFabric,
    *,
    tenant: Name = None,
    user: Name = None,
    options: CacheOptions = NO_OPTIONS,
    **kwargs: Any,
) -> Any:
    """As `completion`, for ``litellm.acompletion``."""
    call = OneCall(Terms(fabric, tenant, user, options), kwargs, awaits=True)
    body = await call.alookup()
    if body is not None:
        return call.replayed(body)
    try:
        response = await host.acompletion(**{**kwargs, **_UNCACHED})
    except BaseException as error:
        body = call.fail(error)
        if body is None:
            raise
        return call.replayed(body)
    return call.answered(response)
