"""How the figures of a quality run are shown: a table a stream, the promise beside each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from cache_fabric.bench.quality.fow import FowResult
    from cache_fabric.bench.quality.pairs import PairResult
    from cache_fabric.bench.quality.summary import Row

__all__ = ["show_fow", "show_pairs", "show_rows"]

_COLUMNS = ("hits", "error", "worst", "wrong", "exact", "para", "p50", "p99")
_UNKNOWN = "\u2013"


def show_rows(
    rows: Sequence[Row], embedding_ms: float, about: Mapping[str, str], console: Console
) -> None:
    """Print one table a stream; shares in percent, times in milliseconds."""
    for stream in dict.fromkeys(row.stream for row in rows):
        table = Table(title=stream, title_justify="left")
        table.add_column("budget", justify="right")
        table.add_column("contender")
        for column in _COLUMNS:
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("against the promise")
        before = None
        for row in (row for row in rows if row.stream == stream):
            if before not in (None, (row.delta, row.flip)):
                table.add_section()
            before = (row.delta, row.flip)
            table.add_row(*_cells(row))
        console.print(table)
    console.print(
        "hits, error (wrong hits), worst running error after 1,000: % of requests; wrong: % of"
        " hits; exact, para: recall of repeats and paraphrases, %. Means of the seeds, held against"
        " the promise by the worst. p50, p99: ms of a lookup without the embedding"
        f" ({embedding_ms:.3f} ms p50); for static, langchain and vcache the rule alone, as their"
        " search is shared.",
        style="dim",
    )
    for name, words in about.items():
        console.print(f"{name}: {words}", style="dim")


def _cells(row: Row) -> list[str]:
    noise = f" [dim]flip {100 * row.flip:g} %[/]" if row.flip else ""
    return [
        f"{100 * row.delta:g} %",
        f"{row.contender} {row.variant}".strip() + noise,
        _percent(row.hit_rate, 1),
        _percent(row.error_rate, 2),
        _percent(row.max_running_error_after_1000, 2),
        _percent(row.wrong_hit_share, 1),
        _percent(row.exact_recall, 1),
        _percent(row.paraphrase_recall, 1),
        _ms(row.ms_p50),
        _ms(row.ms_p99),
        _verdict(row.short),
    ]


def show_pairs(results: Sequence[PairResult], console: Console) -> None:
    """Print one table of all scorers."""
    groups = list(dict.fromkeys(group for result in results for group in result.false_hits))
    table = Table(title="pairs, each half scored by what learned from the other")
    table.add_column("scorer")
    for column in ("half", "PR-AUC", "ROC-AUC", *groups):
        table.add_column(column, justify="right")
    for result in results:
        table.add_row(
            result.scorer,
            str(result.half),
            f"{result.figures['pr_auc']:.3f}",
            _UNKNOWN if result.figures["roc_auc"] is None else f"{result.figures['roc_auc']:.3f}",
            *(_percent(result.false_hits.get(group), 1) for group in groups),
        )
    console.print(table)
    for result in results:
        console.print(f"{result.scorer}, half {result.half}: {_verdict(result.short)}")
    console.print("By kind of trap: % let through where 40 % of the positives are.", style="dim")


def show_fow(results: Sequence[FowResult], console: Console) -> None:
    """Print one table of all ways through the public pairs."""
    kinds = list(dict.fromkeys(kind for result in results for kind in result.served))
    table = Table(title="fow-cache, 600 question pairs: served of each kind", title_justify="left")
    table.add_column("through")
    for kind in kinds:
        table.add_column(kind, justify="right")
    table.add_column("wrong", justify="right")
    for result in results:
        cells = [f"{yes}/{count}" for yes, count in (result.served[kind] for kind in kinds)]
        table.add_row(result.name, *cells, _percent(result.wrong_rate, 1) + " %")
    console.print(table)
    for result in results:
        console.print(f"{result.name}: {_verdict(result.short)}")


def _verdict(short: Sequence[str]) -> str:
    return "[green]ok[/]" if not short else f"[red]{', '.join(short)}[/]"


def _percent(share: float | None, digits: int) -> str:
    return _UNKNOWN if share is None else f"{100 * share:.{digits}f}"


def _ms(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.2f}"
