"""What eviction saves at a tenth of the capacity needed, beside LRU, FIFO, LFU and GDSF.

The streams have texts and classes but no answers, so each class gets one: its length is drawn from
a log-normal law (median 150 tokens, sigma 1, at most 4,000), seeded by the class. The call costs
500 prompt tokens and that answer at a small model's prices, the entry takes the envelope, the
question and eight bytes a token. With equal costs and sizes only frequency and recency are left.

Hits are counted by text (exact repeats alone) and by class (what a perfect semantic tier would
reuse). Capacity needed is what all distinct entries of a stream take together, in bytes or, with
sizes of 1, in entries. ``turned over`` is the hard case for whatever remembers: half way, all
texts are replaced by others at once; capacity is a tenth of what one half needs.
"""

from __future__ import annotations

import gzip
import json
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cache_fabric.bench.eviction_policies import POLICIES
from cache_fabric.errors import ConfigurationError
from cache_fabric.eviction import Item

__all__ = ["Case", "EvictionRow", "eviction"]

STREAMS = ("qqp_zipf", "dbqa_zipf", "assistant_zipf")
SHARE = 0.1
_SEEDS = (1, 2, 3)
_MEDIAN_TOKENS, _SIGMA, _MOST_TOKENS = 150, 1.0, 4000
_PROMPT_TOKENS = 500
_MICROS_IN, _MICROS_OUT = 0.15, 0.60  # a token, at a small model's prices of 2025
_ENVELOPE = 550  # bytes of a stored entry without its texts, measured
_BYTES_PER_TOKEN = 8  # four in the payload, four in the text beside it
_QUESTION = 50  # bytes of a class's question, whichever of its texts came first

By = Literal["text", "class"]
Costs = Literal["drawn", "equal"]
Bound = Literal["bytes", "count"]
_BY: tuple[By, ...] = ("text", "class")
_COSTS_AND_BOUNDS: tuple[tuple[Costs, Bound], ...] = (
    ("drawn", "bytes"),
    ("drawn", "count"),
    ("equal", "count"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What was simulated; ``by`` is what hits are counted by."""

    stream: str
    by: By
    costs: Costs
    bound: Bound
    turned_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionRow:
    """One policy in one case.

    Attributes:
        saved: Cost of the hits in percent of the cost of all requests, mean over the seeds.
        gain: How much more that is than LRU's, in percent of LRU's, mean over the seeds.
        worst: The least gain of all seeds.
    """

    case: Case
    policy: str
    saved: float
    gain: float
    worst: float


def eviction(data: Path) -> list[EvictionRow]:
    """Measure every policy on every stream of a folder, or of its ``open`` folder.

    Raises:
        ConfigurationError: The folder lacks a stream, or a line of it cannot be read.
    """
    rows: list[EvictionRow] = []
    folder = data / "open" if (data / "open").is_dir() else data
    for name in STREAMS:
        asked = _read(folder / f"stream_{name}.jsonl.gz")
        for case in _cases(name):
            rows += _measure(asked, case)
    return rows


def _cases(stream: str) -> Iterator[Case]:
    for turned_over in (False, True):
        for by in _BY:
            for costs, bound in _COSTS_AND_BOUNDS:
                yield Case(stream, by, costs, bound, turned_over)


def _measure(asked: Sequence[tuple[str, str]], case: Case) -> Iterator[EvictionRow]:
    seeds = _SEEDS if case.costs == "drawn" else _SEEDS[:1]
    streams = [_items(asked, case, seed) for seed in seeds]
    saved = {
        policy: [_saved(stream, policy, case.turned_over) for stream in streams]
        for policy in POLICIES
    }
    base = saved[next(iter(POLICIES))]
    for policy, shares in saved.items():
        gains = [100 * (mine / theirs - 1) for mine, theirs in zip(shares, base, strict=True)]
        yield EvictionRow(
            case=case,
            policy=policy,
            saved=100 * statistics.mean(shares),
            gain=statistics.mean(gains),
            worst=min(gains),
        )


def _saved(stream: Sequence[Item], policy: str, turned_over: bool) -> float:
    needed = sum({item.key: item.size for item in stream}.values())
    capacity = SHARE * needed / (2 if turned_over else 1)
    cache = POLICIES[policy](int(capacity))
    hits = sum(item.cost for item in stream if cache.request(item))
    return hits / sum(item.cost for item in stream)


def _items(asked: Sequence[tuple[str, str]], case: Case, seed: int) -> list[Item]:
    half = len(asked) // 2
    items: list[Item] = []
    for number, (text, group) in enumerate(asked):
        later = "later|" if case.turned_over and number >= half else ""
        key = later + (text if case.by == "text" else group)
        tokens = _tokens(later + group, seed)
        if case.costs == "equal":
            items.append(Item(key, 1, 1.0))
            continue
        cost = _PROMPT_TOKENS * _MICROS_IN + tokens * _MICROS_OUT
        question = len(text) if case.by == "text" else _QUESTION
        size = _ENVELOPE + question + _BYTES_PER_TOKEN * tokens if case.bound == "bytes" else 1
        items.append(Item(key, size, cost))
    return items


def _tokens(group: str, seed: int) -> int:
    rng = random.Random(f"{seed}|{group}")  # noqa: S311 - a reproducible length, not a secret
    drawn = rng.lognormvariate(math.log(_MEDIAN_TOKENS), _SIGMA)
    return max(1, min(_MOST_TOKENS, round(drawn)))


def _read(path: Path) -> list[tuple[str, str]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return [
            (f"{row.get('scope')}|{row['text']}", f"{row.get('scope')}|{row['class']}")
            for row in rows
        ]
    except OSError as error:
        raise ConfigurationError(f"data: {path.name} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"data: {path.name}: expected text and class a line") from error
