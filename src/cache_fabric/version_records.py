"""Records of what feedback and replays say of the versions of a context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cache_fabric.policy.intervals import share_interval

__all__ = [
    "Agent",
    "DatasetSummary",
    "LabelGuard",
    "LabelReturn",
    "ReplayReport",
    "ReplayRow",
    "VersionScore",
]

ReplayVerdict = Literal["changed", "unchanged", "failed", "skipped", "planned"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRow:
    """One answer of a run, asked for again under another version.

    Attributes:
        entry_id: Of the answer; ``None`` where the run tells of none that could be asked again.
        old, new: The texts of both answers.
        verdict: ``changed``, ``unchanged``, ``failed`` (the model gave no answer), ``skipped`` (it
            was not asked), or ``planned`` of a dry run.
        reason: Why, in words.
        carried: Id of the entry that keeps the old answer under the other version.
    """

    execution_id: str
    verdict: ReplayVerdict
    reason: str
    entry_id: str | None = None
    question: str | None = None
    old: str | None = None
    new: str | None = None
    carried: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What the last runs of a context would have said under another version.

    Attributes:
        behaviour: Of the version; answers belong to it.
        rows: One for each answer that was looked at, newest run first.
        current: Answers that are found under this behaviour as they are: the runs used it, or a
            version that differs from it cosmetically.
        tokens, cost: Of the model's calls, in dollars, where all of them said so; else ``None``.
    """

    key: str
    version: int
    behaviour: int
    rows: tuple[ReplayRow, ...]
    current: int
    tokens: int | None = None
    cost: float | None = None

    def count(self, verdict: ReplayVerdict) -> int:
        """Return how many rows came to this."""
        return sum(row.verdict == verdict for row in self.rows)

    @property
    def carried(self) -> int:
        """Answers that are found under the version now without a call."""
        return sum(row.carried is not None for row in self.rows)

    @property
    def changed_share(self) -> float | None:
        """Share of the compared answers that changed; ``None`` where none was compared."""
        compared = self.count("changed") + self.count("unchanged")
        return self.count("changed") / compared if compared else None

    @property
    def changed_interval(self) -> tuple[float, float]:
        """The 95 % interval of that share."""
        changed = self.count("changed")
        return share_interval(changed, changed + self.count("unchanged"))

    @property
    def nothing_to_do(self) -> bool:
        """True where every answer is found under the version already."""
        return not self.rows and self.current > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A process that uses the fabric under a name (``FabricConfig.agent``).

    Attributes:
        id: Of the process; a name may be that of several.
        started, seen: When it began to follow the contexts, and when it was heard of last.
        alive: Whether it was heard of within 15 seconds.
        revision: Of the contexts that it serves.
        delay: Seconds from the newest change until it served that; ``None`` before its first. By
            the clocks of two machines, where the change was made on another.
    """

    id: str
    name: str
    host: str
    pid: int
    started: datetime
    seen: datetime
    alive: bool
    revision: int
    delay: float | None = None
