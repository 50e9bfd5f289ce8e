"""The options of a fabric: one frozen record, built at the edge, read nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from cache_fabric.errors import ConfigurationError

__all__ = ["FabricConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricConfig:
    """Limits, budgets and defaults.

    Attributes:
        namespace: Answers and records of two namespaces never meet.
        agent: Name of this process in `fleet`; ``None`` keeps it out of there.
        secret: Keys the hashes; give every process of a deployment the same.
        ttl: Seconds an answer may be served, counted from its birth; ``None`` for ever.
        ttl_jitter: Largest share of a ttl that is taken off, so that answers which were born
            together do not expire together.
        stale_while_revalidate: Seconds after its expiry in which an answer is still served while
            one caller refreshes it (RFC 5861).
        stale_if_error: Seconds after its expiry in which an answer may stand in for a failed call.
        volatile: What happens to questions whose answer changes by the hour, as a rule of thumb
            finds them (`volatile`): ``"ttl"`` keeps their answers for ``volatile_ttl`` seconds,
            ``"bypass"`` keeps them out of the cache, ``"ignore"`` treats them like any other.
        join_paraphrases: Seconds that a miss may wait for another wording of its question that is
            being answered in this process; 0 for never.
        require_tenant: Bypass every request that names no tenant.
        repeatable_tools: Tools whose calls may be replayed; other tool calls are not stored.
        exact_timeout: Seconds the exact tier may take before the call goes on without it.
        semantic_timeout: The same for embedding, search and judging together.
        open_timeout: Seconds the first use may wait for backends and weights to load.
        flight_timeout: Cap, in seconds, on waiting for another caller's identical request.
        share_flights: Whether identical misses of several processes make one model call, by a
            lease in the store that they share; it costs each miss two short trips to the store.
        candidates: Neighbors that are read and judged (k).
        max_request_bytes: Larger requests bypass the cache.
        max_entry_bytes: Larger answers are not stored.
        max_entries, max_bytes: Bounds of the answers kept in the store; ``None`` is no bound. Those
            that save least a byte are evicted (`cache_fabric.eviction`).
        tenant_max_entries, tenant_max_bytes: The same for each tenant.
        recount_interval: Seconds after which the store is counted anew, for what expired and for
            what other processes wrote.
        hot_entries, hot_bytes: Bounds of the in-process tier.
        hot_ttl: Seconds the in-process tier may hide a change made by another process.
        queue_entries, queue_bytes: Bounds of each write-behind queue, with what waits for a store
            that is away; above them writes are dropped.
        index_executions: Whether the questions of executions are embedded, to be found by meaning;
            only where the policy looks for answers by meaning, too.
        executions_max_age: Seconds that executions are kept, twice as long if they have feedback;
            ``None`` for ever.
        executions_max_count: How many executions without feedback are kept, and how many with;
            the oldest go. ``None`` is no bound.
        feedback_share: Share of the kept answers that one annotator may quarantine or correct in an
            hour; votes above it are held until others agree.
        feedback_grace: Answers for which an annotator may do so whatever their share.
        feedback_agreements: Annotators that have to agree where one alone is not trusted, or is
            over the limit.
    """

    namespace: str = "default"
    agent: str | None = None
    secret: bytes = b"cache-fabric"
    ttl: float | None = None
    ttl_jitter: float = 0.1
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    volatile: Literal["ttl", "bypass", "ignore"] = "ttl"
    volatile_ttl: float = 300.0
    join_paraphrases: float = 0.0
    require_tenant: bool = False
    repeatable_tools: frozenset[str] = frozenset()
    exact_timeout: float = 0.05
    semantic_timeout: float = 0.15
    open_timeout: float = 10.0
    flight_timeout: float = 30.0
    share_flights: bool = True
    candidates: int = 16
    max_request_bytes: int = 256 * 1024
    max_entry_bytes: int = 1024 * 1024
    max_entries: int | None = 100_000
    max_bytes: int | None = 1024 * 1024 * 1024
    tenant_max_entries: int | None = None
    tenant_max_bytes: int | None = None
    recount_interval: float = 3600.0
    hot_entries: int = 10_000
    hot_bytes: int = 64 * 1024 * 1024
    hot_ttl: float = 60.0
    queue_entries: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    index_executions: bool = True
    executions_max_age: float | None = None
    executions_max_count: int | None = 1_000_000
    feedback_share: float = 0.01
    feedback_grace: int = 10
    feedback_agreements: int = 2

    def __post_init__(self) -> None:
        if not _is_name(self.namespace):
            raise ConfigurationError("namespace: expected 1 to 128 printable characters")
        if self.agent is not None and not _is_name(self.agent):
            raise ConfigurationError("agent: expected 1 to 128 printable characters")
        if not isinstance(self.secret, bytes):
            raise ConfigurationError("secret: expected bytes")
        for name in _SECONDS:
            if name not in _FOR_EVER or getattr(self, name) is not None:
                self._check_number(name, "seconds", "above 0", lambda value: value > 0)
        for name in _WINDOWS:
            self._check_number(name, "seconds", "of 0 or more", lambda value: value >= 0)
        self._check_number("ttl_jitter", "a share", "from 0 to below 1", lambda v: 0 <= v < 1)
        self._check_number("feedback_share", "a share", "from 0 to 1", lambda v: 0 <= v <= 1)
        if self.volatile not in _VOLATILE:
            choices = ", ".join(_VOLATILE)
            raise ConfigurationError(f"volatile: expected one of {choices}, got {self.volatile!r}")
        self._check_switches_and_counts()

    def _check_switches_and_counts(self) -> None:
        for name in _SWITCHES:
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name}: expected True or False, got {value!r}")
        for name in _COUNTS + _BOUNDS:
            value = getattr(self, name)
            if name in _BOUNDS and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}: expected a whole number above 0, got {value!r}")

    def _check_number(
        self, name: str, unit: str, bounds: str, is_within: Callable[[float], bool]
    ) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"{name}: expected {unit} as a number, got {value!r}")
        if not math.isfinite(value) or not is_within(value):
            raise ConfigurationError(f"{name}: expected {unit} {bounds}, got {value!r}")


_SECONDS = (
    *("ttl", "volatile_ttl", "exact_timeout", "semantic_timeout"),
    *("open_timeout", "flight_timeout", "hot_ttl", "recount_interval"),
    "executions_max_age",
)
_FOR_EVER = ("ttl", "executions_max_age")  # where ``None`` says so
_WINDOWS = ("stale_while_revalidate", "stale_if_error", "join_paraphrases")
_VOLATILE = ("ttl", "bypass", "ignore")
_SWITCHES = tuple(f.name for f in fields(FabricConfig) if f.type == "bool")
_COUNTS = tuple(f.name for f in fields(FabricConfig) if f.type == "int")
_BOUNDS = tuple(f.name for f in fields(FabricConfig) if f.type == "int | None")


def _is_name(given: str) -> bool:
    return 0 < len(given) <= 128 and given.isprintable()
