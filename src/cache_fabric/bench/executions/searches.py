"""The mix of filters that pages are asked for by; each time with another value."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cache_fabric.bench.executions.runs import CONTEXT, GRAPHS, VERSIONS, order_of, users_of, word

__all__ = ["Case", "Filters", "cases"]

Filters = dict[str, Any]
_COMMON = range(20, 60)
"""Ranks of the words of which each is in one run of four to ten."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of search; ``second`` asks for its second page."""

    name: str
    filters: Callable[[random.Random], Filters]
    second: bool = False


def cases(runs: int, since: float, days: float) -> list[Case]:
    """Return the mix for so many runs that are spread over so many days."""

    def graph(rng: random.Random) -> Filters:
        return {"graph": rng.choice(GRAPHS)}

    def user(rng: random.Random) -> Filters:
        return {"user": f"u{rng.randrange(users_of(runs))}"}

    def when(rng: random.Random) -> Filters:
        start = since + rng.uniform(0, 86_400 * days - 3600)
        return {"since": start, "until": start + 3600}

    def cost(rng: random.Random) -> Filters:
        least = math.exp(-6.5 + rng.uniform(2.0, 3.0))
        return {"min_cost": least, "max_cost": 1.1 * least}

    def version(rng: random.Random) -> Filters:
        return {"context": f"{CONTEXT}@{rng.randrange(1, VERSIONS + 1)}"}

    def common(rng: random.Random) -> Filters:
        return {"text": word(rng.choice(_COMMON))}

    def fixed(**filters: Any) -> Callable[[random.Random], Filters]:
        return lambda _: filters

    def both(*parts: Callable[[random.Random], Filters]) -> Callable[[random.Random], Filters]:
        return lambda rng: {name: value for part in parts for name, value in part(rng).items()}

    def named() -> Iterator[Case]:
        yield Case("newest", fixed())
        yield Case("graph", graph)
        yield Case("graph, second page", graph, second=True)
        yield Case("status and tag", fixed(status="error", tag="vip"))
        yield Case("user", user)
        yield Case("an hour", when)
        yield Case("cost range", cost)
        yield Case("context version", version)
        yield Case("outcome", fixed(outcome="miss"))
        yield Case("score", fixed(max_score=0.2))
        yield Case("text, common word", common)
        yield Case("text, rare word", lambda rng: {"text": order_of(rng.randrange(runs))})
        yield Case("text, word of every prompt", fixed(text="assistant"))
        yield Case("graph, status, common word", both(graph, fixed(status="error"), common))
        yield Case("user, outcome, context version", both(user, fixed(outcome="hit"), version))
        yield Case("tag, an hour, common word", both(fixed(tag="mobile"), when, common))
        yield Case("tag, cost range", both(fixed(tag="beta"), cost))
        yield Case("common word, second page", common, second=True)

    return list(named())
