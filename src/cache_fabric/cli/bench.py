"""``cache-fabric bench``: measured figures, ours beside our peers', in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from cache_fabric.bench.contexts import context_reads, publish_to_seen
from cache_fabric.bench.hits import exact_hits, semantic_hits
from cache_fabric.bench.timing import Row
from cache_fabric.cli._bench_report import OUT, OutOption, report
from cache_fabric.cli._fabric import JsonOption
from cache_fabric.cli.bench_eviction import eviction
from cache_fabric.cli.bench_executions import executions
from cache_fabric.cli.bench_fow import fow
from cache_fabric.cli.bench_quality import quality
from cache_fabric.cli.bench_train import train

__all__ = ["app"]


def _index() -> list[Row]:
    """Measure searches of one partition and whole lookups, at 1,000 to 40,000 vectors."""
    from cache_fabric.bench.index import index_searches  # numpy

    return index_searches()


def _manifests() -> list[Row]:
    """Measure reading and compiling a manifest of 1,000 routers on SQLite."""
    from cache_fabric.bench.manifests import compiled_manifests  # pyyaml

    return compiled_manifests()


def _vectors() -> list[Row]:
    """Measure writing, opening and hearing of vectors that are shared over plain Redis."""
    from cache_fabric.bench.vectors import shared_vectors  # redis

    return shared_vectors()


def _langchain() -> list[Row]:
    """Measure a warm hit through LangChain's surfaces against its own in-memory cache."""
    from cache_fabric.bench.langchain import langchain_hits  # langchain

    return langchain_hits()


def _proxy() -> list[Row]:
    """Measure a saturated LiteLLM proxy with our hook, with its own Redis cache, with none."""
    from cache_fabric.bench.proxy import proxy_throughput  # httpx, litellm's proxy

    return proxy_throughput()


def _graph() -> list[Row]:
    """Measure from a publish until a call of a running graph uses it."""
    from cache_fabric.bench.running_graph import publish_to_call  # langgraph

    return publish_to_call()


_BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "exact": exact_hits,
    "semantic": semantic_hits,
    "index": _index,
    "vectors": _vectors,
    "langchain": _langchain,
    "proxy": _proxy,
    "manifests": _manifests,
    "contexts": context_reads,
    "publish": publish_to_seen,
    "graph": _graph,
}

app = typer.Typer(help="Run benchmarks, print a table each and write the same as JSON.")


@app.callback(invoke_without_command=True)
def every(context: typer.Context, out: OutOption = OUT, json: JsonOption = False) -> None:
    """Without a name: all that measure time. What needs data or long is run by its name."""
    if context.invoked_subcommand is None:
        _run(tuple(_BENCHMARKS), out, json)


def _command(name: str) -> Callable[[Path, bool], None]:
    def run(out: OutOption = OUT, json: JsonOption = False) -> None:
        _run((name,), out, json)

    run.__doc__ = (_BENCHMARKS[name].__doc__ or "").partition("\n")[0]
    return run


for _name in _BENCHMARKS:
    app.command(_name)(_command(_name))
app.command()(eviction)
app.command()(executions)
app.command()(quality)
app.command()(fow)
app.command()(train)


def _run(names: Sequence[str], out: Path, json: bool) -> None:
    results = {}
    for name in names:
        with Console(stderr=True).status(f"measuring {name} ..."):
            rows = _BENCHMARKS[name]()
        results[name] = [asdict(row) for row in rows]
        if not json:
            _show(name, rows)
    report(results, out, json=json)


def _show(name: str, rows: list[Row]) -> None:
    table = Table(title=name, title_justify="left")
    for column in ("what", "p50 \u00b5s", "p99 \u00b5s", "ratio", "bar"):
        table.add_column(column, justify="left" if column in {"what", "bar"} else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        table.add_row(row.name, f"{row.p50_us:.1f}", f"{row.p99_us:.1f}", ratio, row.bar)
    Console().print(table)
