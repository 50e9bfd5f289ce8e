"""``cache-fabric stats``: what is kept, and what it was worth."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, open_fabric, print_json
from cache_fabric.cli._stats_tables import by_name, summary
from cache_fabric.errors import CacheFabricError
from cache_fabric.instrumentation.measured import FabricMetrics
from cache_fabric.sync import SyncCacheFabric

__all__ = ["stats"]

_EVERY = 1.0

WindowOption = Annotated[
    str | None,
    typer.Option("--window", help="How far back, such as 15m or 24h; else all ever measured."),
]
ByOption = Annotated[
    str | None,
    typer.Option("--by", help="A row for each model, tenant, context, graph, tag or tier."),
]
WatchOption = Annotated[
    bool, typer.Option("--watch", help="Go on showing it, every second, until Ctrl-C.")
]


def stats(
    fabric: FabricOption = None,
    window: WindowOption = None,
    by: ByOption = None,
    watch: WatchOption = False,
    json: JsonOption = False,
) -> None:
    """Show what is kept and measured, over all processes that used this fabric.

    With --watch --json there is one line of JSON a second.
    """
    with contextlib.closing(open_fabric(fabric).sync) as opened:
        try:
            if watch:
                _watch(opened, window, by, as_json=json)
            else:
                _show(opened, window, by, as_json=json)
        except CacheFabricError as error:
            fail(str(error))
        except KeyboardInterrupt:
            if not watch:
                raise


def _show(opened: SyncCacheFabric, window: str | None, by: str | None, *, as_json: bool) -> None:
    metrics = _figures(opened, window)
    if by is not None:
        told: Any = _told(metrics, window, by)
        table = by_name(metrics, by, window)
    else:
        kept = opened.inspect()
        told = {**dataclasses.asdict(kept), "window": window, "metrics": metrics}
        table = summary(metrics, window, kept)
    if as_json:
        print_json(told)
    else:
        Console().print(table)


def _watch(opened: SyncCacheFabric, window: str | None, by: str | None, *, as_json: bool) -> None:
    if as_json:
        while True:
            print_json(_told(_figures(opened, window), window, by), indent=None)
            time.sleep(_EVERY)
    console = Console()
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        while True:
            metrics = _figures(opened, window)
            shown = summary(metrics, window) if by is None else by_name(metrics, by, window)
            if console.is_terminal:
                live.update(shown, refresh=True)
            else:  # a file or a pipe has one after the other
                console.print(shown)
            time.sleep(_EVERY)


def _figures(opened: SyncCacheFabric, window: str | None) -> FabricMetrics:
    metrics = opened.get_metrics(window)
    if metrics["scope"] != "fabric":  # those of this command, which asked for nothing
        fail("the store did not give the figures in time")
    return metrics


def _told(metrics: FabricMetrics, window: str | None, by: str | None) -> dict[str, Any]:
    if by is None:
        return {"window": window, "metrics": metrics}
    known = {"window": window, "scope": metrics["scope"], "since": metrics["since"]}
    return {**known, "by": by, "rows": metrics.rows(by)}
