"""Who takes part: our policies and the baselines, each as decisions over one stream."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cache_fabric.bench.quality.fabric_run import run_fabric
from cache_fabric.bench.quality.gptcache_run import gptcache_absent, run_gptcache
from cache_fabric.bench.quality.simulated import (
    Insertion,
    Judge,
    StaticThreshold,
    VCache,
    judge,
    replay,
)
from cache_fabric.bench.quality.vectors import embed_stream
from cache_fabric.policy import ExactOnly, Policy, Threshold, Verified

if TYPE_CHECKING:
    from cache_fabric.bench.quality.streams import Stream
    from cache_fabric.embedders.base import Matrix

__all__ = ["CONTENDERS", "Contender", "Entered", "Round"]

STATIC_THRESHOLDS = tuple(percent / 100 for percent in range(80, 100))


@dataclass(frozen=True, slots=True)
class Round:
    """What one run of a contender gets.

    Attributes:
        vectors: Unit vectors of the stream's texts by the embedder of this name.
        deltas: Budgets to run at; empty for a contender that knows none.
        flip: Share of the verdicts it learns from that are wrong.
        tick: Is told of every row done.
    """

    stream: Stream
    vectors: Matrix
    embedder: str
    deltas: Sequence[float]
    flip: float
    seed: int
    tick: Callable[[int], None]

    def judge(self) -> Judge:
        """The comparison of answers to learn from."""
        return judge(self.flip, self.seed)


@dataclass(frozen=True, slots=True)
class Entered:
    """Decisions of one variant of a contender (a threshold, a budget)."""

    variant: str
    delta: float | None
    decisions: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to decide.

    Attributes:
        about: What it is, in words for the report.
        run: Runs it over a round.
        budgets: ``"none"``: it knows no budget and learns nothing, one run serves every budget;
            ``"together"``: all budgets in one pass; ``"each"``: one run a budget.
        absent: Returns why it cannot run here, or ``None``.
    """

    about: str
    run: Callable[[Round], Iterator[Entered]]
    budgets: Literal["none", "together", "each"] = "none"
    absent: Callable[[], str | None] = lambda: None


Make = Callable[[float, Judge, int], Policy]
"""``(budget, comparison of answers to learn from, seed) -> policy``"""


def _fabric(make: Make, given: Round) -> Iterator[Entered]:
    for delta in given.deltas or (None,):
        policy = make(delta or 0.0, given.judge(), given.seed)
        decisions = run_fabric(
            given.stream, given.vectors, policy, embedder=given.embedder, tick=given.tick
        )
        yield Entered("", delta, decisions)


def _static(given: Round) -> Iterator[Entered]:
    return _sweep(given, given.vectors, given.stream.scopes)


def _whole_prompt(given: Round) -> Iterator[Entered]:
    """LangChain's semantic caches embed the dumped messages, and know nothing of a tenant."""
    prompts = [_dumped(text) for text in given.stream.texts]
    return _sweep(given, embed_stream(given.embedder, prompts), [None] * len(prompts))


def _sweep(given: Round, vectors: Matrix, scopes: Sequence[str | None]) -> Iterator[Entered]:
    caches = [StaticThreshold(least, len(scopes)) for least in STATIC_THRESHOLDS]
    decided = replay(caches, vectors, scopes, given.tick)
    for least, decisions in zip(STATIC_THRESHOLDS, decided, strict=True):
        yield Entered(f"{least:.2f}", None, decisions)


def _dumped(text: str) -> str:
    """What ``langchain_core.load.dumps([HumanMessage(text)])`` writes (langchain-core 1.7)."""
    message = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "HumanMessage"],
        "kwargs": {"content": text, "type": "human"},
    }
    return json.dumps([message])


def _vcache(insertion: Insertion, given: Round) -> Iterator[Entered]:
    caches = [
        VCache(given.stream, delta, insertion, given.judge(), given.seed) for delta in given.deltas
    ]
    decided = replay(caches, given.vectors, given.stream.scopes, given.tick)
    for delta, decisions in zip(given.deltas, decided, strict=True):
        yield Entered("", delta, decisions)


def _gptcache(given: Round) -> Iterator[Entered]:
    yield Entered("", None, run_gptcache(given.stream.texts, given.vectors, given.tick))


def _policy(make: Make) -> Callable[[Round], Iterator[Entered]]:
    """Run a policy through the fabric's public API."""
    return functools.partial(_fabric, make)


CONTENDERS: dict[str, Contender] = {
    "exact": Contender("the fabric, exact repeats only", _policy(lambda *_: ExactOnly())),
    "threshold": Contender(
        "the fabric, Threshold() and the guard", _policy(lambda *_: Threshold())
    ),
    "verified": Contender(
        "the fabric, Verified at each budget",
        _policy(lambda delta, same, seed: Verified(max_error=delta, same_answer=same, seed=seed)),
        "each",
    ),
    "static": Contender("bare embedding, best fixed threshold in hindsight", _static),
    "langchain": Contender(
        "dumped prompt embedded as LangChain's semantic caches do, best threshold in hindsight",
        _whole_prompt,
    ),
    "vcache": Contender(
        "vCache's rule, inserts misses judged different",
        functools.partial(_vcache, "judged different"),
        "together",
    ),
    "vcache-all": Contender(
        "vCache's rule, inserts every request",
        functools.partial(_vcache, "every request"),
        "together",
    ),
    "gptcache": Contender(
        "GPTCache at its defaults, over the same embedding", _gptcache, absent=gptcache_absent
    ),
}
