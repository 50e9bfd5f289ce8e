"""How long an answer may be served: its time to live, and the stale windows after it. Pure.

A time to live is absolute: it counts from the answer's birth and no hit moves it. Jitter shortens
it, never lengthens it, by a share drawn from the random part of the entry's id: entries that were
born together do not expire together, a key does not expire in step with itself, and the draw is
the same for whoever looks at the entry. After it come the two windows of RFC 5861: while the one
lasts a stale answer is served to all but the caller that refreshes it (section 3), while the other
lasts it may stand in for a failed call (section 4). Only the very same request gets a stale answer.
"""

from __future__ import annotations

from cache_fabric.config import FabricConfig
from cache_fabric.options import CacheOptions
from cache_fabric.types import CacheEntry
from cache_fabric.volatile import is_volatile

__all__ = ["expiry", "is_fresh", "is_within", "is_young", "longest_window", "must_bypass", "ttl_of"]


def ttl_of(question: str | None, options: CacheOptions, config: FabricConfig) -> float | None:
    """Return the seconds that an answer may be served before jitter, ``None`` for ever."""
    if options.ttl is not None:
        return options.ttl
    if config.volatile == "ttl" and question is not None and is_volatile(question):
        return min(config.volatile_ttl, config.ttl or config.volatile_ttl)
    return config.ttl


def must_bypass(question: str | None, options: CacheOptions, config: FabricConfig) -> bool:
    """Return whether a volatile question is kept out of the cache; its own ``ttl`` lets it in."""
    asks = config.volatile == "bypass" and options.ttl is None
    return asks and question is not None and is_volatile(question)


def expiry(born: float, ttl: float | None, jitter: float, nonce: str) -> float | None:
    """Return when an answer expires, in seconds since the epoch.

    Args:
        born: Seconds since the epoch.
        ttl: Seconds, ``None`` for ever.
        jitter: Largest share of the ``ttl`` that is taken off.
        nonce: Random hex digits, the draw.
    """
    if ttl is None:
        return None
    drawn = int(nonce, 16) / float(16 ** len(nonce))
    return born + ttl * (1.0 - jitter * drawn)


def is_fresh(entry: CacheEntry, now: float) -> bool:
    """Return whether an entry has not expired."""
    return is_within(entry, 0.0, now)


def is_within(entry: CacheEntry, window: float, now: float) -> bool:
    """Return whether an entry is fresh or expired less than ``window`` seconds ago."""
    return entry.expires is None or now < entry.expires + window


def is_young(entry: CacheEntry, options: CacheOptions, now: float) -> bool:
    """Return whether an entry is younger than a request asks for."""
    return options.max_age is None or entry.age(now) < options.max_age


def longest_window(config: FabricConfig) -> float:
    """Return the seconds after its expiry for which an entry is still of use."""
    return max(config.stale_while_revalidate, config.stale_if_error)
