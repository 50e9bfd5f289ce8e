"""``cache-fabric bench executions``: writing and finding runs on SQLite, beside JSON and LIKE."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from cache_fabric.cli._bench_report import OUT, OutOption, report
from cache_fabric.cli._executions_table import show_executions
from cache_fabric.cli._fabric import JsonOption, fail
from cache_fabric.errors import CacheFabricError

__all__ = ["executions"]


def executions(
    runs: Annotated[int, typer.Option(help="How many are written and searched.")] = 100_000,
    out: OutOption = OUT,
    json: JsonOption = False,
) -> None:
    """Measure writing and finding executions on SQLite, beside a JSON column and LIKE."""
    from cache_fabric.bench.executions.measure import executions as measure

    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            figures = measure(runs, _Bars(progress).tell)
    except CacheFabricError as error:
        fail(str(error))
    if not json:
        show_executions(figures, Console())
    report({"executions": asdict(figures)}, out, json=json)


class _Bars:
    """One bar for each thing that is being done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def tell(self, name: str, done: int, of: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=of)
        self._progress.update(self._tasks[name], completed=done)
