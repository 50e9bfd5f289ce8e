"""A miss may wait for another wording of its question that is being answered in this process.

A question in flight is judged by the policy as a kept one would be: by a provisional entry that has
its text and no answer yet. The rules that keep everybody moving:

* Only a caller that is with the model, or waits for another process that is, can be waited for.
  That is said on the home loop in one step, so no ring of waiters can close, and each answer goes
  to a question that was compared with the very text it answers.
* A leader that fails, leaves or outlives its lease frees those who joined it at once; the first
  freed goes to the model, the others join that one. All of it happens within one budget.
* A caller never waits for itself.
"""

from __future__ import annotations

import time

from cache_fabric.config import FabricConfig
from cache_fabric.exact_tier import ExactTier
from cache_fabric.learning import Learning
from cache_fabric.policy.base import Policy, Serve
from cache_fabric.refused_twins import RefusedTwins
from cache_fabric.single_flight import SingleFlight
from cache_fabric.types import CacheEntry, Candidate, Hit, Ticket

__all__ = ["Paraphrases"]


class Paraphrases:
    """The near questions in flight.

    Args:
        flights: Who is answering what.
        exact: Reads the answers that come.
        learning: Judges them.
        twins: Which of them are out of the question.
        config: The budget and the number of candidates.
    """

    def __init__(
        self,
        flights: SingleFlight,
        exact: ExactTier,
        learning: Learning,
        twins: RefusedTwins,
        config: FabricConfig,
    ) -> None:
        self._flights = flights
        self._exact = exact
        self._learning = learning
        self._twins = twins
        self._config = config

    async def join(self, ticket: Ticket, policy: Policy) -> Hit | None:
        """Return the answer to a near question; without one the ticket goes to the model."""
        deadline, refused = time.monotonic() + self._config.join_paraphrases, ticket.trace
        while (left := deadline - time.monotonic()) > 0:
            decision = self._judged(ticket, policy)
            if decision is None:
                break
            near = decision.candidate
            data = await self._flights.follow(near.entry.exact, left)
            entry = self._exact.fresh_of(data, ticket.keys)
            if entry is not None:
                reason = f"in flight: {decision.reason}"
                return Hit(entry=entry, tier="semantic", similarity=near.similarity, reason=reason)
        ticket.calls, ticket.trace = True, refused
        return None

    def _judged(self, ticket: Ticket, policy: Policy) -> Serve | None:
        question = ticket.keys.question
        if question is None or ticket.vector is None or not policy.semantic or ticket.closed:
            return None
        leaders = [
            leader
            for leader in self._flights.calling(ticket.keys.partition)
            if leader.vector is not None and leader.caller != ticket.caller
        ]
        others = [
            Candidate(_provisional(leader), float(ticket.vector @ leader.vector))
            for leader in self._twins.without_leaders(ticket, leaders)
        ]
        near = sorted(
            (other for other in others if other.similarity >= policy.floor),
            key=lambda candidate: candidate.similarity,
            reverse=True,
        )
        if not near:
            return None
        decision = self._learning.decide(
            ticket, policy, near[: self._config.candidates], again=True
        )
        return decision if isinstance(decision, Serve) else None


def _provisional(ticket: Ticket) -> CacheEntry:
    return CacheEntry(
        id=f"{ticket.keys.exact}.",
        exact=ticket.keys.exact,
        partition=ticket.keys.partition,
        question=ticket.keys.question,
        payload=None,
        model=ticket.request.model,
        created=time.time(),
        tenant=ticket.request.tenant,
        user=ticket.request.user,
        contexts=ticket.keys.contexts,
    )
