"""``cache-fabric bench quality``: hits and wrong hits over the evaluation data."""

from __future__ import annotations

import functools
import json as json_module
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cache_fabric.cli._fabric import fail, print_json
from cache_fabric.cli._quality_table import show_pairs, show_rows
from cache_fabric.errors import CacheFabricError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cache_fabric.bench.quality.campaign import Plan

__all__ = ["quality"]

Show = Callable[[Console], None]
_ALL = "all"


def quality(
    data: Annotated[Path, typer.Option(help="Folder of the evaluation data, with its score.py.")],
    streams: Annotated[str, typer.Option(help="Which, separated by commas.")] = _ALL,
    contenders: Annotated[str, typer.Option(help="Which, separated by commas.")] = _ALL,
    deltas: Annotated[str, typer.Option(help="Budgets of wrong answers.")] = "0.01,0.02",
    flip: Annotated[
        str, typer.Option(help="Shares of wrong verdicts to learn from; 0,0.2 compares the two.")
    ] = "0",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of what is random.")] = 1,
    requests: Annotated[int, typer.Option(min=0, help="First so many; 0 for all.")] = 0,
    embedder: Annotated[str, typer.Option(help="Whose vectors everyone gets.")] = "wordllama",
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side.")] = 2,
    pairs: Annotated[bool, typer.Option("--pairs", help="The labelled pairs instead.")] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write every figure here; - to print them.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for the plots as PNG.")] = None,
) -> None:
    """Run every contender over the streams of a folder and hold the figures against the promise."""
    quiet = json == "-"
    try:
        if pairs:
            report, show = _pairs(data, quiet=quiet)
        else:
            plan = _plan(data, streams, contenders, deltas, flip, seeds, requests, embedder)
            report, show = _streams(plan, jobs, plots, quiet=quiet)
    except CacheFabricError as error:
        fail(str(error))
    if quiet:
        print_json(report)
        return
    if json is not None:  # before the table, whose reader may have gone
        Path(json).parent.mkdir(parents=True, exist_ok=True)
        Path(json).write_text(json_module.dumps(report, indent=1))
    show(Console())


def _plan(
    data: Path,
    streams: str,
    contenders: str,
    deltas: str,
    flip: str,
    seeds: int,
    requests: int,
    embedder: str,
) -> Plan:
    from cache_fabric.bench.quality.campaign import Plan
    from cache_fabric.bench.quality.streams import find_streams

    return Plan(
        streams=find_streams(data, _names(streams), requests or None),
        contenders=_present(_names(contenders)),
        deltas=_shares("deltas", deltas),
        flips=_shares("flip", flip, zero=True),
        seeds=range(1, seeds + 1),
        embedder=embedder,
    )


def _streams(
    plan: Plan, jobs: int, plots: Path | None, *, quiet: bool
) -> tuple[dict[str, Any], Show]:
    from cache_fabric.bench.quality.campaign import run_all, tasks
    from cache_fabric.bench.quality.contenders import CONTENDERS
    from cache_fabric.bench.quality.plots import new_figure, plot_all
    from cache_fabric.bench.quality.summary import summarise
    from cache_fabric.bench.quality.vectors import embedding_ms

    if plots is not None:
        new_figure((1, 1))  # a missing extra is told before the hours, not after
    work = tasks(plan)
    rows_of = {file: len(file.read()) for file in plan.streams}
    embedding = embedding_ms(plan.embedder, plan.streams[0].read().texts)
    started = time.perf_counter()
    with _progress(sum(rows_of[task.stream] for task in work), quiet=quiet) as advance:
        results = list(run_all(work, jobs, advance))
    rows = summarise(results, plan.deltas)
    if plots is not None:
        for path in plot_all(results, plan.deltas[0], plots):
            typer.echo(f"wrote {path}", err=True)
    about = {name: CONTENDERS[name].about for name in plan.contenders}
    report = {
        "python": platform.python_version(),
        "seconds": time.perf_counter() - started,
        "embedder": plan.embedder,
        "embedding_ms_p50": embedding,
        "contenders": about,
        "rows": [asdict(row) for row in rows],
        "results": [asdict(result) for result in results],
    }
    return report, functools.partial(show_rows, rows, embedding, about)


def _pairs(data: Path, *, quiet: bool) -> tuple[dict[str, Any], Show]:
    from cache_fabric.bench.quality.pairs import SCORERS, run_pairs
    from cache_fabric.bench.quality.trained import matched

    scorers = {**SCORERS, "the matcher": matched}
    from cache_fabric.bench.quality.streams import find_pairs, find_scorer

    scorer = find_scorer(data)
    rows = list(scorer.rows(find_pairs(data)))
    with _progress(len(scorers) * len(rows), quiet=quiet) as advance:
        results = run_pairs(rows, scorer, scorers, advance)
    report = {"python": platform.python_version(), "pairs": [asdict(each) for each in results]}
    return report, functools.partial(show_pairs, results)


@contextmanager
def _progress(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} decisions"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("quality", total=total)
        yield lambda number: progress.advance(task, number)


def _names(given: str) -> list[str]:
    return [] if given == _ALL else [name.strip() for name in given.split(",") if name.strip()]


def _present(names: Sequence[str]) -> list[str]:
    """Leave out, aloud, what cannot run here; what was asked for by name must exist."""
    from cache_fabric.bench.quality.contenders import CONTENDERS

    unknown = [name for name in names if name not in CONTENDERS]
    if unknown:
        raise ConfigurationError(
            f"contenders: no {unknown[0]!r}, expected some of {', '.join(CONTENDERS)}"
        )
    chosen = []
    for name in names or CONTENDERS:
        absent = CONTENDERS[name].absent()
        if absent is None:
            chosen.append(name)
        else:
            typer.echo(f"skipped {name}: {absent}", err=True)
    return chosen


def _shares(option: str, given: str, *, zero: bool = False) -> list[float]:
    try:
        shares = [float(part) for part in given.split(",")]
    except ValueError:
        raise ConfigurationError(
            f"{option}: expected numbers like 0.01,0.02, got {given!r}"
        ) from None
    if not all(0 < share < 0.5 or (zero and share == 0) for share in shares):
        raise ConfigurationError(f"{option}: expected shares from 0 to 0.5, got {given!r}")
    return shares
