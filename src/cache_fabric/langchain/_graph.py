"""Which graph a model call belongs to, for the figures.

What comes first: the options of the host, the run's metadata
(``config={"metadata": {"cache_fabric_graph": "support"}}``), the graph under whose name a
`FabricCallbackHandler` tracks the run, the name of the agent. A name that is none is passed over:
no call loses its answer for a label.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.options import CacheOptions

__all__ = ["GRAPH", "named_graph"]

GRAPH = "cache_fabric_graph"


def named_graph(
    options: CacheOptions, metadata: Mapping[str, Any], *known: str | None
) -> CacheOptions:
    """Return the options of a call with the name of its graph.

    Args:
        options: A graph in them stands.
        metadata: Of the run.
        known: What it is called elsewhere, the best first.
    """
    named = (metadata.get(GRAPH), *known)
    graph = next((name for name in named if isinstance(name, str) and name), None)
    if options.graph is not None or graph is None:
        return options
    try:
        return dataclasses.replace(options, graph=graph)
    except ValidationError:
        return options
