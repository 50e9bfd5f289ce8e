"""``cache-fabric bench``: measured figures, ours beside our peers', in one run."""

from __future__ import annotations

import json as json_module
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cache_fabric.bench.contexts import context_reads, publish_to_seen
from cache_fabric.bench.eviction import EvictionRow, eviction
from cache_fabric.bench.hits import exact_hits, semantic_hits
from cache_fabric.bench.timing import Row
from cache_fabric.cli._eviction_table import eviction_table
from cache_fabric.cli._fabric import JsonOption, fail, print_json
from cache_fabric.errors import ConfigurationError

__all__ = ["bench"]


def _index() -> list[Row]:
    from cache_fabric.bench.index import index_searches  # numpy

    return index_searches()


def _vectors() -> list[Row]:
    from cache_fabric.bench.vectors import shared_vectors  # redis

    return shared_vectors()


_BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "exact": exact_hits,
    "semantic": semantic_hits,
    "index": _index,
    "vectors": _vectors,
    "contexts": context_reads,
    "publish": publish_to_seen,
}
_ON_DATA: dict[str, Callable[[Path], list[EvictionRow]]] = {"eviction": eviction}
_CHOICES = ", ".join([*_BENCHMARKS, *_ON_DATA])


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which of {_CHOICES}; else all that need no --data.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the evaluation streams, for eviction.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path("bench-results"),
    json: JsonOption = False,
) -> None:
    """Run benchmarks, print a table each and write the same as JSON."""
    unknown = set(names or ()) - set(_BENCHMARKS) - set(_ON_DATA)
    if unknown:
        fail(f"unknown benchmark {sorted(unknown)[0]!r}, expected one of {_CHOICES}")
    results = {}
    for name in names or _BENCHMARKS:
        with Console(stderr=True).status(f"measuring {name} ..."):
            results[name], table = _measured(name, data)
        if not json:
            Console().print(table)
    out.mkdir(parents=True, exist_ok=True)
    report = {"python": platform.python_version(), "results": results}
    (out / "bench.json").write_text(json_module.dumps(report, indent=2))
    if json:
        print_json(report)


def _measured(name: str, data: Path | None) -> tuple[list[dict[str, Any]], Table]:
    if name not in _ON_DATA:
        rows = _BENCHMARKS[name]()
        return [asdict(row) for row in rows], _table(name, rows)
    if data is None:
        fail(f"{name}: needs --data, the folder of the evaluation streams")
    try:
        found = _ON_DATA[name](data)
    except ConfigurationError as error:
        fail(str(error))
    return [asdict(row) for row in found], eviction_table(found)


def _table(name: str, rows: list[Row]) -> Table:
    table = Table(title=name, title_justify="left")
    for column in ("what", "p50 \u00b5s", "p99 \u00b5s", "ratio", "bar"):
        table.add_column(column, justify="left" if column in {"what", "bar"} else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        table.add_row(row.name, f"{row.p50_us:.1f}", f"{row.p99_us:.1f}", ratio, row.bar)
    return table
