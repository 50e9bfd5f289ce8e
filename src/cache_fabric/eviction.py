"""Which answers are kept when not all can be: those that save most a byte.

Each entry is worth ``frequency x cost / size``: how often it was asked for lately, what the model
call cost, the bytes it takes. When a newcomer does not fit, the entries worth least leave, if they
are worth no more than the newcomer; else the newcomer is not admitted and nothing changes.

* ``cost / size`` is GreedyDual-Size-Frequency (Cherkasova 1998). Its ageing, an inflation of
  newcomers, is not used: it forgets an entry's count with the entry, and most answers of a small
  cache are evicted between two requests.
* The frequency outlives the entry (`FrequencySketch`) and decides on admission, as in TinyLFU
  (Einziger et al. 2017). Of equals the newer one stays. W-TinyLFU's window for newcomers is left
  out: the hot tier and the flights already serve who asks again at once.
* FIFO, which SOLAR (arXiv 2607.00394) found ahead of LRU and LFU on agents' memory, is behind or
  level with LRU on every stream here.
* An estimate from idle times over sampled entries, the idea of LHD (Beckmann et al. 2018), was
  tried: it moved the gain over LRU by -1.1 to +1.4 points on the Zipf streams, and by +1 to +3
  where all texts change at once. That is not worth its sampling. LRB learns from more traffic than
  one application has. ``cache-fabric bench eviction`` measures this policy beside simpler ones.

Logarithms are compared, so that neither counts nor prices overflow. Pure; all state is bounded by
what is kept and by the sketch.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass

from cache_fabric.frequency import FrequencySketch

__all__ = ["Bounds", "Eviction", "Item", "Verdict"]

_SLACK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Most entries and bytes of all together, and of each tenant; ``None`` is no bound."""

    max_entries: int | None = None
    max_bytes: int | None = None
    tenant_max_entries: int | None = None
    tenant_max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One answer, as eviction sees it.

    Attributes:
        size: Bytes, above 0.
        cost: What the model call cost, above 0, in any unit that is the same for all.
        tenant: Whose bounds it counts against; ``None`` counts against the common ones alone.
        model: Only carried, for who reports the eviction.
    """

    key: str
    size: int
    cost: float
    tenant: str | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the newcomer is kept, and what leaves (an older answer of its key, if refused)."""

    admitted: bool
    evicted: tuple[Item, ...] = ()


class Eviction:
    """Keeps count of what is kept, within bounds, and says what has to leave.

    A tenant at its own bound displaces only its own entries, so while the tenants' bounds add up
    to no more than the common one, no tenant can displace another's.

    Args:
        bounds: Hold after every call.
        seed: Of the sketch's hash; everything else is deterministic.
    """

    def __init__(self, bounds: Bounds, seed: int = 0) -> None:
        self._bounds = bounds
        self._sketch = FrequencySketch(seed)
        self._clock = 0
        self.clear()

    def used(self, key: str) -> None:
        """Count a request that was served from the cache."""
        count = self._sketch.add(key, len(self._kept))
        kept = self._kept.get(key)
        if kept is not None:
            kept.priority = max(kept.priority, count + kept.density)

    def admit(self, item: Item) -> Verdict:
        """Count the request that ended in this answer, and decide who stays."""
        count = self._sketch.add(item.key, len(self._kept))
        older = self._kept.get(item.key)
        if older is not None:
            self._drop(older)
        self._clock += 1
        new = _Kept(item, math.log(item.cost / item.size), self._clock)
        new.priority = count + new.density
        shares = self._shares_of(item.tenant)
        victims: list[_Kept] = []
        if not all(self._make_room(share, new, victims) for share in shares):
            for victim in victims:
                self._add(victim)
            return Verdict(False, () if older is None else (older.item,))
        self._add(new)
        return Verdict(True, tuple(victim.item for victim in victims))

    def forget(self, keys: Iterable[str]) -> None:
        """Take out what is no longer stored; unknown keys are fine."""
        for key in keys:
            kept = self._kept.get(key)
            if kept is not None:
                self._drop(kept)

    def clear(self) -> None:
        """Take everything out; how often keys were asked for is remembered."""
        self._kept: dict[str, _Kept] = {}
        self._all = _Share(self._bounds.max_entries, self._bounds.max_bytes)
        self._tenants: dict[str, _Share] = {}

    def size_of(self, key: str) -> int | None:
        """Bytes of a kept entry, ``None`` for an unknown key."""
        kept = self._kept.get(key)
        return None if kept is None else kept.item.size

    def keys(self) -> list[str]:
        """All keys that are kept."""
        return list(self._kept)

    @property
    def entries(self) -> int:
        """How many entries are kept."""
        return self._all.entries

    @property
    def bytes(self) -> int:
        """Their bytes."""
        return self._all.bytes

    @property
    def state_items(self) -> int:
        """Records held in memory; at most a constant times `entries`, plus one."""
        shares = [self._all, *self._tenants.values()]
        return len(self._kept) + sum(len(share.heap) for share in shares)

    def _make_room(self, share: _Share, new: _Kept, victims: list[_Kept]) -> bool:
        if not share.could_hold(new.item.size):
            return False
        while not share.fits(new.item.size):
            least = share.least()
            if least.priority > new.priority:
                return False
            self._drop(least)
            victims.append(least)
        return True

    def _shares_of(self, tenant: str | None) -> list[_Share]:
        bounds = (self._bounds.tenant_max_entries, self._bounds.tenant_max_bytes)
        if tenant is None or bounds == (None, None):
            return [self._all]
        return [self._tenants.get(tenant) or _Share(*bounds), self._all]

    def _add(self, kept: _Kept) -> None:
        kept.gone = False
        self._kept[kept.item.key] = kept
        shares = self._shares_of(kept.item.tenant)
        if len(shares) > 1 and kept.item.tenant is not None:
            self._tenants[kept.item.tenant] = shares[0]
        for share in shares:
            share.add(kept)

    def _drop(self, kept: _Kept) -> None:
        kept.gone = True
        del self._kept[kept.item.key]
        for share in self._shares_of(kept.item.tenant):
            share.drop(kept)
            if share is not self._all and not share.entries and kept.item.tenant is not None:
                del self._tenants[kept.item.tenant]


class _Kept:
    """One entry that is kept; ``priority`` only ever grows."""

    __slots__ = ("born", "density", "gone", "item", "priority")

    def __init__(self, item: Item, density: float, born: int) -> None:
        self.item = item
        self.density = density
        self.born = born
        self.priority = 0.0
        self.gone = False


class _Share:
    """What counts against one pair of bounds, least worth first.

    A priority in the heap is the one its entry had when it was put there. It may have grown since,
    so the top is put back with its present one until it is up to date: a hit costs no sorting.
    """

    def __init__(self, max_entries: int | None, max_bytes: int | None) -> None:
        self._max_entries = math.inf if max_entries is None else max_entries
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self.entries = 0
        self.bytes = 0
        self.heap: list[tuple[float, int, _Kept]] = []

    def could_hold(self, size: int) -> bool:
        return size <= self._max_bytes

    def fits(self, size: int) -> bool:
        return self.entries < self._max_entries and self.bytes + size <= self._max_bytes

    def add(self, kept: _Kept) -> None:
        self.entries += 1
        self.bytes += kept.item.size
        heapq.heappush(self.heap, (kept.priority, kept.born, kept))
        self._sweep()

    def drop(self, kept: _Kept) -> None:
        self.entries -= 1
        self.bytes -= kept.item.size
        self._sweep()

    def least(self) -> _Kept:
        """The entry worth least; there must be one."""
        while True:
            priority, born, kept = self.heap[0]
            if kept.gone:
                heapq.heappop(self.heap)
            elif kept.priority > priority:
                heapq.heapreplace(self.heap, (kept.priority, born, kept))
            else:
                return kept

    def _sweep(self) -> None:
        if len(self.heap) > 2 * self.entries + _SLACK:
            live = {kept.born: kept for _, _, kept in self.heap if not kept.gone}
            self.heap = [(kept.priority, born, kept) for born, kept in live.items()]
            heapq.heapify(self.heap)
