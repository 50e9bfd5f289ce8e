"""The demo's result as a table for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["show_result"]


def show_result(result: dict[str, Any], console: Console) -> None:
    """Print the figures of a run, wrong hits by name and the place where answers are kept."""
    table = Table(title="What the cache did", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for row in _rows(result):
        table.add_row(*row) if row else table.add_section()
    console.print(table)
    for wrong in result["wrong"]:
        console.print(
            f"[red]wrong[/] {escape(wrong['question'])!r} was answered as "
            f"{escape(wrong['answered_as'])!r} (similarity {wrong['similarity']:.3f})"
        )
    start = result["answers_at_start"]
    console.print(
        f"Answers are kept in [bold]{escape(result['stored_in'])}[/]: "
        + ("run again to start warm." if not start else f"this run started warm with {start:,}.")
    )


def _rows(result: dict[str, Any]) -> list[tuple[str, str, str] | None]:
    requests = result["requests"]
    repeats = f"{result['repeats_answered_right']} of {result['repeats']} exact repeats"
    paraphrases = f"{result['paraphrases_answered_right']} of {result['paraphrases']} paraphrases"
    return [
        ("requests", f"{requests:,}", _model(result)),
        ("exact hits", f"{result['exact_hits']:,}", f"{repeats} answered right"),
        ("semantic hits", f"{result['semantic_hits']:,}", f"{paraphrases} answered right"),
        ("refused near misses", f"{result['refused_near_misses']:,}", f"{result['traps']} traps"),
        (
            "wrong hits",
            f"{len(result['wrong']):,}",
            f"{result['wrong_hit_rate']:.2f} % of requests",
        ),
        ("model calls", f"{result['model_calls']:,}", f"hit rate {result['hit_rate']:.1f} %"),
        None,
        ("latency of a hit", _ms(result["latency_hit_p50_ms"]), "median, whole chain"),
        ("latency of a miss", _ms(result["latency_miss_p50_ms"]), "median, whole chain"),
        ("speedup", _shown(result["speedup"], "{:.2f}x"), "against the same without a cache"),
        None,
        ("tokens saved", f"{result['tokens_saved']:,}", f"{result['tokens_spent']:,} spent"),
        (
            "cost saved",
            _shown(result["cost_saved"], "${:.6f}"),
            _shown(result["cost_spent"], "${:.6f} spent"),
        ),
    ]


def _model(result: dict[str, Any]) -> str:
    if not result["simulated"]:
        return str(result["model"])
    estimated = ", tokens estimated" if result["tokens_estimated"] else ", real token counts"
    return f"{result['model']}, {result['simulated_latency_ms']:.0f} ms a call{estimated}"


def _ms(value: float | None) -> str:
    return _shown(value, "{:.1f} ms")


def _shown(value: float | None, form: str) -> str:
    return "\u2013" if value is None else form.format(value)
