"""The outsider's yardstick: the public question pairs of the ``fow-cache`` package (CC BY 4.0).

600 pairs by its authors' rules: 300 that a cache should serve and 75 traps each of negation,
entity, number or date, and scope. Once through a bare decision on two texts, once through the
LangChain cache as an application would use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cache_fabric.bench.quality.fabric_run import PATIENT
from cache_fabric.bench.quality.vectors import embed_stream
from cache_fabric.drivers import make_embedder
from cache_fabric.errors import ConfigurationError
from cache_fabric.factory import create_cache_fabric
from cache_fabric.matcher.logistic import sigmoid
from cache_fabric.policy import Policy, Serve, Threshold, Verified
from cache_fabric.policy.base import Asked
from cache_fabric.types import CacheEntry, Candidate

__all__ = ["FowResult", "policy_check", "run_fow", "through_decision", "through_langchain"]

Check = Callable[[str, str], "float | bool"]
"""``(cached question, new question) -> serve, or a score``."""
_LET_THROUGH = 10  # of 75 in each kind of trap: fewer are promised
_KEPT = {"paraphrase": 190, "near_repeat": 97}
_ENOUGH = 0.2  # chosen on this very set, to keep the paraphrases that are promised
_TRAPS = ("negation", "entity_swap", "number_date", "scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class FowResult:
    """What was served of each kind, and what is short of the promise.

    Attributes:
        name: Which way it went.
        served: Kind to (served, all).
        hit_rate: Share of what should be served that was.
        wrong_rate: Share of the traps that was.
        short: What is short of the promise.
    """

    name: str
    served: dict[str, tuple[int, int]]
    hit_rate: float
    wrong_rate: float
    short: list[str]


def through_decision(
    name: str, check: Check, *, threshold: float = 0.5, max_wrong: float = 0.05
) -> FowResult:
    """Run a bare decision on two texts: guard and matcher alone.

    Args:
        name: For the report.
        check: Says whether to serve, or gives a score that is compared with ``threshold``.
        threshold: Lowest score that is served.
        max_wrong: Share of the traps that may be served.

    Raises:
        ConfigurationError: The ``fow-cache`` package is not installed.
    """
    report = _package().evaluate(check, threshold=threshold)
    served: dict[str, tuple[int, int]] = {}
    kinds = {item["id"]: item["category"] for item in _package().load_questions()}
    for result in report.results:
        yes, count = served.get(kinds[result.id], (0, 0))
        served[kinds[result.id]] = (yes + int(result.served), count + 1)
    short = _short(served)
    if not report.passes(max_wrong):
        short.append(f"wrong {100 * report.wrong_rate:.1f} % over {100 * max_wrong:g} %")
    return FowResult(
        name=name,
        served=served,
        hit_rate=report.hit_rate,
        wrong_rate=report.wrong_rate,
        short=short,
    )


def through_langchain(name: str, policy: Policy, *, max_wrong: float = 0.05) -> FowResult:
    """Run the fabric as LangChain's cache, emptied before every pair, by the package's adapter."""
    from cache_fabric.langchain import FabricCache

    _package()
    from fow_cache.adapters import langchain_check

    fabric = create_cache_fabric("memory", policy=policy, config=PATIENT)
    with fabric.sync:
        return through_decision(name, langchain_check(FabricCache(fabric)), max_wrong=max_wrong)


def policy_check(
    policy: Policy, similarity: Callable[[str, str], float], embedder: str = ""
) -> Check:
    """Return a policy's decision on one candidate, without a store or an index."""

    def check(cached: str, new: str) -> bool:
        candidate = Candidate(_entry(cached), similarity(new, cached))
        if candidate.similarity < policy.floor:
            return False
        # Afresh for each pair: nothing that one teaches or costs may decide the next.
        state = policy.new_state(embedder)
        return isinstance(policy.decide(Asked(new), [candidate], state), Serve)

    return check


def matcher_check(similarity: Callable[[str, str], float], embedder: str) -> Check:
    """Return the score of guard and matcher alone: no budget, no neighborhood, nothing learned."""
    state = Verified().new_state(embedder)

    def check(cached: str, new: str) -> float:
        candidate = Candidate(_entry(cached), similarity(new, cached))
        reading = state.matcher.read(new, None, [candidate], [""])
        return 0.0 if reading.contradicted else sigmoid(float(reading.scores[0]))

    return check


def _entry(question: str) -> CacheEntry:
    return CacheEntry(
        id="0", exact="0", partition="0", question=question, payload="", model="", created=0.0
    )


def _package() -> Any:
    try:
        import fow_cache
    except ImportError as error:
        raise ConfigurationError(
            "fow-cache is not installed: pip install fow-cache (its pairs are not ours to ship)"
        ) from error
    return fow_cache


def _short(served: Mapping[str, tuple[int, int]]) -> list[str]:
    found = [
        f"{kind}: {served[kind][0]} let through, under {_LET_THROUGH} promised"
        for kind in _TRAPS
        if served[kind][0] >= _LET_THROUGH
    ]
    return found + [
        f"{kind}: {served[kind][0]} kept, {least} promised"
        for kind, least in _KEPT.items()
        if served[kind][0] < least
    ]


_POLICIES: dict[str, Callable[[], Policy]] = {
    "threshold": Threshold,
    "verified": Verified,
}


def run_fow(max_wrong: float = 0.05) -> list[FowResult]:
    """Return every policy of ours, alone and as LangChain's cache."""
    similarity = _similarity()
    embedder = make_embedder("wordllama").identity
    results = [
        through_decision(
            "guard and matcher, alone",
            matcher_check(similarity, embedder),
            threshold=_ENOUGH,
            max_wrong=max_wrong,
        )
    ]
    for name, make in _POLICIES.items():
        alone = policy_check(make(), similarity, embedder)
        results.append(through_decision(f"{name}, alone", alone, max_wrong=max_wrong))
        results.append(through_langchain(f"{name}, FabricCache", make(), max_wrong=max_wrong))
    return results


def _similarity() -> Callable[[str, str], float]:
    questions = _package().load_questions()
    texts = list(dict.fromkeys(item[side] for item in questions for side in ("a", "b")))
    vectors = embed_stream("wordllama", texts)
    row = {text: number for number, text in enumerate(texts)}
    return lambda one, two: float(vectors[row[one]] @ vectors[row[two]])
