"""The judge of one engine: asks the policy, and brings it the model's fresh answers.

A policy that learns has one state for each partition family. A refusal is remembered by its ticket;
when the model has answered, its answer is compared with those of the neighbors, and each comparison
is a label that cost nothing. Lives on the home loop, but for `count`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cache_fabric.answers import same_meaning, same_text
from cache_fabric.errors import CacheFabricError
from cache_fabric.fault_place import place_of
from cache_fabric.instrumentation.events import Event, LabelEvent
from cache_fabric.policy.base import Asked, Decision, Policy, Serve
from cache_fabric.policy.family import Family, Judgment, Lesson, answer_digest
from cache_fabric.policy.trace import trace
from cache_fabric.policy_memory import PolicyMemory
from cache_fabric.semantic_tier import SemanticTier
from cache_fabric.types import CacheEntry, Candidate, Ticket

__all__ = ["Learning"]

_COUNTED = 100_000
_log = logging.getLogger("cache_fabric")


class Learning:
    """Asks policies with what they have learned.

    Args:
        semantic: Embeds answers that are prose.
        memory: Holds what was learned.
        emit: Hears that a policy has tightened.
    """

    def __init__(
        self, semantic: SemanticTier, memory: PolicyMemory, emit: Callable[[Event], None]
    ) -> None:
        self.memory = memory
        self._semantic = semantic
        self._emit = emit
        self._counted: deque[str] = deque(maxlen=_COUNTED)
        self._labelling: set[asyncio.Task[None]] = set()

    def count(self, family: str) -> None:
        """Take note of a request that ended without a judgment; from any thread."""
        self._counted.append(family)

    def decide(
        self,
        ticket: Ticket,
        policy: Policy,
        candidates: Sequence[Candidate],
        *,
        again: bool = False,
    ) -> Decision:
        """Return what the policy says; what it wants to hear of again stays with the ticket.

        ``again`` is for the same request with other candidates; its refusal teaches nothing.
        """
        decision = self.judge(ticket, policy, candidates, again=again, verified=ticket.verified)
        if not again:
            ticket.judged = decision.judged
        if not again or isinstance(decision, Serve):
            state = self.memory.state(policy, ticket.keys.family)
            ticket.trace = trace(policy, decision, candidates, state)
        return decision

    def judge(
        self,
        ticket: Ticket,
        policy: Policy,
        candidates: Sequence[Candidate],
        *,
        again: bool = False,
        verified: tuple[str, float] | None = None,
    ) -> Decision:
        """Return what a policy says, and leave the ticket as it is."""
        self._count_in()
        keys = ticket.keys
        asked = Asked(keys.question or "", keys.exact, ticket.vector, again, verified)
        decision = policy.decide(asked, candidates, self.memory.state(policy, keys.family))
        self.memory.changed(policy, keys.family)
        return decision

    def doubtful(
        self, ticket: Ticket, policy: Policy, candidates: Sequence[Candidate]
    ) -> Candidate | None:
        """Return the candidate that a verifier should be asked about, if any."""
        keys = ticket.keys
        state = self.memory.state(policy, keys.family)
        asked = Asked(keys.question or "", keys.exact, ticket.vector)
        return state.doubtful(asked, candidates) if isinstance(state, Family) else None

    def settled(self, ticket: Ticket, policy: Policy, entry: CacheEntry) -> None:
        """Let the policy learn from the answer to a question that it refused."""
        judged, ticket.judged = ticket.judged, None
        if not isinstance(judged, Judgment):
            return
        family = ticket.keys.family

        def told(lesson: Lesson) -> None:
            said = dataclasses.asdict(lesson)
            self._emit(LabelEvent(policy=policy.name, family=family, **said))

        self.teach(policy, family, judged, entry, told)

    async def hear(
        self, policy: Policy, family: str, asked: Asked, candidate: Candidate, right: bool
    ) -> bool:
        """Let the policy learn what people say of an answer; returns whether it learns at all."""
        await self.memory.ready(policy, family)
        state = self.memory.state(policy, family)
        if not isinstance(state, Family):
            return False
        state.hear(asked, candidate, right)
        self.memory.changed(policy, family, labels=1)
        return True

    def teach(
        self,
        policy: Policy,
        family: str,
        judged: Judgment,
        entry: CacheEntry,
        told: Callable[[Lesson], None],
    ) -> None:
        """Bring a policy the fresh answer; ``told`` hears what the best candidate's label said."""

        def learn(labels: Sequence[bool | None]) -> None:
            state: Family = self.memory.state(policy, family)
            lesson = state.learn(judged, labels, answer_digest(entry))
            known = sum(label is not None for label in labels)
            self.memory.changed(policy, family, labels=known)
            if lesson is not None:
                told(lesson)

        self.compare(policy, entry, _kept(judged), learn)

    def compare(
        self,
        policy: Policy,
        fresh: CacheEntry,
        kept: Sequence[CacheEntry],
        then: Callable[[Sequence[bool | None]], None],
    ) -> None:
        """Tell which kept answers say what the fresh one says: at once where their texts do."""
        try:
            compare = getattr(policy, "same_answer", None) or same_text
            said = [_said(compare, fresh.text, one.text) for one in kept]
            if all(isinstance(one, bool) for one in said):
                then(said)
                return
            task = asyncio.get_running_loop().create_task(
                self._compare_later(policy, fresh, kept, said, then)
            )
            self._labelling.add(task)
            task.add_done_callback(self._labelling.discard)
        except Exception as error:  # noqa: BLE001 - a lesson that fails must not fail a request
            _log.error("a label was lost: %s", place_of(error))

    async def flush(self) -> None:
        """Wait until the labels of all answers so far are learned."""
        while self._labelling:
            await asyncio.wait(self._labelling)

    async def _compare_later(
        self,
        policy: Policy,
        fresh: CacheEntry,
        kept: Sequence[CacheEntry],
        said: Sequence[Any],
        then: Callable[[Sequence[bool | None]], None],
    ) -> None:
        try:
            labels = [await one if isinstance(one, Awaitable) else one for one in said]
            if getattr(policy, "same_answer", None) is None:
                await self._compare_prose(fresh, kept, labels)
            then(labels)
        except Exception as error:  # noqa: BLE001 - a lesson that fails must not fail a request
            _log.error("a label was lost: %s", place_of(error))

    async def _compare_prose(
        self, fresh: CacheEntry, kept: Sequence[CacheEntry], labels: list[bool | None]
    ) -> None:
        """Fill in what texts alone could not say."""
        unsure = [
            at
            for at, label in enumerate(labels)
            if label is None and fresh.text.strip() and kept[at].text.strip()
        ]
        try:
            vectors = await self._semantic.embed([fresh.text, *(kept[at].text for at in unsure)])
        except CacheFabricError:
            return  # what the texts said is a lesson all the same
        for at, vector in zip(unsure, vectors[1:], strict=True):
            labels[at] = same_meaning(vectors[0], vector)

    def _count_in(self) -> None:
        while self._counted:
            family = self._counted.popleft()
            for state in self.memory.states(family):
                if isinstance(state, Family):
                    state.count()


def _said(compare: Callable[[str, str], Any], fresh: str, kept: str) -> Any:
    if not (fresh.strip() and kept.strip()):
        return None  # calls of tools: the lack of a text says nothing
    return fresh == kept or compare(fresh, kept)


def _kept(judged: Judgment) -> list[CacheEntry]:
    """The entries whose answers a label says something of."""
    return [] if judged.reading is None else [one.entry for one in judged.reading.candidates]
