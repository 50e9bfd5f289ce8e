"""Takes out of the neighbors those whose answer was wrong for a near twin of the question."""

from __future__ import annotations

from collections.abc import Sequence

from cache_fabric.live_verdicts import LiveVerdicts
from cache_fabric.near_twins import forbidden
from cache_fabric.semantic_tier import SemanticTier
from cache_fabric.types import Candidate, Ticket

__all__ = ["RefusedTwins"]


class RefusedTwins:
    """The rule of `near_twins`, with the vectors that it needs.

    Args:
        verdicts: Hold the pairs.
        semantic: Embeds the neighbors' questions, where a pair is near: which is rare.
    """

    def __init__(self, verdicts: LiveVerdicts, semantic: SemanticTier) -> None:
        self._verdicts = verdicts
        self._semantic = semantic

    async def without(
        self, ticket: Ticket, candidates: list[Candidate], seconds: float
    ) -> list[Candidate]:
        """Return the candidates that may be judged; raises `Degraded`."""
        least = min((one.similarity for one in candidates), default=1.0)
        keys = [one.entry.exact for one in candidates]
        near = self._verdicts.near(ticket.keys.partition, ticket.vector, keys, least)
        if not near:
            return candidates
        questions = [one.entry.question or "" for one in candidates]
        vectors = await self._semantic.vectors(questions, seconds)
        return [
            one
            for one, other in zip(candidates, vectors, strict=True)
            if not forbidden(near, one.entry.exact, one.similarity, other)
        ]

    def without_leaders(self, ticket: Ticket, leaders: Sequence[Ticket]) -> list[Ticket]:
        """Return the questions in flight whose answers may be judged."""
        near = self._verdicts.near(
            ticket.keys.partition, ticket.vector, [one.keys.exact for one in leaders], -1.0
        )
        return [
            one
            for one in leaders
            if not forbidden(near, one.keys.exact, float(ticket.vector @ one.vector), one.vector)
        ]
