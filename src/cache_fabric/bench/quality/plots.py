"""The three figures of a stream: hits against errors, both over time, and reliability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache_fabric.bench.quality.campaign import Result
from cache_fabric.bench.quality.contenders import CONTENDERS
from cache_fabric.bench.quality.summary import best_within
from cache_fabric.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["new_figure", "plot_all", "reliability_axes"]

_COLOURS = dict(
    zip(
        CONTENDERS,
        ("#7f7f7f", "#1f77b4", "#2ca02c", "#8c564b", "#ff7f0e", "#bcbd22", "#e377c2", "#d62728"),
        strict=False,
    )
)


def plot_all(results: Sequence[Result], delta: float, folder: Path) -> list[Path]:
    """Write the figures of every stream as PNG; the curves over time are those of one budget.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    new_figure((1, 1))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for stream in dict.fromkeys(result.stream for result in results):
        here = _first_seed([r for r in results if r.stream == stream and not r.flip])
        figures = {
            "hits_errors": _hits_against_errors(stream, here),
            "running": _running(stream, here, delta),
            "reliability": _reliability(stream, here, delta),
        }
        for name, figure in figures.items():
            if figure is not None:
                written.append(folder / f"{stream}_{name}.png")
                figure.savefig(written[-1], dpi=110)
    return written


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure that no display and no global state knows of."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("notebook", "drawing plots") from error
    return Figure(figsize=size, layout="constrained")


def reliability_axes(axes: Axes, bins: Sequence[Any], label: str, colour: str = "#1f77b4") -> None:
    """Draw what was said against what came; the area of a dot is its share of the decisions."""
    said = [100 * each["predicted"] for each in bins]
    came = [100 * each["right"] for each in bins]
    total = sum(each["weight"] for each in bins)
    areas = [12 + 400 * each["weight"] / total for each in bins]
    axes.scatter(said, came, s=areas, color=colour, alpha=0.55)
    axes.scatter([], [], s=40, color=colour, label=label)
    axes.plot((0, 100), (0, 100), color="#999999", linewidth=1, linestyle="--", zorder=0)
    axes.set(
        xlabel="probability that the answer is right, as told, %",
        ylabel="share that was right, %",
        xlim=(-3, 103),
        ylim=(-3, 103),
    )
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", fontsize=9)


def _first_seed(results: Sequence[Result]) -> list[Result]:
    seed = min((result.seed for result in results), default=0)
    return [result for result in results if result.seed == seed]


def _of(results: Sequence[Result]) -> dict[str, list[Result]]:
    groups = {name: [r for r in results if r.contender == name] for name in CONTENDERS}
    return {name: group for name, group in groups.items() if group}


def _hits_against_errors(stream: str, results: Sequence[Result]) -> Figure:
    figure = new_figure((8, 5.5))
    axes = figure.subplots()
    budgets = sorted({r.delta for r in results if r.delta is not None})
    right = 100 * 1.6 * (budgets[-1] if budgets else 0.05)
    highest = 0.0
    for name, group in _of(results).items():
        points = sorted((100 * r.figures["error_rate"], 100 * r.figures["hit_rate"]) for r in group)
        seen = [hits for error, hits in points if error <= right]
        highest = max(highest, *seen, 0.0)
        errors, hits = zip(*points, strict=True)
        line = "-" if len(points) > 1 else ""
        label = name if seen else f"{name}: off the scale"
        axes.plot(
            errors,
            hits,
            line,
            marker="o",
            color=_COLOURS[name],
            label=label,
            linewidth=1.8,
            markersize=5,
        )
    for budget in budgets:
        axes.axvline(100 * budget, color="#bbbbbb", linewidth=0.8, linestyle=":", zorder=0)
    axes.set(
        title=f"{stream}: hits against wrong hits",
        xlabel="error: wrong hits, % of all requests (dotted: budgets)",
        ylabel="hit rate, %",
        xlim=(-right / 50, right),
        ylim=(0, 1.1 * highest + 1),
    )
    axes.grid(alpha=0.25)
    axes.legend(loc="best", fontsize=9)
    return figure


def _running(stream: str, results: Sequence[Result], delta: float) -> Figure:
    figure = new_figure((8, 7))
    above, below = figure.subplots(2, sharex=True)
    for name, group in _of(results).items():
        fitting = [r for r in group if r.delta in (None, delta)]
        for result in best_within(fitting, delta)[:1]:
            at, hits, errors = zip(*result.figures["curve"], strict=True)
            label = f"{name} {result.variant}".strip()
            above.plot(
                at,
                [100 * y for y in hits],
                color=_COLOURS[name],
                label=label,
                linewidth=1.8,
                markersize=5,
            )
            below.plot(
                at, [100 * y for y in errors], color=_COLOURS[name], linewidth=1.8, markersize=5
            )
    below.axhline(100 * delta, color="black", linewidth=1, linestyle="--", label="budget")
    above.set(title=f"{stream} at a budget of {100 * delta:g} %", ylabel="hit rate so far, %")
    below.set(xlabel="requests", ylabel="error so far, %", ylim=(0, 250 * delta))
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.legend(loc="best", fontsize=9)
    return figure


def _reliability(stream: str, results: Sequence[Result], delta: float) -> Figure | None:
    told = [r for r in results if r.reliability and r.delta == delta]
    if not told:
        return None
    figure = new_figure((6, 6))
    axes = figure.subplots()
    for result in told:
        reliability_axes(axes, result.reliability, result.contender, _COLOURS[result.contender])
    axes.set_title(f"{stream}: probabilities of hits, budget {100 * delta:g} %")
    return figure
