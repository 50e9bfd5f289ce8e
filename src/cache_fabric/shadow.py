"""A policy that decides and learns beside the one that serves, and serves nothing.

It sees every lookup that is judged by meaning, with the same neighbors. Its state runs as if it
served: it spends its budget on its own would-be hits, and draws its own samples. It learns whenever
the model answered, so from those would-be hits too that the serving policy refused; each of these
labels stands for itself alone, and its audit speaks of them and not of those that were served.

Two things differ from serving: a question that it would have served is kept under its own key once
the model has answered, so its repeats are exact hits; and what the serving policy serves has no
fresh answer to learn from. Lives on the home loop, but for what the hooks do.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence

from cache_fabric.fault_place import place_of
from cache_fabric.instrumentation.events import Event, ShadowEvent
from cache_fabric.learning import Learning
from cache_fabric.policy.base import Decision, Policy, Serve
from cache_fabric.policy.family import Judgment, Lesson
from cache_fabric.types import CacheEntry, Candidate, Ticket

__all__ = ["Shadow"]

_log = logging.getLogger("cache_fabric")


class Shadow:
    """The shadow of one engine; no fault of it reaches a request.

    Args:
        policy: Decides, and serves nothing.
        learning: Holds its states; the serving policy's have other keys.
        emit: Hears what it would have done.
    """

    def __init__(self, policy: Policy, learning: Learning, emit: Callable[[Event], None]) -> None:
        self.policy = policy
        self._learning = learning
        self._emit = emit

    def decide(
        self, ticket: Ticket, serving: Policy, decision: Decision, candidates: Sequence[Candidate]
    ) -> None:
        """Decide on what the serving policy has decided on; never raises.

        A request that asks for this very policy is its own, and not the shadow's.
        """
        if serving == self.policy:
            return
        name = self.policy.name
        try:
            decided = self._learning.judge(ticket, self.policy, candidates)
            serves = isinstance(decided, Serve)
            event = ShadowEvent(
                policy=name,
                outcome="hit" if serves else "miss",
                lookup_id=ticket.id,
                agreed=serves == isinstance(decision, Serve),
                probability=decided.probability,
            )
            ticket.shadowed = decided
        except Exception as error:  # noqa: BLE001 - nobody waits for the shadow
            _log.error("the shadow policy failed: %s", place_of(error))
            event = ShadowEvent(policy=name, outcome="fault", lookup_id=ticket.id)
        self._emit(event)

    def settled(self, ticket: Ticket, entry: CacheEntry) -> None:
        """Let it learn from the model's answer."""
        decided, ticket.shadowed = ticket.shadowed, None
        if decided is None:
            return
        judged, serves = decided.judged, isinstance(decided, Serve)
        if isinstance(judged, Judgment):
            would_serve = serves or judged.chance > 0
            # The label came for certain, and not with the chance of a sample.
            judged = dataclasses.replace(judged, chance=float(would_serve))

            def told(lesson: Lesson) -> None:
                self._tell(ticket, would_serve, lesson.right, lesson.similarity, lesson.probability)

            self._learning.teach(self.policy, ticket.keys.family, judged, entry, told)
        elif serves:
            kept = decided.candidate

            def compared(labels: Sequence[bool | None]) -> None:
                if labels[0] is not None:
                    self._tell(ticket, True, labels[0], kept.similarity, None)

            self._learning.compare(self.policy, entry, [kept.entry], compared)

    def _tell(
        self,
        ticket: Ticket,
        would_serve: bool,
        right: bool,
        similarity: float,
        probability: float | None,
    ) -> None:
        self._emit(
            ShadowEvent(
                policy=self.policy.name,
                outcome="hit" if would_serve else "miss",
                lookup_id=ticket.id,
                right=right,
                similarity=similarity,
                probability=probability,
            )
        )
