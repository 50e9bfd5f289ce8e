"""``cache-fabric bench eviction``: what each eviction policy saves on the evaluation streams."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cache_fabric.cli._bench_report import OUT, OutOption, report
from cache_fabric.cli._eviction_table import eviction_table
from cache_fabric.cli._fabric import JsonOption, fail
from cache_fabric.errors import ConfigurationError

__all__ = ["eviction"]


def eviction(
    data: Annotated[Path, typer.Option(help="Folder of the evaluation streams.")],
    out: OutOption = OUT,
    json: JsonOption = False,
) -> None:
    """Hold the cost that our eviction saves beside LRU, FIFO, LFU and GDSF."""
    from cache_fabric.bench.eviction import eviction as measure

    try:
        with Console(stderr=True).status("measuring eviction ..."):
            rows = measure(data)
    except ConfigurationError as error:
        fail(str(error))
    if not json:
        Console().print(eviction_table(rows))
    report({"eviction": [asdict(row) for row in rows]}, out, json=json)
