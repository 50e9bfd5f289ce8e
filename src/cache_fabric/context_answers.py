"""How many kept answers stand on contexts as they are now, and what they cost when they were given.

It is what a change of these contexts makes unfindable, and what asking the models again would cost
if nothing else has changed since.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cache_fabric.context_view import View, is_there
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
        by_key: Of each context that was asked for, but for one whose text another has that was
            not: an answer to this text does not say under which of them it was given.
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
    known, places = _places(view, keys, owner)
    sums, total, read = dict.fromkeys(known, AnswerSum()), AnswerSum(), 0
    if not places:
        return ContextAnswers(by_key=sums, total=total)
    there = 0 if progress is None else await invalidations.count_all()
    async for entry in invalidations.matching(Selector()):
        read += 1
        if progress is not None and read % _STEP == 0:
            progress(read, max(there, read))
        touched = {key for place in entry.contexts for key in places.get(place, ())}
        if not touched or not engine.exact.is_servable(entry):
            continue
        total = total.plus(entry)
        for key in touched:
            sums[key] = sums[key].plus(entry)
    if progress is not None and read:
        progress(read, read)
    return ContextAnswers(by_key=sums, total=total)


def _places(
    view: View, keys: Collection[str], owner: Owner
) -> tuple[list[str], dict[tuple[str, int], list[str]]]:
    """Return the keys of which it can be told, and by what answers name them: path and behaviour.

    It is the path of the first context that has, or had, the text.
    """
    sought = {path: key for key in keys if (path := view.path_of(key, owner)) is not None}
    places: dict[tuple[str, int], list[str]] = {}
    for path, key in sought.items():
        places.setdefault(_place(view, path, owner), []).append(key)
    shared = [
        _place(view, path, owner)
        for path, (head, _) in view.heads.items()
        if path not in sought and is_there(head, time.time())
    ]
    unknown = {key for place in shared for key in places.pop(place, ())}
    return [key for key in keys if key not in unknown], places


def _place(view: View, path: str, owner: Owner) -> tuple[str, int]:
    body = view.heads[path][0].body
    known = view.known(body.value, owner) if isinstance(body.value, str) else None
    return known or (path, body.behaviour)
