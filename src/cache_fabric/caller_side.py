"""The caller's side of a lookup and of a store: all that needs no I/O, in the caller's thread.

Both colours of the facade use it, so that an exact hit in the process costs no hop to the home
loop.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
import time
from typing import Any, Literal, TypeVar

import msgspec

from cache_fabric import codec
from cache_fabric.call_costs import CallCosts
from cache_fabric.config import FabricConfig
from cache_fabric.corrections import reason_of
from cache_fabric.decisions import Decisions
from cache_fabric.engine import Engine
from cache_fabric.errors import NotCacheable
from cache_fabric.fresh_entry import fresh_entry
from cache_fabric.freshness import is_within, is_young, must_bypass
from cache_fabric.instrumentation.events import (
    LookupEvent,
    StoreEvent,
    event_of,
    failure_of,
    said_in,
)
from cache_fabric.instrumentation.hooks import Hooks
from cache_fabric.keys import derive
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.offline_encodings import at_hand
from cache_fabric.plain_answer import as_answer
from cache_fabric.policy.admission import may_cache, may_store
from cache_fabric.policy.family import is_explored
from cache_fabric.pricing import PriceTable
from cache_fabric.scopes import Owner
from cache_fabric.single_flight import caller
from cache_fabric.token_estimates import settled
from cache_fabric.types import (
    Answer,
    Bypass,
    CacheEntry,
    CacheRequest,
    Hit,
    KeySet,
    Miss,
    Ticket,
    Usage,
)

__all__ = ["CallerSide", "Prepared"]

R = TypeVar("R", bound=Hit | Miss)


@dataclasses.dataclass(frozen=True, slots=True)
class Prepared:
    """An answer that is fit to be kept, ready for the home loop."""

    ticket: Ticket | None
    request: CacheRequest
    entry: CacheEntry
    data: bytes


class CallerSide:
    """Begins and ends lookups of one engine.

    Args:
        engine: Its hot tier and flights are read from here; nothing is awaited.
        live: Tells which system messages are contexts.
        config: Limits and defaults.
        prices: What tokens cost.
        hooks: Are told every event.
        decisions: Remembers how lookups ended.
    """

    def __init__(
        self,
        engine: Engine,
        live: LiveContexts,
        config: FabricConfig,
        prices: PriceTable,
        hooks: Hooks,
        decisions: Decisions,
    ) -> None:
        self._engine = engine
        self._live = live
        self._config = config
        self._costs = CallCosts(prices)
        self._tell = hooks.tell
        self._decisions = decisions
        self._nonce = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def begin(self, request: CacheRequest) -> Ticket | Hit | Bypass:
        """Return a ticket for the home loop, unless the request ends here."""
        started = time.monotonic()
        try:
            keys = self._keys(request)
        except NotCacheable as error:
            return self.bypass(request.model, error.reason, started, request.options.graph)
        except Exception as error:  # noqa: BLE001 - a hostile value in the request may raise anything
            reason = f"unusable request: {type(error).__name__}"
            return self.bypass(str(getattr(request, "model", "")), reason, started)
        ticket = Ticket(keys, request, caller(), started, id=f"{self._nonce}-{next(self._numbers)}")
        entry = None if request.options.refresh else self._hot(keys)
        if entry is None or not is_young(entry, request.options, time.time()):
            return ticket
        return self.end(ticket, Hit(entry=entry, tier="hot", reason=reason_of(entry)))

    def judge_age(self, ticket: Ticket, result: Hit | Miss) -> Hit | Miss:
        """Return a miss in place of a hit that is older than its request allows."""
        if isinstance(result, Miss) or is_young(result.entry, ticket.request.options, time.time()):
            return result
        return Miss(ticket=ticket, reason="older than asked for")

    def end(self, ticket: Ticket, result: R) -> R:
        """Stamp the result with its time, tell the hooks, and return it."""
        ticket.lookup_seconds, ticket.counted = time.monotonic() - ticket.started, True
        known: dict[str, Any] = {"seconds": ticket.lookup_seconds, "lookup_id": ticket.id}
        if isinstance(result, Hit):
            known |= {"asked": ticket.keys, **self._costs.saved(result)}
        result = dataclasses.replace(result, **known)
        self._decisions.record(ticket, result)
        self._tell(event_of(ticket, result), lambda: said_in(ticket.request, result))
        if ticket.judged is None and ticket.shadowed is None:
            self._engine.learning.count(ticket.keys.family)
        if isinstance(result, Hit):
            ticket.closed = True
            self._engine.capacity.used(result.entry.exact)
        return result

    def joined(self, ticket: Ticket) -> Hit | Miss:
        """End the lookup of a caller who read another one's answer while it came."""
        entry = self._hot(ticket.keys)
        if entry is None:
            return self.end(ticket, Miss(ticket=ticket, reason="shared an answer that is not kept"))
        return self.end(ticket, Hit(entry=entry, tier="flight", reason="shared as it came"))

    def bypass(
        self, model: str, reason: str, started: float | None = None, graph: str | None = None
    ) -> Bypass:
        """Count a call that is not for the cache."""
        took = 0.0 if started is None else time.monotonic() - started
        told: Any = {"model": model, "reason": reason, "seconds": took, "graph": graph}
        self._tell(LookupEvent(outcome="bypass", **told))
        return Bypass(reason=reason, seconds=took)

    def left(self, ticket: Ticket) -> None:
        """Count a lookup that nobody waits for any more; no call of a model follows it."""
        ticket.counted = ticket.told = True
        request = ticket.request
        self.bypass(request.model, "the caller left", ticket.started, request.options.graph)

    def released(self, ticket: Ticket) -> None:
        """Count a call that gave no answer."""
        self._close(ticket, "released")

    def stood_in(self, ticket: Ticket) -> Hit | None:
        """Count a call that failed, and return the expired answer that may stand in for it."""
        entry = self.stale_of(ticket, self._config.stale_if_error)
        self._close(ticket, "released" if entry is None else "stale")
        if entry is None:
            return None
        self._engine.capacity.used(entry.exact)
        return Hit(
            entry=entry,
            tier="exact",
            reason="the model call failed",
            seconds=ticket.lookup_seconds,
            stale=True,
            lookup_id=ticket.id,
            asked=ticket.keys,
            saved_micros=0,
            saved_tokens=0,
        )

    def stale_of(self, ticket: Ticket, window: float) -> CacheEntry | None:
        """Return the expired answer of a request, unless its time is over or it was taken back."""
        entry = ticket.stale
        if (
            entry is None
            or not is_within(entry, window, time.time())
            or self._engine.retirements.cover(entry, ticket.started)
            or not self._engine.verdicts.allows(entry)
        ):
            return None
        return entry

    def _close(self, ticket: Ticket, outcome: Literal["released", "stale"]) -> None:
        ticket.closed = True
        if not ticket.counted:
            self.left(ticket)
        if ticket.told:
            return
        ticket.told = True
        self._tell(failure_of(ticket, outcome))

    def prepare(
        self,
        target: Ticket | CacheRequest,
        response: Any,
        usage: Usage | None,
        latency: float | None,
    ) -> Prepared | Ticket | None:
        """Return what to keep; or the ticket to release, if the answer must not be kept."""
        answer = response if isinstance(response, Answer) else as_answer(response)
        try:
            ticket, keys, request = self._target(target)
        except NotCacheable:
            return None  # the lookup of this request was a bypass and was counted as one
        if latency is None and ticket is not None:
            latency = max(0.0, time.monotonic() - ticket.started - ticket.lookup_seconds)
        usage = settled(usage, request, answer, at_hand)
        cost, provider_saved = self._costs.of(request.model, usage)
        event = StoreEvent(
            outcome="stored",
            model=request.model,
            lookup_seconds=ticket.lookup_seconds if ticket else 0.0,
            seconds=latency,
            usage=usage,
            cost_micros=cost,
            provider_saved_micros=provider_saved,
            explored=ticket is not None and is_explored(ticket.judged),
            kind=request.kind,
            lookup_id=None if ticket is None else ticket.id,
        )
        embedder = self._engine.semantic.identity
        entry = fresh_entry(ticket or keys, request, answer, event, self._config, embedder)
        reason = may_store(answer, self._config) or self._engine.objection(entry, ticket)
        data = b""
        if reason is None:
            try:
                data = codec.encode(entry, self._config.secret)
            except NotCacheable as error:
                reason = error.reason
        if reason is None and len(data) > self._config.max_entry_bytes:
            reason = f"answer over {self._config.max_entry_bytes} bytes"
        if ticket is not None:
            ticket.told = True
        if reason is not None:
            event = msgspec.structs.replace(event, outcome="refused", reason=reason)
            self._tell(event, lambda: said_in(request, answer))
            return ticket
        self._engine.hot.put(keys.exact, data, self._config.hot_ttl)
        event = msgspec.structs.replace(event, entry_id=entry.id)
        self._tell(event, lambda: said_in(request, answer))
        if ticket is not None:
            ticket.closed = True
        return Prepared(ticket, request, entry, data)

    def _target(self, target: Ticket | CacheRequest) -> tuple[Ticket | None, KeySet, CacheRequest]:
        if isinstance(target, Ticket):
            return target, target.keys, target.request
        keys = self._keys(target)
        leader = self._engine.flights.leader(keys.exact)
        # Somebody else's ticket would measure somebody else's call.
        mine = leader if leader is not None and leader.caller == caller() else None
        return mine, keys, target

    def _keys(self, request: CacheRequest) -> KeySet:
        reason = may_cache(request, self._config)
        if reason is not None:
            raise NotCacheable(reason)
        keys = derive(
            request,
            secret=self._config.secret,
            namespace=self._config.namespace,
            embedder=self._engine.semantic.identity,
            max_bytes=self._config.max_request_bytes,
            known=self._live.known(Owner(request.tenant, request.user)),
        )
        if must_bypass(keys.question, request.options, self._config):
            raise NotCacheable("volatile question")
        return keys

    def _hot(self, keys: KeySet) -> CacheEntry | None:
        return self._engine.exact.at_hand(keys)
