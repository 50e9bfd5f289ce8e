"""How many kept answers stand on contexts as they are now, and what they cost when they were given.

It is what a change of these contexts makes unfindable, and what asking the models again would cost
if nothing else has changed since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cache_fabric.engine import Engine
from cache_fabric.invalidation import Invalidations
from cache_fabric.line_files import Progress
from cache_fabric.live_contexts import LiveContexts
from cache_fabric.scopes import Owner
from cache_fabric.selector import Selector
from cache_fabric.types import CacheEntry

__all__ = ["AnswerSum", "ContextAnswers", "count_answers"]

_STEP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSum:
    """Kept answers together.

    Attributes:
        count: How many.
        unpriced: Those of them whose call has no known price.
        micros: What the others cost, in micro-dollars.
    """

    count: int = 0
    unpriced: int = 0
    micros: int = 0

    @property
    def cost(self) -> float | None:
        """Dollars that those with a price cost; ``None`` where none of them has one."""
        return None if self.count and self.count == self.unpriced else self.micros / 1e6

    def plus(self, entry: CacheEntry) -> AnswerSum:
        """Return the sum with one more answer."""
        cost = entry.cost_micros
        return AnswerSum(
            count=self.count + 1,
            unpriced=self.unpriced + (cost is None),
            micros=self.micros + (cost or 0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextAnswers:
    """What stands on some contexts.

    Attributes:
        by_key: Of each context that was asked for.
        total: Of all of them; an answer that stands on two of them is counted once.
    """

    by_key: Mapping[str, AnswerSum]
    total: AnswerSum


async def count_answers(
    engine: Engine,
    invalidations: Invalidations,
    live: LiveContexts,
    keys: Collection[str],
    owner: Owner,
    progress: Progress | None,
) -> ContextAnswers:
    """Read every kept answer once; those that could not be served any more do not count."""
    view = await live.load()
    places: dict[tuple[str, int], str] = {}
    for key in keys:
        path = view.path_of(key, owner)
        if path is not None:
            places[path, view.heads[path][0].body.behaviour] = key
    sums, total, read = dict.fromkeys(keys, AnswerSum()), AnswerSum(), 0
    if not places:
        return ContextAnswers(by_key=sums, total=total)
    there = 0 if progress is None else await invalidations.count_all()
    async for entry in invalidations.matching(Selector()):
        read += 1
        if progress is not None and read % _STEP == 0:
            progress(read, max(there, read))
        touched = {places[place] for place in entry.contexts if place in places}
        if not touched or not engine.exact.is_servable(entry):
            continue
        total = total.plus(entry)
        for key in touched:
            sums[key] = sums[key].plus(entry)
    if progress is not None and read:
        progress(read, read)
    return ContextAnswers(by_key=sums, total=total)
