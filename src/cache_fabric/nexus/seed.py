"""The functions of ``universal_agent_nexus.cache_fabric``, with its names and arguments, over ours.

They take what that package makes (a ``ManifestIR`` after the pass manager) and any other manifest
that `read_manifest` takes; the package itself is not needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cache_fabric.fabric import CacheFabric
from cache_fabric.nexus.compile import Compilation, compile_manifest
from cache_fabric.nexus.formats import read_manifest

__all__ = [
    "get_router_prompt_from_fabric",
    "record_feedback_to_fabric",
    "store_manifest_contexts",
    "track_execution_with_fabric",
]

_MOST_CHARACTERS = 200_000  # of a result; an execution holds 1 MiB, whatever the characters are
_MOST_ITEMS = 1_000


async def store_manifest_contexts(
    manifest: Any, fabric: CacheFabric, graph_name: str | None = None
) -> Compilation:
    """Publish the texts, tools and graphs of a manifest as contexts, all at one revision.

    What has not changed is not written again, so that its versions and its answers stay.

    Args:
        manifest: A ``ManifestIR``, an ``AgentManifest``, a mapping, a path, or a `Manifest`.
        fabric: Whose contexts are written.
        graph_name: Recorded with what belongs to no graph of its own, as routers do.

    Raises:
        ManifestError: The manifest is broken; nothing is published then.
        BackendError: The store failed.
    """
    read = await asyncio.to_thread(read_manifest, manifest)
    if graph_name is not None:
        contexts = (replace(one, graph=one.graph or graph_name) for one in read.contexts)
        read = replace(read, contexts=tuple(contexts))
    return await compile_manifest(read, fabric)


async def get_router_prompt_from_fabric(
    router_name: str, fabric: CacheFabric, default: str | None = None
) -> str | None:
    """Return the current prompt of a router, or the default where there is no text.

    Waits for no store that is away.
    """
    entry = await fabric.known_context(router_key(router_name))
    return entry.value if entry is not None and isinstance(entry.value, str) else default


async def track_execution_with_fabric(
    execution_id: str, graph_name: str, result: Mapping[str, Any], fabric: CacheFabric
) -> None:
    """Keep what a graph returned; its keys, but for ``messages``, count as the nodes that ran."""
    await fabric.track_execution(execution_id, graph_name, state_of(result))


async def record_feedback_to_fabric(
    execution_id: str, feedback: Mapping[str, Any], fabric: CacheFabric
) -> None:
    """Keep what somebody said of a run, and act on it; see `CacheFabric.record_feedback`."""
    await fabric.record_feedback(execution_id, feedback)


def router_key(router_name: str) -> str:
    """Return the key of a router's prompt."""
    return f"router:{router_name}:system_prompt"


def state_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of an execution that is known by its result only."""
    return {
        "output": as_plain(result),
        "nodes_executed": [str(name) for name in result if name != "messages"],
    }


def as_plain(value: Any) -> Any:
    """Return a bounded copy as plain data: messages and other objects of LangChain may be in it."""
    try:
        from cache_fabric.langchain._plain import Allowance, Detail, plain
    except ModuleNotFoundError:  # then there are no such objects
        return value
    detail = Detail(characters=_MOST_CHARACTERS, items=_MOST_ITEMS)
    return plain(value, Allowance(_MOST_CHARACTERS), detail)
