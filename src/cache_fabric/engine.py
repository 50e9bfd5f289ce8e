"""The answers: lookup, store, release, search, clear. Acts, and decides nothing.

The rules are elsewhere and pure: `keys` says what is compared, `policy` and `guard` what may be
served, `codec` what an entry is. The engine runs on the fabric's home loop and never calls a model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from cache_fabric import codec
from cache_fabric.config import FabricConfig
from cache_fabric.corrections import reason_of
from cache_fabric.exact_tier import ANSWERS
from cache_fabric.fault_place import place_of
from cache_fabric.freshness import is_fresh, is_within, longest_window
from cache_fabric.instrumentation.events import Event
from cache_fabric.kept_answers import KeptAnswers
from cache_fabric.learning import Learning
from cache_fabric.paraphrases import Paraphrases
from cache_fabric.part import Degraded
from cache_fabric.policy.base import Policy, Serve
from cache_fabric.policy_memory import PolicyMemory
from cache_fabric.refused_twins import RefusedTwins
from cache_fabric.selector import Selector
from cache_fabric.semantic_tier import SemanticTier
from cache_fabric.shadow import Shadow
from cache_fabric.shared_flight import SharedFlight
from cache_fabric.single_flight import Role, SingleFlight
from cache_fabric.stores.base import Store
from cache_fabric.types import CacheEntry, Candidate, Hit, Miss, Neighbor, Ticket
from cache_fabric.verification import Verification
from cache_fabric.write_behind import pending

__all__ = ["Engine"]

_log = logging.getLogger("cache_fabric")


class Engine:
    """Answers over one store and one semantic tier.

    Args:
        store: Holds the entries; the authority.
        semantic: Finds entries by meaning; can be rebuilt from the store.
        policy: Decides what may be served.
        config: Limits and budgets.
        emit: Hears the events that no caller waits for.
        shadow: Decides beside it and serves nothing.
    """

    def __init__(
        self,
        *,
        store: Store,
        semantic: SemanticTier,
        policy: Policy,
        config: FabricConfig,
        emit: Callable[[Event], None],
        shadow: Policy | None = None,
    ) -> None:
        self._indexed = policy.semantic or shadow is not None
        self.kept = KeptAnswers(store, semantic, indexed=self._indexed, config=config, emit=emit)
        self.store, self.exact = self.kept.store, self.kept.exact
        self.verdicts = self.kept.verdicts
        self.hot, self.queue, self.capacity = self.kept.hot, self.kept.queue, self.kept.capacity
        self.semantic = semantic
        self.flights = SingleFlight(config.flight_timeout)
        self.retirements = self.kept.retirements
        memory = PolicyMemory(self.kept.store, store, semantic.identity, config)
        self.learning = Learning(semantic, memory, emit)
        self._verification = Verification(self.learning, emit)
        self._shadow = None if shadow is None else Shadow(shadow, self.learning, emit)
        self._twins = twins = RefusedTwins(self.verdicts, semantic)
        flights, leases = self.flights, self.kept.leases
        self._paraphrases = Paraphrases(flights, self.exact, self.learning, twins, config)
        self._shared = SharedFlight(flights, leases, self.exact, self.store, store, config)
        self._records = store
        self.policy = policy
        self._config = config

    async def lookup(self, ticket: Ticket) -> Hit | Miss:
        """Return a hit, or a miss whose ticket may answer for others too; never raises."""
        try:
            result = await self._lookup(ticket)
            if isinstance(result, Miss):
                return result
            is_retired = self.retirements.cover(result.entry, ticket.started)
            if self.verdicts.allows(result.entry) and not is_retired:
                return result
            return Miss(ticket=ticket, reason="taken back meanwhile")
        except Exception as error:  # noqa: BLE001 - the lookup seam: a bug of ours is a miss
            _log.error("lookup failed; the model call goes on: %s", place_of(error))
            return Miss(ticket=ticket, reason=type(error).__name__, degraded="engine")

    async def _lookup(self, ticket: Ticket) -> Hit | Miss:
        keys, degraded = ticket.keys, None
        if ticket.request.options.refresh:
            self.flights.lead(ticket)
            return Miss(ticket=ticket, reason="refresh asked for")
        try:
            entry = await self.exact.find(keys)
        except Degraded as fault:
            entry, degraded = None, fault.part
        served = self._served(ticket, entry) if entry is not None else None
        if served is not None:
            return served
        claimed = await self.flights.claim(ticket)
        data = self.exact.recall(keys) if isinstance(claimed, Role) else claimed
        shared = self.exact.fresh_of(data, keys)
        if data is not None and shared is not None:
            self.flights.settle(keys.exact, data)
            return Hit(entry=shared, tier="flight", reason="same request, answered just now")
        result = await self._by_meaning(ticket, degraded)
        if isinstance(result, Miss):
            result = await self._paraphrases.join(ticket, self._policy_of(ticket)) or result
        if isinstance(result, Miss):
            result = await self._shared.join(result)
        if isinstance(result, Hit):
            self._share(ticket, result)
        return result

    def _served(self, ticket: Ticket, entry: CacheEntry) -> Hit | None:
        """Serve the entry if it is fresh, or stale while somebody else refreshes it."""
        now = time.time()
        if is_fresh(entry, now):
            return Hit(entry=entry, tier="exact", reason=reason_of(entry))
        ticket.stale = entry
        window = self._config.stale_while_revalidate
        if not is_within(entry, window, now) or self.flights.lead(ticket):
            return None
        return Hit(entry=entry, tier="exact", reason="stale while it is refreshed", stale=True)

    def _share(self, ticket: Ticket, hit: Hit) -> None:
        """Hand what a leader found after all to those who wait for it; most often nobody does."""
        if self.flights.is_awaited(ticket.keys.exact) and not hit.stale:
            data = codec.encode(hit.entry, self._config.secret)
            self.flights.settle(ticket.keys.exact, data)
        else:
            self.flights.release(ticket)

    def release(self, ticket: Ticket) -> None:
        """Give up what a ticket leads, here and in the store; idempotent."""
        self.kept.leases.release(ticket)
        self.flights.release(ticket)

    async def leave(self) -> None:
        """Give up the leases of calls that go on: nobody has to wait for a fabric that closes."""
        for ticket in self.flights.leaders():
            self.kept.leases.release(ticket)
        await self.kept.leases.flush()

    def objection(self, entry: CacheEntry, ticket: Ticket | None) -> str | None:
        """Return why nobody may have a fresh answer but who called the model; from any thread."""
        if ticket is not None and self.retirements.cover(entry, ticket.started):
            return "taken back while the model was thinking"
        return self.verdicts.hindrance(entry)

    def settle(self, ticket: Ticket | None, entry: CacheEntry, data: bytes) -> None:
        """Hand a fresh answer to its followers, and queue it for the store and the index."""
        if entry.latency is not None:
            self.flights.observe(entry.model, entry.latency)
        if ticket is not None:
            self.learning.settled(ticket, self._policy_of(ticket), entry)
            if self._shadow is not None:
                self._shadow.settled(ticket, entry)
        lease, leader = None, self.flights.leader(entry.exact) if ticket is None else ticket
        if leader is not None:  # from here on it is given up by the write
            lease, leader.lease = leader.lease, None
        if self.objection(entry, ticket) is not None:
            self.hot.discard([entry.exact])
            self.kept.leases.give_up([] if lease is None else [(entry.exact, lease)])
            if leader is not None:
                self.flights.release(leader)
            return
        self.flights.settle(entry.exact, data)
        vector, window = None if ticket is None else ticket.vector, longest_window(self._config)
        ttl = None if entry.expires is None else entry.expires - entry.created + window
        question = entry.question if self._indexed or vector is not None else None
        self.queue.put(pending(entry, data, ttl, question, vector=vector, lease=lease))

    async def entry(self, entry_id: str) -> CacheEntry | None:
        """Return a kept entry by its id, ``None`` if it is gone or was answered anew."""
        exact = entry_id.partition(".")[0]
        data = (await self.store.demand(lambda: self.kept.fetch([exact])))[0]
        entry = self.exact.read(data)
        is_it = entry is not None and entry.id == entry_id and self.verdicts.allows(entry)
        return entry if is_it else None

    async def search(self, query: str, limit: int) -> list[Candidate]:
        """Return the entries nearest to a text over all partitions, nearest first."""
        neighbors = await self.semantic.search(query, limit)
        data = await self.store.demand(lambda: self.kept.fetch([n.id for n in neighbors]))
        return self._candidates(neighbors, data, None)

    async def clear(self) -> int:
        """Forget every answer of the namespace; returns how many the store held."""
        self.retirements.add(Selector(), time.monotonic())
        self.kept.give_up(self.queue.discard())
        await self.queue.write_now()
        self.hot.clear()
        count = await self.store.demand(lambda: self._records.clear(ANSWERS))
        self.capacity.clear()
        if self._indexed:
            await self.semantic.clear()
        return count

    async def open(self) -> None:
        """Open store, embedder and index now; raises what stands in the way."""
        await self.store.open()
        self.capacity.start()
        if self._indexed:
            await self.semantic.open()

    def _policy_of(self, ticket: Ticket) -> Policy:
        asked: Policy | None = ticket.request.options.policy
        return self.policy if asked is None else asked

    async def _by_meaning(self, ticket: Ticket, degraded: str | None) -> Hit | Miss:
        question, policy = ticket.keys.question, self._policy_of(ticket)
        is_wanted = policy.semantic or self._shadow is not None
        # Neighbors are read from the store: one that has just failed would cost its time twice.
        if question is None or not is_wanted or degraded is not None:
            return Miss(ticket=ticket, reason="not found", degraded=degraded)
        if not self.verdicts.are_known:
            return Miss(ticket=ticket, reason="verdicts are not read yet", degraded="verdicts")
        try:
            candidates = await self._near(ticket, question)
        except Degraded as fault:
            if not policy.semantic:  # it was looked for on the shadow's account
                return Miss(ticket=ticket, reason="not found", degraded=degraded)
            return Miss(ticket=ticket, reason=str(fault), degraded=fault.part)
        for one in (policy, self._shadow.policy) if self._shadow is not None else (policy,):
            await self.learning.memory.ready(one, ticket.keys.family)
        seen, candidates = candidates, [c for c in candidates if c.similarity >= policy.floor]
        await self._verification.ask(ticket, policy, candidates)
        decision = self.learning.decide(ticket, policy, candidates)
        if self._shadow is not None:
            self._shadow.decide(ticket, policy, decision, seen)
        if not isinstance(decision, Serve):
            return Miss(
                ticket=ticket,
                reason=decision.reason if candidates else "not found",
                nearest=decision.nearest,
                probability=decision.probability,
                degraded=degraded,
            )
        served = decision.candidate
        return Hit(
            entry=served.entry,
            tier="semantic",
            similarity=served.similarity,
            reason=reason_of(served.entry, decision.reason),
            probability=decision.probability,
        )

    async def _near(self, ticket: Ticket, question: str) -> list[Candidate]:
        await self.semantic.ready(self._config.open_timeout)
        deadline = time.monotonic() + self._config.semantic_timeout
        ticket.vector = await self.semantic.vector(question, _left(deadline))
        neighbors = await self.semantic.neighbors(
            ticket.vector,
            ticket.keys.partition,
            self._config.candidates,
            _left(deadline),
            self.queue.of(ticket.keys.partition),
        )
        floor = self._policy_of(ticket).floor
        if self._shadow is not None:
            floor = min(floor, self._shadow.policy.floor)
        near = [n for n in neighbors if n.similarity >= floor]
        if not near:
            return []
        data = await self.store.attempt(
            lambda: self.kept.fetch([n.id for n in near]), _left(deadline)
        )
        found = self._candidates(near, data, ticket.keys.partition)
        return await self._twins.without(ticket, found, _left(deadline))

    def _candidates(
        self, neighbors: Sequence[Neighbor], data: Sequence[bytes | None], partition: str | None
    ) -> list[Candidate]:
        """Read the neighbors' entries; the partition is compared again, whatever the index says."""
        found, gone = [], []
        for neighbor, raw in zip(neighbors, data, strict=True):
            entry = self.exact.read(raw)
            if entry is None or entry.exact != neighbor.id:
                gone.append(neighbor.id)
            elif self.exact.is_servable(entry) and partition in (None, entry.partition):
                found.append(Candidate(entry, neighbor.similarity))
        if gone:
            self.kept.retire(gone)
        return found


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
