"""When a label has to go back: what feedback counts, and when its figure is too low. Pure.

A guard fires once for the version that its label points at. It is then at rest until the label
points at another version than the two it moved between, or until it is set anew: whoever moves the
label back to what the guard took it from has decided against the guard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean
from typing import Any, Literal, get_args

from cache_fabric.errors import ValidationError
from cache_fabric.records import Feedback
from cache_fabric.validation import check_ttl
from cache_fabric.version_records import LabelGuard

__all__ = ["MOST_SAMPLES", "Metric", "check_limits", "crossed", "is_armed", "sample", "why"]

Metric = Literal["score", "good"]
MOST_SAMPLES = 1_000
"""The newest so many feedbacks of a window are looked at."""


def check_limits(metric: Any, window: Any, minimum: Any, bound: Any) -> None:
    """Raise `ValidationError` for a limit that no guard can have."""
    if metric not in get_args(Metric):
        raise ValidationError("metric", f"expected score or good, got {metric!r:.40}")
    if window is None:
        raise ValidationError("window", "expected seconds above 0, got None")
    check_ttl(window, "window")
    is_whole = isinstance(minimum, int) and not isinstance(minimum, bool)
    if not is_whole or not 1 <= minimum <= MOST_SAMPLES:
        text = f"expected a whole number from 1 to {MOST_SAMPLES:,}, got {minimum!r:.40}"
        raise ValidationError("minimum", text)
    is_number = isinstance(bound, int | float) and not isinstance(bound, bool)
    if not is_number or not math.isfinite(bound) or not 0 < bound <= 1:
        raise ValidationError("bound", f"expected a number above 0 and up to 1, got {bound!r:.40}")


def is_armed(guard: LabelGuard, version: int) -> bool:
    """Return whether a guard watches over the version that its label points at now."""
    fired = guard.fired
    return fired is None or version not in (fired.from_version, fired.to_version)


def sample(guard: LabelGuard, feedback: Feedback) -> float | None:
    """Return what one feedback adds to the figure, from 0 to 1; ``None`` for nothing.

    What is not trusted adds nothing: a stranger must not move a label.
    """
    if not feedback.trusted:
        return None
    if guard.metric == "score":
        return feedback.score
    return None if feedback.verdict is None else float(feedback.verdict == "good")


def crossed(guard: LabelGuard, samples: Sequence[float]) -> float | None:
    """Return the mean of the samples where it is below the bound and they are enough."""
    if len(samples) < guard.minimum:
        return None
    figure = mean(samples)  # exact: the bound itself is good enough
    return figure if figure < guard.bound else None


def why(guard: LabelGuard, version: int, figure: float, samples: int) -> str:
    """Return the reason of a move, in words."""
    metric = "mean score" if guard.metric == "score" else "share of good feedback"
    return (
        f"{metric} of version {version} is {figure:.2f}, below {guard.bound:g}, "
        f"by {samples} feedbacks of the last {guard.window:g} s (at least {guard.minimum})"
    )
