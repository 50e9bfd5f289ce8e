"""How a server keeps what it was told, as far as it shows that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import exceptions as redis_errors

from cache_fabric.stores._redis_links import Link, primaries
from cache_fabric.stores.base import Durability

__all__ = ["durability_of", "information", "permitted", "setting"]

_LEVELS: tuple[Durability, ...] = ("memory", "process", "disk")
"""From weak to strong."""


async def durability_of(link: Link) -> Durability:
    """What an acknowledged write survives on the weakest server behind the link.

    ``process`` is the end of the process that wrote: under ``appendfsync everysec`` a server that
    is killed may lose its last two seconds, because it answers before it writes to the file while
    the disk is busy with the last sync. Snapshots alone lose all that came after the last one.
    """
    levels = [await _durability(link, node) for node in await link.call("open", primaries)]
    return min(levels, key=_LEVELS.index)


async def _durability(link: Link, node: Any) -> Durability:
    appends = await setting(link, "open", node, "appendonly")
    if appends is None:
        shown = await information(link, "open", node, "persistence")
        # How often it syncs is not shown: what any append-only file gives.
        return "process" if shown.get("aof_enabled") == "1" else "memory"
    if appends != "yes":
        return "memory"
    return "disk" if await setting(link, "open", node, "appendfsync") == "always" else "process"


async def setting(link: Link, operation: str, node: Any, name: str) -> str | None:
    """A setting of the server, or ``None`` where it does not show it, as managed ones."""
    answer = await permitted(link, operation, node, "CONFIG GET", name)
    if answer is None:
        return None
    named = (
        answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
    )
    return {_text(name): _text(value) for name, value in named.items()}.get(name)


async def information(link: Link, operation: str, node: Any, section: str) -> Mapping[str, str]:
    """A section of what the server says of itself; empty where it does not."""
    answer = await permitted(link, operation, node, "INFO", section)
    if answer is None:
        return {}
    if isinstance(answer, dict):
        return {_text(name): _text(value) for name, value in answer.items()}
    lines = (line.partition(":") for line in _text(answer).splitlines())
    return {name: value for name, colon, value in lines if colon}


async def permitted(link: Link, operation: str, node: Any, *command: Any) -> Any:
    """The answer to a command that an operator may have forbidden; ``None`` if he has."""

    async def ask(_: Any) -> Any:
        try:
            return await node.execute_command(*command)
        except redis_errors.ResponseError:
            return None

    return await link.call(operation, ask)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
