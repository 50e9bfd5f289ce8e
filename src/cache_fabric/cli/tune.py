"""``cache-fabric tune``: which policy the evidence allows for a budget of wrong answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_fabric.cli._fabric import FabricOption, JsonOption, fail, print_json
from cache_fabric.cli._judged_file import Evidence, read_evidence
from cache_fabric.errors import CacheFabricError, ConfigurationError
from cache_fabric.factory import DEFAULT_PATH, PRESETS
from cache_fabric.policy.proposal import Proposal, propose
from cache_fabric.policy.reliability import (
    Bin,
    Point,
    Score,
    calibration_error,
    hits_against_errors,
    reliability,
)
from cache_fabric.tuned import write_proposal

__all__ = ["tune"]

_BAR = 30
_SHOWN_STEP = 0.05


def tune(
    file: Annotated[
        Path, typer.Argument(help="Judged decisions or labelled pairs, .jsonl or .jsonl.gz.")
    ],
    max_error: Annotated[
        str, typer.Option(help="Budgets: shares of all requests that may be answered wrong.")
    ] = "0.005,0.01,0.02,0.05",
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="With which a budget is to be kept.")
    ] = 0.9,
    requests: Annotated[
        int | None, typer.Option(min=1, help="How many requests there were, if more than judged.")
    ] = None,
    embedder: Annotated[str, typer.Option(help="Embeds the pairs.")] = "wordllama",
    plot: Annotated[Path | None, typer.Option(help="Draw both curves into this PNG.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Keep the proposal of one budget, for shadow mode.")
    ] = False,
    fabric: FabricOption = None,
    json: JsonOption = False,
) -> None:
    """Propose a policy from what is known to have been right and wrong."""
    try:
        budgets = _budgets(max_error)
        if apply and len(budgets) != 1:
            raise ConfigurationError("max-error: --apply takes one budget")
        found = _find(read_evidence(file, embedder), budgets, requests, confidence)
        if plot is not None:
            _draw(plot, found)
        kept = write_proposal(_folder(fabric), found.proposals[0]) if apply else None
    except CacheFabricError as error:
        fail(str(error))
    if json:
        print_json(_report(found, kept))
    else:
        _show(found, kept)


@dataclass(frozen=True, slots=True)
class _Findings:
    evidence: Evidence
    bins: Sequence[Bin]
    curves: Mapping[Score, Sequence[Point]]
    proposals: Sequence[Proposal]


def _find(
    evidence: Evidence, budgets: Sequence[float], requests: int | None, confidence: float
) -> _Findings:
    records, total = evidence.records, requests or evidence.requests
    return _Findings(
        evidence,
        reliability(records),
        {
            score: hits_against_errors(records, score, requests=total, confidence=confidence)
            for score in evidence.scores
        },
        [
            propose(records, budget, requests=total, confidence=confidence, scores=evidence.scores)
            for budget in budgets
        ],
    )


def _budgets(given: str) -> list[float]:
    try:
        budgets = [float(part) for part in given.split(",")]
    except ValueError:
        budgets = []
    if not budgets or not all(0 < budget < 0.5 for budget in budgets):
        raise ConfigurationError(
            f"max-error: expected shares above 0 and below 0.5, such as 0.01,0.02, got {given!r}"
        )
    return budgets


def _folder(where: str | None) -> Path:
    """Return the folder of the fabric that a proposal is for."""
    if where is None:
        return Path(os.environ.get("CACHE_FABRIC_PATH", DEFAULT_PATH))
    if where == "local":
        return Path(DEFAULT_PATH)
    if where in PRESETS:
        raise ConfigurationError(f"fabric: {where} has no folder to keep a proposal in")
    return Path(where)


def _report(found: _Findings, kept: Path | None) -> dict[str, object]:
    return {
        "evidence": found.evidence.kind,
        "records": len(found.evidence.records),
        "requests": found.evidence.requests,
        "reliability": [asdict(each) for each in found.bins],
        "calibration_error": calibration_error(found.bins),
        "curves": {score: [asdict(p) for p in points] for score, points in found.curves.items()},
        "proposals": [asdict(proposal) for proposal in found.proposals],
        "applied": None if kept is None else str(kept),
    }


def _show(found: _Findings, kept: Path | None) -> None:
    console = Console()
    console.print(_reliability_table(found.evidence, found.bins))
    for score, points in found.curves.items():
        console.print(_curve_table(score, points))
    console.print(_proposal_table(found.proposals))
    if kept is not None:
        console.print(
            f"Kept in [bold]{escape(str(kept))}[/] for shadow mode: a fabric that is made "
            'from now on takes it up, and serves nothing by it until its mode is "live".'
        )


def _reliability_table(evidence: Evidence, bins: Sequence[Bin]) -> Table:
    gap = calibration_error(bins) or 0.0
    told = "probability" if "probability" in evidence.scores else "similarity, as a probability"
    of = f" of {evidence.requests:,}" if evidence.requests else ""
    count = f"{len(evidence.records):,}{of} {evidence.kind}"
    title = f"reliability of {count}; mean gap {100 * gap:.1f} %"
    table = Table(title=title, title_justify="left")
    for column in (told, "told", "right", "weight"):
        table.add_column(column, justify="right")
    table.add_column("right: \u2588, told: \u2502")
    for each in bins:
        span = f"{each.low:.1f} \u2013 {each.high:.1f}"
        shares = (f"{100 * each.predicted:.1f} %", f"{100 * each.right:.1f} %")
        table.add_row(span, *shares, f"{each.weight:,.0f}", _bar(each))
    return table


def _bar(each: Bin) -> str:
    filled = round(_BAR * each.right)
    cells = ["\u2588"] * filled + [" "] * (_BAR - filled)
    cells[min(_BAR - 1, round(_BAR * each.predicted))] = "\u2502"
    return "".join(cells)


def _curve_table(score: str, points: Sequence[Point]) -> Table:
    table = Table(title=f"hits against errors, by {score}", title_justify="left")
    for column in ("from", "hits", "errors", "at most", "wrong hits"):
        table.add_column(column, justify="right")
    for point in points:
        steps = point.threshold / _SHOWN_STEP
        if abs(steps - round(steps)) < 1e-6 and point.threshold >= 0.5 and point.hits:
            table.add_row(f"{point.threshold:.2f}", *_shares(point))
    return table


def _proposal_table(proposals: Sequence[Proposal]) -> Table:
    title = f"proposals, kept with {100 * proposals[0].confidence:g} % confidence"
    table = Table(title=title, title_justify="left")
    for column in ("max_error", "policy", "from", "hits", "errors", "at most", "wrong hits"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    for proposal in proposals:
        threshold = "" if proposal.threshold is None else f"{proposal.threshold:.3f}"
        budget = f"{100 * proposal.max_error:g} %"
        table.add_row(budget, proposal.policy, threshold, *_shares(proposal))
    return table


def _shares(found: Point | Proposal) -> list[str]:
    shares = (found.hits, found.errors, found.errors_upper, found.wrong_share)
    return ["" if share is None else f"{100 * share:.2f} %" for share in shares]


def _draw(path: Path, found: _Findings) -> None:
    from cache_fabric.bench.quality.plots import new_figure, reliability_axes

    figure = new_figure((11, 5))
    left, right = figure.subplots(1, 2)
    reliability_axes(left, [asdict(each) for each in found.bins], found.evidence.kind)
    left.set_title("reliability")
    for score, points in found.curves.items():
        served = [point for point in points if point.hits]
        errors = [100 * point.errors for point in served]
        right.plot(errors, [100 * point.hits for point in served], label=f"by {score}")
    right.set(title="hits against errors", xlabel="errors, % of requests", ylabel="hits, %")
    right.grid(alpha=0.25)
    right.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
