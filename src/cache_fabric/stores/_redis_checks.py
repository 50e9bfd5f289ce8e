"""Whether a server can keep records: asked once, when a store opens."""

from __future__ import annotations

import logging
import re
from typing import Any

from redis.asyncio import Redis, RedisCluster

from cache_fabric.errors import ConfigurationError
from cache_fabric.stores._redis_links import Client, Link, asking, primaries
from cache_fabric.stores._redis_settings import setting

__all__ = ["check_client", "check_server", "longest_block"]

_log = logging.getLogger(__name__)

_OLDEST = (6, 2)
_LONGEST_BLOCK = 2.0
"""Seconds a wait trusts one connection; a peer that vanished without a word is noticed then."""


async def check_server(link: Link, address: str) -> None:
    """Returns if every server behind the link is new enough and evicts no record.

    Raises:
        ConfigurationError: It is older than 6.2, or its ``maxmemory-policy`` is ``allkeys-*``.
        BackendError: It does not answer, or refuses the login.
    """
    for node in await link.call("open", primaries):
        info = await link.call("open", asking(node, "INFO", "server"))
        version = _version(info)
        if version < _OLDEST:
            raise ConfigurationError(
                f"url: {address} is Redis {'.'.join(map(str, version))}; expected 6.2 or newer"
            )
        policy = await setting(link, "open", node, "maxmemory-policy")
        if policy is None:
            _log.warning(
                "%s does not show its maxmemory-policy: records are safe only if that is "
                "noeviction or volatile-*",
                address,
            )
        elif policy.startswith("allkeys"):
            raise ConfigurationError(
                f"url: {address} has maxmemory-policy {policy}, which evicts records; set it to "
                "volatile-lru or use a server of its own"
            )


def check_client(client: Any) -> None:
    """Returns if a client that was passed in can be used; else raises `ConfigurationError`."""
    if not isinstance(client, Redis | RedisCluster):
        raise ConfigurationError(
            "client: expected a redis.asyncio.Redis or redis.asyncio.RedisCluster, "
            f"got {type(client).__module__}.{type(client).__name__}"
        )
    if _options(client).get("decode_responses"):
        raise ConfigurationError("client: values are bytes; make it without decode_responses")


def longest_block(client: Client | None) -> float:
    """Seconds that one blocking command may take before the client gives the connection up."""
    timeout = None if client is None else _options(client).get("socket_timeout")
    return _LONGEST_BLOCK if timeout is None else min(_LONGEST_BLOCK, timeout / 2)


def _options(client: Client) -> dict[str, Any]:
    holder: Any = client if isinstance(client, RedisCluster) else client.connection_pool
    options: dict[str, Any] = holder.connection_kwargs
    return options


def _version(info: Any) -> tuple[int, ...]:
    if isinstance(info, dict):
        text = str(info["redis_version"])
    else:
        found = re.search(rb"redis_version:([\d.]+)", info)
        text = found[1].decode() if found else "0"
    return tuple(int(part) for part in text.split(".") if part.isdigit())
