"""``cache-fabric reindex``: the index made anew from the store."""

from __future__ import annotations

import dataclasses

from rich.console import Console

from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, named_fabric, print_json
from cache_fabric.cli._progress import progress_bar
from cache_fabric.errors import CacheFabricError
from cache_fabric.reindex import Reindexed

__all__ = ["reindex"]


def reindex(fabric: FabricOption = None, json: JsonOption = False) -> None:
    """Make the index anew from the kept answers: after another embedder, or a lost index."""
    try:
        # Not opened before: an index of another embedder would refuse, and is to be replaced.
        opened = named_fabric(fabric)
        try:
            with progress_bar("answers", shown=not json) as told:
                done = opened.sync.reindex(told)
        finally:
            opened.sync.close()
    except CacheFabricError as error:
        fail(str(error))
    if json:
        print_json(dataclasses.asdict(done))
    else:
        Console().print(_said(done))


def _said(done: Reindexed) -> str:
    lines = [f"{done.indexed:,} of {done.entries:,} answers are found by meaning now."]
    if done.other_embedder:
        lines.append(
            f"{done.other_embedder:,} of them are of another embedder: searches find them, "
            "lookups do not."
        )
    if done.no_question:
        lines.append(f"{done.no_question:,} have no question by itself: exact hits only.")
    if done.unreadable:
        lines.append(f"{done.unreadable:,} are expired or cannot be read.")
    return "\n".join(lines)
