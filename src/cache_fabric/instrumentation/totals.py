"""Sums over events, which add up over threads and processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from cache_fabric.instrumentation.coverage import add_unpriced
from cache_fabric.instrumentation.request_counts import RequestCounts
from cache_fabric.instrumentation.shares import Shares

__all__ = ["Totals", "tenants_in"]


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums that add up over threads and processes.

    Attributes:
        requests: `LookupEvent` by model, graph, ``result`` and tier (``hit.hot``, ``miss.``); and
            `StoreEvent` ``released`` and ``stale`` as ``failed``.
        degraded: `LookupEvent` misses by the part that failed.
        answers: `StoreEvent` by ``outcome``.
        evictions: `StoreEvent` of outcome ``evicted``, by the first words of ``reason``.
        evicted_bytes: `StoreEvent` of outcome ``evicted``: the sum of ``size``.
        refused: Misses whose nearest neighbor was judged and not served.
        replayed_seconds, original_seconds: Hits whose ``original_seconds`` is known: their
            ``seconds``, and what the model took then.
        calls: Model calls with a known ``StoreEvent.seconds``.
        priced, saved_micros, saved_tokens: Hits with a known price, and the sums of
            ``saved_micros`` and ``usage``.
        found_wrong: Those that were sampled (see below) and showed a wrong answer.
        labels, drifts: `LabelEvent` in all, and those with ``drifted``.
        sampled, sampled_weight, sampled_squares, sampled_wrong: Those with a ``weight``: how many,
            the sums of it and of its square, and its sum where the answer was wrong.
        paid, spent_micros, spent_tokens: The same of `StoreEvent`.
        prices, unpriced: Answers by how they are priced, and by models that are not, see
            `instrumentation.coverage`.
        provider_saved_micros: The sum of ``StoreEvent.provider_saved_micros``.
        explored, explored_priced, explored_micros: `StoreEvent` that say ``explored``, those of
            them that are priced, and the sum of their ``cost_micros``.
        embedded, embedded_tokens, embedded_priced, embedded_micros: `EmbeddingEvent`: sums of
            ``texts`` and ``tokens``, the texts that are priced, and the sum of ``cost_micros``.
        latencies: Buckets (`latencies.bucket`) of ``LookupEvent.seconds`` of hits by tier, and of
            model calls with the lookups before them as ``miss``.
        durations: Buckets of ``StoreEvent.seconds`` as ``upstream`` and of ``ChangesEvent.seconds``
            as ``propagation``.
        nanos: Sums of nanoseconds of all that has buckets, by kind.
        saved_output_tokens, spent_output_tokens: Of those tokens, those of answers.
        cached_tokens: And those that the provider's own cache gave or took: ``avoided.cache_read``
            and ``avoided.cache_creation`` of `LookupEvent`, ``upstream.cache_read`` and so on of
            `StoreEvent`.
        shares: `LookupEvent` hits and misses, and `StoreEvent` without an answer, by what they were
            asked for (`Shares`).
        shadow: `ShadowEvent` without a label by ``outcome``, those that ``agreed``, and ``right``
            and ``wrong`` labels of would-be hits.
        verifier: `VerifierEvent` by ``outcome``.
        verified_priced, verified_micros: Those that are priced, and the sum of ``cost_micros``.
        reversed, reversed_micros, reversed_tokens: `ReversalEvent`: those that took back less those
            that booked again, and the sums of ``micros`` and ``tokens``.
        rebooked_micros: Of `ReversalEvent` that booked again alone: the sum of ``micros``.
        verdicts: `VerdictEvent` by ``action``, and ``learned`` and ``not learned`` of those that
            a policy had something to learn from.
        executions: `ExecutionEvent` by ``outcome``.
        feedback: `FeedbackEvent` by ``verdict``.
        annotators: The same by ``annotator`` and ``verdict`` (``HUMAN.bad``).
        publishes: `PublishEvent` by ``change`` and ``outcome`` (``cosmetic.published``).
        label_guards: `GuardEvent` by ``outcome``.
        resyncs: `ResyncEvent`.
        values: `ValueEvent`: sums of ``count`` by kind and outcome (``"embeddings.hit"``), and of
            misses that name a failed part (``"embeddings.degraded"``).
    """

    degraded: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    requests: RequestCounts = field(default_factory=RequestCounts)
    evictions: Counter[str] = field(default_factory=Counter)
    evicted_bytes: int = 0
    refused: int = 0
    replayed_seconds: float = 0.0
    original_seconds: float = 0.0
    calls: int = 0
    priced: int = 0
    saved_micros: int = 0
    saved_tokens: int = 0
    labels: int = 0
    sampled: int = 0
    sampled_weight: float = 0.0
    sampled_squares: float = 0.0
    sampled_wrong: float = 0.0
    found_wrong: int = 0
    drifts: int = 0
    paid: int = 0
    spent_micros: int = 0
    spent_tokens: int = 0
    prices: Counter[str] = field(default_factory=Counter)
    unpriced: Counter[str] = field(default_factory=Counter)
    provider_saved_micros: int = 0
    explored: int = 0
    explored_priced: int = 0
    explored_micros: int = 0
    embedded: int = 0
    embedded_tokens: int = 0
    embedded_priced: int = 0
    embedded_micros: int = 0
    shadow: Counter[str] = field(default_factory=Counter)
    verifier: Counter[str] = field(default_factory=Counter)
    verified_priced: int = 0
    verified_micros: int = 0
    reversed: int = 0
    reversed_micros: int = 0
    reversed_tokens: int = 0
    rebooked_micros: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    executions: Counter[str] = field(default_factory=Counter)
    feedback: Counter[str] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    publishes: Counter[str] = field(default_factory=Counter)
    label_guards: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    resyncs: int = 0
    latencies: Counter[str] = field(default_factory=Counter)
    durations: Counter[str] = field(default_factory=Counter)
    nanos: Counter[str] = field(default_factory=Counter)
    saved_output_tokens: int = 0
    spent_output_tokens: int = 0
    cached_tokens: Counter[str] = field(default_factory=Counter)
    shares: Shares = field(default_factory=Shares)

    @property
    def outcomes(self) -> Counter[str]:
        """`LookupEvent` by ``result``; of ``requests``."""
        return self.requests.by(lambda outcome, _: outcome)

    @property
    def tiers(self) -> Counter[str]:
        """`LookupEvent` hits, coalesced and stale ones as well, by ``tier``; of ``requests``."""
        return self.requests.by(lambda _, tier: tier)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Totals:
        """Read back what `plain` wrote; sums that it does not name are zero."""
        totals = cls()
        for name in _NAMES:
            if name in data:
                setattr(totals, name, _READ.get(type(getattr(totals, name)), _same)(data[name]))
        return totals

    def plain(self) -> dict[str, Any]:
        """Return the sums that are not zero as plain data."""
        said = {name: getattr(self, name) for name in _NAMES}
        said["shares"], said["requests"] = self.shares.plain(), self.requests.plain()
        return {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in said.items()
            if value
        }

    def packed(self) -> bytes:
        """Return the sums as MessagePack."""
        return msgspec.msgpack.encode(self.plain())

    @classmethod
    def unpacked(cls, data: bytes) -> Totals:
        """Read back what `packed` wrote."""
        return cls.of(msgspec.msgpack.decode(data))

    def add(self, other: Totals, sign: int = 1) -> None:
        """Add another process's sums, or with ``sign=-1`` take them off."""
        for name in _NAMES:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, Shares | RequestCounts):
                mine.add(theirs, sign)
            elif not isinstance(mine, Counter):
                setattr(self, name, mine + sign * theirs)
            elif name == "unpriced":
                add_unpriced(mine, theirs, sign)
            elif sign > 0:
                mine.update(theirs)
            else:
                mine.subtract(theirs)


def _same(value: Any) -> Any:
    return value


class _OfShares(msgspec.Struct):
    shares: dict[str, dict[str, Any]] = {}


def tenants_in(packed: bytes) -> Set[str]:
    """Return the names of tenants in packed sums, without reading the rest of them."""
    return msgspec.msgpack.decode(packed, type=_OfShares).shares.get("tenant", {}).keys()


_NAMES = tuple(f.name for f in fields(Totals))
_READ: dict[type, Callable[[Any], Any]] = {
    Counter: Counter,
    Shares: Shares.of,
    RequestCounts: RequestCounts.of,
}
