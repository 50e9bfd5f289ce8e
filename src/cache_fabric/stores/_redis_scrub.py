"""Making what was deleted unreadable in the files of a server, and saying what that leaves.

A server writes a deleted value over only when it writes its whole file anew: the append-only file
with ``BGREWRITEAOF``, the snapshot with ``BGSAVE``. Both are ordered here and waited for. A server
without files gets none by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import BackendTimeout
from cache_fabric.stores._redis_keys import Layout
from cache_fabric.stores._redis_links import Link, primaries
from cache_fabric.stores._redis_settings import information, permitted, setting

__all__ = ["scrubbed"]

_LONGEST = 60.0
"""Seconds that a file may take; the server ends it without us."""

_POLL_SECONDS = 0.05

_ALL_SLOW_COMMANDS = 100_000

_REWRITE = ("BGREWRITEAOF", "append-only file", "aof_last_bgrewrite_status")
_SNAPSHOT = ("BGSAVE", "snapshot file", "rdb_last_bgsave_status")


async def scrubbed(link: Link, layout: Layout, *, is_ours: bool) -> list[str]:
    """Write the files of every server behind the link anew; what remains, a sentence each.

    Args:
        link: To the servers.
        layout: Tells commands on our keys from those of others.
        is_ours: The server is an embedded one, of whose files nobody makes copies.
    """
    remains = []
    for node in await link.call("scrub", primaries):
        if is_ours:
            await permitted(link, "scrub", node, "SLOWLOG RESET")
        remains += await _scrubbed(link, node)
        remains += await _beyond(link, node, layout)
    if not is_ours:
        remains.append(
            f"copies that the operator of {link.address} has made of its files (backups, older "
            "snapshots) keep deleted values for as long as they are kept"
        )
    return list(dict.fromkeys(remains))


async def _scrubbed(link: Link, node: Any) -> list[str]:
    state = await information(link, "scrub", node, "persistence")
    if not state:
        return [
            f"{link.address} does not show which files it keeps (INFO is not permitted): they keep "
            "deleted values until it writes them anew"
        ]
    remains = []
    if state.get("aof_enabled") == "1":
        remains += await _written_anew(link, node, *_REWRITE)
    if await _has_snapshots(link, node, state):
        remains += await _written_anew(link, node, *_SNAPSHOT)
    return remains


async def _has_snapshots(link: Link, node: Any, state: Mapping[str, str]) -> bool:
    """Whether there may be a snapshot to replace; a server without one shall get none by us."""
    counts = [state.get("rdb_saves"), state.get("rdb_last_bgsave_time_sec")]
    if state.get("aof_enabled") != "1":  # else these came from the append-only file
        counts.append(state.get("rdb_last_load_keys_loaded"))
    took_some = any(count not in (None, "0", "-1") for count in counts)
    return took_some or bool(await setting(link, "scrub", node, "save"))


async def _written_anew(link: Link, node: Any, command: str, file: str, status: str) -> list[str]:
    keeps = f"the {file} of {link.address} keeps deleted values until the server writes it anew"
    try:
        async with asyncio.timeout(_LONGEST):
            # One that is under way may have begun before the delete.
            await _idle(link, node)
            if await permitted(link, "scrub", node, command) is None:
                return [f"{keeps}; {command} is refused here"]
            state = await _idle(link, node)
    except BackendTimeout:
        raise  # it is a TimeoutError too
    except TimeoutError:
        return [f"{keeps}, which takes longer than {_LONGEST:.0f} s and goes on"]
    return [] if state.get(status) == "ok" else [f"{keeps}; {command} failed there, see its log"]


async def _idle(link: Link, node: Any) -> Mapping[str, str]:
    """The state of the server's files when it is writing none."""
    busy = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
    while True:
        state = await information(link, "scrub", node, "persistence")
        if not any(state.get(name) == "1" for name in busy):
            return state
        await asyncio.sleep(_POLL_SECONDS)


async def _beyond(link: Link, node: Any, layout: Layout) -> list[str]:
    """What no command that we may send to this server reaches."""
    remains = []
    replicas = (await information(link, "scrub", node, "replication")).get("connected_slaves", "0")
    if replicas != "0":
        remains.append(
            f"the files of the replicas of {link.address} keep deleted values until these write "
            "them anew (BGREWRITEAOF, BGSAVE there)"
        )
    slow = await permitted(link, "scrub", node, "SLOWLOG GET", _ALL_SLOW_COMMANDS) or ()
    if any(mark in item["command"] for item in slow for mark in (layout.cache, layout.tag)):
        remains.append(
            f"the slow log of {link.address} shows beginnings of deleted values until newer "
            "commands displace them (SLOWLOG RESET)"
        )
    return remains
