"""Records of what feedback says of the versions of a context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "DatasetSummary",
    "LabelGuard",
    "LabelReturn",
    "VersionScore",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionScore:
    """What feedback says of one version of a context.

    Attributes:
        count: Feedbacks on runs that used it.
        good, bad: Those with a verdict.
        mean: Mean score, 0 to 1; ``None`` where none has a score.
        low, high: 95 % interval of the share of good ones among those with a verdict.
    """

    key: str
    version: int
    count: int
    good: int
    bad: int
    mean: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelReturn:
    """A guard's verdict on a version.

    Attributes:
        from_version: That did badly.
        to_version: Where the label goes back to, ``None`` where the guard found none.
        moved: False of a guard that only notes, or that found nowhere to go back to.
    """

    at: datetime
    from_version: int
    to_version: int | None
    why: str
    moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelGuard:
    """A label goes back when feedback on its version falls below a bound.

    Attributes:
        tenant: Whose context it is, ``None`` for everybody's.
        metric: ``score`` (mean score) or ``good`` (share of good among good and bad).
        window: Seconds; older feedback does not count, nor any from before the label moved here.
        minimum: Feedbacks that are needed.
        bound: From 0 to 1.
        dry_run: Whether it only notes what it would do.
        since: When it was set.
        fired: What it did last, or would have done; ``None`` if it never fired.
    """

    key: str
    label: str
    tenant: str | None
    metric: str
    window: float
    minimum: int
    bound: float
    dry_run: bool
    since: datetime
    fired: LabelReturn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What went into a dataset.

    Attributes:
        rows: How many examples.
        splits: Examples by split.
        skipped: Runs that are no example, by the reason.
    """

    rows: int
    splits: Mapping[str, int]
    skipped: Mapping[str, int]
