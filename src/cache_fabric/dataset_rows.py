"""Judged runs as examples: what was asked, what would have been right, in which split. Pure.

The split of a run follows from its input alone, so that it is the same in every build, and the same
input, written with other spaces or case, is never in two of them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.records import Execution, Feedback
from cache_fabric.votes import Verdict

__all__ = ["FORMAT", "Skipped", "check_split", "example", "line", "split_of", "verdict_of"]

FORMAT = 1
"""Of a line, its ``version``; grows when a field changes its meaning."""


class Skipped(Exception):
    """A run is no example, and why."""


def check_split(split: Any) -> dict[str, float]:
    """Return the shares by name, or raise `ValidationError`: numbers above 0 that add up to 1."""
    if not isinstance(split, Mapping) or not split:
        raise ValidationError("split", "expected shares by name, as {'train': 0.8, 'test': 0.2}")
    for name, share in split.items():
        is_number = isinstance(share, int | float) and not isinstance(share, bool)
        if not isinstance(name, str) or not name or not is_number or not 0 < share <= 1:
            text = f"expected a name and a share above 0 and up to 1, got {name!r:.40}: {share!r}"
            raise ValidationError("split", text)
    if not math.isclose(sum(split.values()), 1.0, abs_tol=1e-6):
        raise ValidationError("split", f"expected shares that add up to 1, got {split}")
    return dict(split)


def split_of(given: Any, split: Mapping[str, float]) -> str:
    """Return the split that an input belongs to."""
    text = given if isinstance(given, str) else json.dumps(given, sort_keys=True)
    folded = " ".join(text.casefold().split())
    digest = hashlib.sha256(folded.encode("utf-8", "surrogatepass")).digest()
    place, reached = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for name, share in split.items():
        reached += share
        if place < reached:
            return name
    return name  # shares that add up to a little less than 1


def verdict_of(feedback: Sequence[Feedback]) -> Verdict | None:
    """Return what the feedback on a run comes to; bad wins."""
    said = {one.verdict for one in feedback}
    return "bad" if "bad" in said else "good" if "good" in said else None


def example(
    execution: Execution | None, feedback: Sequence[Feedback], split: Mapping[str, float]
) -> dict[str, Any]:
    """Return a run as an example.

    Args:
        execution: The run, ``None`` if it is gone.
        feedback: What it got, newest first.
        split: Shares by name.

    Raises:
        Skipped: It is gone, has no input, or nobody said what would have been right.
    """
    if execution is None:
        raise Skipped("the run is gone")
    given = execution.question if execution.input is None else execution.input
    if given is None:
        raise Skipped("the run has no input")
    expected, source = _expected(execution, feedback)
    scores = [one.score for one in feedback if one.score is not None]
    return {
        "version": FORMAT,
        "split": split_of(given, split),
        "input": given,
        "expected": expected,
        "expected_from": source,
        "actual": execution.output,
        "score": fmean(scores) if scores else None,
        "label": next((one.label for one in feedback if one.label), None),
        "comment": next((one.comment for one in feedback if one.comment), None),
        "execution_id": execution.execution_id,
        "graph": execution.graph_name,
        "contexts": [{"key": key, "version": version} for key, version in execution.contexts],
    }


def line(row: Mapping[str, Any]) -> bytes:
    """Return an example as one line of JSON, the same bytes for the same example."""
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return text.encode() + b"\n"


def _expected(execution: Execution, feedback: Sequence[Feedback]) -> tuple[Any, str]:
    """Return what would have been right, and who says so: the newest that says it."""
    for one in feedback:
        if one.correction is not None:
            return one.correction, "correction"
    for one in feedback:
        if one.data.get("expected") is not None:
            return one.data["expected"], "expected"
    verdict = verdict_of(feedback)
    if verdict == "bad":
        raise Skipped("the answer was bad, and nobody said what is right")
    if verdict is None:
        raise Skipped("nobody said whether the answer was right")
    if execution.output is None:
        raise Skipped("the run has no output")
    return execution.output, "output"
