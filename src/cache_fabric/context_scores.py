"""What feedback says of each version of a context: sums over pages, one for each version."""

from __future__ import annotations

from dataclasses import dataclass

from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.policy.intervals import share_interval
from cache_fabric.records import Feedback
from cache_fabric.scopes import Owner
from cache_fabric.stores.documents import Query
from cache_fabric.validation import check_key
from cache_fabric.version_records import VersionScore

__all__ = ["ContextScores", "Tally"]


@dataclass(slots=True)
class Tally:
    """Sums over the feedback on one version."""

    count: int = 0
    good: int = 0
    bad: int = 0
    scored: int = 0
    score: float = 0.0

    def add(self, feedback: Feedback) -> None:
        """Count a feedback."""
        self.count += 1
        self.good += feedback.verdict == "good"
        self.bad += feedback.verdict == "bad"
        if feedback.score is not None:
            self.scored += 1
            self.score += feedback.score

    def of(self, key: str, version: int) -> VersionScore:
        """Return the sums as figures."""
        low, high = share_interval(self.good, self.good + self.bad)
        return VersionScore(
            key=key,
            version=version,
            count=self.count,
            good=self.good,
            bad=self.bad,
            mean=self.score / self.scored if self.scored else None,
            low=low,
            high=high,
        )


class ContextScores:
    """Scores over the kept feedback; lives on the home loop.

    Args:
        feedback: What was said.
        live: Tells whose context a run used.
    """

    def __init__(self, feedback: KeptFeedback, live: LiveContexts) -> None:
        self._feedback = feedback
        self._live = live

    async def summary(
        self, key: str, tenant: str | None, since: float | None
    ) -> list[VersionScore]:
        """Return a score for each version that feedback speaks of, newest first."""
        terms = {("context", check_key(key))}
        if tenant is not None:
            terms.add(("tenant", tenant))
        view = await self._live.load()
        meant = view.path_of(key, Owner(tenant))
        tallies: dict[int, Tally] = {}
        async for page in self._feedback.pages(Query(terms=frozenset(terms), since=since)):
            for one in page:
                if view.path_of(key, Owner(one.tenant, one.user)) != meant:
                    continue  # they used a context of their own under this key
                for version in {v for k, v in one.contexts if k == key and v is not None}:
                    tallies.setdefault(version, Tally()).add(one)
        return [tallies[version].of(key, version) for version in sorted(tallies, reverse=True)]
