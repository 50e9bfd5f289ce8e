"""The runs that are tracked: what a support agent of a shop leaves behind, by number.

A run's input is a system prompt of 4 kB (one of 20 versions, in words that no run has) and a
question of its own; its output is an answer of its own. Words follow a Zipf law over 5,000 made-up
ones, and each question names an order number that no other has. Half of the runs were served from
the cache, and all say what a host writes down of a lookup.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import msgspec

__all__ = ["CONTEXT", "GRAPHS", "TAGS", "VERSIONS", "Run", "order_of", "run_of", "users_of", "word"]

GRAPHS = ("support", "orders", "returns", "search", "billing")
TAGS = {"production": 0.9, "mobile": 0.4, "vip": 0.05, "beta": 0.01}
CONTEXT = "router:support:system_prompt"
VERSIONS = 20
_RUNS_OF_A_USER = 50
_WORDS = 5_000
_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo")
_WEIGHTS = list(accumulate(1 / rank for rank in range(1, _WORDS + 1)))
_FAILED = 0.03


@dataclass(frozen=True, slots=True)
class Run:
    """What `track_soon` is given."""

    execution_id: str
    graph_name: str
    state: Mapping[str, Any]
    tags: tuple[str, ...]
    user: str

    def line(self, at: float) -> bytes:
        """Return the line of a file of executions that says the same."""
        said = {"format": "cache-fabric/execution/1", "at": at, **asdict(self)}
        return msgspec.json.encode(said) + b"\n"


def word(rank: int, ending: str = "x") -> str:
    """Return a made-up word; the lower its rank (from 0), the more common."""
    syllables = []
    while True:
        rank, last = divmod(rank, len(_SYLLABLES))
        syllables.append(_SYLLABLES[last])
        if not rank:
            return "".join(syllables) + ending


def _words_of(rng: random.Random, count: int, ending: str = "x") -> str:
    """Return words drawn by Zipf's law."""
    draws = (bisect(_WEIGHTS, rng.random() * _WEIGHTS[-1]) for _ in range(count))
    return " ".join(word(rank, ending) for rank in draws)


def users_of(runs: int) -> int:
    """Return how many users make so many runs."""
    return max(1, runs // _RUNS_OF_A_USER)


def order_of(number: int) -> str:
    """Return the order number that only this run names."""
    return f"{number * 7919 % 10_000_019:07d}"


def run_of(number: int, runs: int) -> Run:
    """Return one of so many runs."""
    rng = random.Random(number)  # noqa: S311 - a reproducible run, not a secret
    version = 1 + rng.randrange(VERSIONS)
    failed = rng.random() < _FAILED
    question = f"{_words_of(rng, 11)} order {order_of(number)}?"
    tokens = rng.randrange(20, 400)
    return Run(
        execution_id=_hex(rng, 16),
        graph_name=rng.choice(GRAPHS),
        state={
            "status": "error" if failed else "success",
            "agent": "router",
            "conversation": f"c{number // 5}",
            "input": [
                {"role": "system", "content": _PROMPTS[version - 1]},
                {"role": "user", "content": question},
            ],
            "output": None if failed else _words_of(rng, 45),
            **({"error": f"TimeoutError: {_words_of(rng, 6)}"} if failed else {}),
            "seconds": round(rng.lognormvariate(0.3, 0.8), 3),
            "tokens": {"prompt": 1100, "completion": tokens, "total": 1100 + tokens},
            "cost": round(rng.lognormvariate(-6.5, 1.0), 6),
            "contexts": [{"key": CONTEXT, "version": version}],
            "cache": _lookup(rng),
        },
        tags=tuple(tag for tag, share in TAGS.items() if rng.random() < share),
        user=f"u{rng.randrange(users_of(runs))}",
    )


def _lookup(rng: random.Random) -> dict[str, Any]:
    """Return what a host writes down of a lookup; see `provenance`."""
    exact, hit = _hex(rng, 32), rng.random() < 0.5
    told = {
        "entry_id": f"{exact}.{_hex(rng, 8)}",
        "exact": exact,
        "family": hashlib.sha256(b"%d" % rng.randrange(50)).hexdigest(),
        "lookup_id": _hex(rng, 8),
    }
    if not hit:
        return {"outcome": "miss", "reason": "no_candidate", **told}
    return {
        "outcome": "hit",
        "tier": rng.choice(("hot", "exact", "semantic")),
        "similarity": round(rng.uniform(0.9, 1), 4),
        "probability": round(rng.uniform(0.95, 1), 4),
        "stale": False,
        **told,
        "saved_cost": round(rng.lognormvariate(-6.5, 1.0), 6),
        "saved_tokens": 1300,
    }


def _hex(rng: random.Random, size: int) -> str:
    return rng.randbytes(size).hex()


def _prompt(version: int) -> str:
    rng = random.Random(f"prompt {version}")  # noqa: S311
    text = f"You are the shop's assistant, version {version}. " + _words_of(rng, 900, "q")
    return text[:4096]


_PROMPTS = [_prompt(version) for version in range(1, VERSIONS + 1)]
