"""``cache-fabric bench``: measured figures, ours beside our peers', in one run."""

from __future__ import annotations

import json as json_module
import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cache_fabric.bench.contexts import context_reads, publish_to_seen
from cache_fabric.bench.hits import exact_hits, semantic_hits
from cache_fabric.bench.timing import Row
from cache_fabric.cli._fabric import JsonOption, fail, print_json

__all__ = ["bench"]

_BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "exact": exact_hits,
    "semantic": semantic_hits,
    "contexts": context_reads,
    "publish": publish_to_seen,
}


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Which of {', '.join(_BENCHMARKS)}; else all.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.")] = Path("bench-results"),
    json: JsonOption = False,
) -> None:
    """Run benchmarks, print a table each and write the same as JSON."""
    unknown = set(names or ()) - set(_BENCHMARKS)
    if unknown:
        fail(f"unknown benchmark {sorted(unknown)[0]!r}, expected one of {', '.join(_BENCHMARKS)}")
    results = {}
    for name in names or _BENCHMARKS:
        with Console(stderr=True).status(f"measuring {name} ..."):
            rows = _BENCHMARKS[name]()
        results[name] = [asdict(row) for row in rows]
        if not json:
            _show(name, rows)
    out.mkdir(parents=True, exist_ok=True)
    report = {"python": platform.python_version(), "results": results}
    (out / "bench.json").write_text(json_module.dumps(report, indent=2))
    if json:
        print_json(report)


def _show(name: str, rows: list[Row]) -> None:
    table = Table(title=name, title_justify="left")
    for column in ("what", "p50 \u00b5s", "p99 \u00b5s", "ratio", "bar"):
        table.add_column(column, justify="left" if column in {"what", "bar"} else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        table.add_row(row.name, f"{row.p50_us:.1f}", f"{row.p99_us:.1f}", ratio, row.bar)
    Console().print(table)
