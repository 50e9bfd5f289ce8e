"""From a question and its neighbors to the figures that the matcher judges by.

Two kinds of figures for each neighbor. Dense ones, the same for every text: how alike the two
texts are in meaning, words, letters and order, what the guard says of them, and what the other
neighbors say. Sparse ones, a number for each word or pair of words that only one text has: what
such a difference means for the answer ("show" for "list", "Boston" for "Denver") is learned.

Hashing of sparse features after Weinberger et al., "Feature Hashing for Large Scale Multitask
Learning" (ICML 2009).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cache_fabric.guard import Evidence, Kind, Verdict, compare
from cache_fabric.matcher.profile import Profile, profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "BUCKETS",
    "NAMES",
    "TRAINED",
    "VECTOR_NAMES",
    "Neighborhood",
    "Rarity",
    "differences",
    "forget",
    "pair_figures",
]

BUCKETS = 1 << 14
_MOST_WORDS = 8
_MOST_COMBINED = 6
_MOST_ORDERED = 40
_PAIR_NAMES = (
    *("terms shared", "weight shared", "weight only ours", "weight only theirs", "rarest ours"),
    *("rarest theirs", "words only ours", "words only theirs", "letters shared", "pairs shared"),
    *("same words", "same words in order", "same question word", "same opening", "same persons"),
    *("length ours", "length theirs", "length ratio", "one for one", "share only ours"),
    *("share only theirs", "ties differ", "ties missing", "out of order", "any out of order"),
)
_GUARD_NAMES = (
    *("allowed", "contradicts", *(str(kind) for kind in Kind)),
    *Evidence._fields,
)
_NEIGHBOR_NAMES = (
    *("similarity", "margin", "near vote", "vote of 8", "wide vote", "vote of all"),
    *("below nearest", "spread", "near center", "base rate", "filled"),
)
TRAINED: tuple[str, ...] = _PAIR_NAMES + _GUARD_NAMES + _NEIGHBOR_NAMES
"""The dense features that weights are trained for, in order."""
NAMES: tuple[str, ...] = (*TRAINED, "verifier")
"""All of them: the last one is the log odds that a verifier gave, 0 where none was asked."""
VECTOR_NAMES = ("similarity", "margin", "below nearest", "spread", "near center")
"""Those whose scale is the embedder's own."""


class Rarity:
    """How rare a word is among the questions of a family: hashed document counts.

    Args:
        counts: uint32 of shape (BUCKETS,).
        texts: How many texts were counted.
    """

    def __init__(self, counts: NDArray[np.uint32] | None = None, texts: int = 0) -> None:
        self.counts = np.zeros(BUCKETS, np.uint32) if counts is None else counts
        self.texts = texts
        self._log = math.log(texts + 2)

    def add(self, text: str) -> None:
        """Count the words of a text."""
        self.texts += 1
        self._log = math.log(self.texts + 2)
        for stem in profile(text).stems:
            self.counts[_bucket(stem)] += 1

    def weight(self, stem: str) -> float:
        """About 0 for a word in every text, 1 for one in none."""
        return 1.0 - math.log(int(self.counts[_bucket(stem)]) + 1) / self._log


def pair_figures(question: str, candidate: str, rarity: Rarity) -> tuple[list[float], Verdict]:
    """Return the dense features of two texts alone, in the order of `TRAINED`, and the verdict."""
    verdict = compare(question, candidate)
    figures = _text_figures(profile(question), profile(candidate), rarity)
    evidence = verdict.evidence
    kinds = {objection.kind for objection in verdict.objections}
    figures += (float(verdict.allowed), float(verdict.contradicts))
    figures += [float(kind in kinds) for kind in Kind]
    figures += map(float, evidence)
    return figures, verdict


def differences(question: str, candidate: str) -> list[int]:
    """Return the buckets of the sparse features: words on one side only, and what replaced what."""
    ours, theirs = profile(question), profile(candidate)
    only_ours = ours.stems - theirs.stems
    only_theirs = theirs.stems - ours.stems
    found = [_bucket("word " + stem) for stem in sorted(only_ours | only_theirs)]
    left = [stem for stem in ours.content if stem in only_ours]
    right = [stem for stem in theirs.content if stem in only_theirs]
    if 0 < len(left) * len(right) <= _MOST_COMBINED:
        alone = "slot" if len(left) == len(right) == 1 else "pair"
        found += [_bucket(" ".join((alone, *sorted((a, b))))) for a in left for b in right]
    return sorted(set(found))


def _text_figures(ours: Profile, theirs: Profile, rarity: Rarity) -> list[float]:
    weight = rarity.weight
    left = [weight(stem) for stem in ours.content if stem not in theirs.ties]
    right = [weight(stem) for stem in theirs.content if stem not in ours.ties]
    both = sum([weight(stem) for stem in ours.content if stem in theirs.ties])
    only_ours, only_theirs = sum(left), sum(right)
    total = only_ours + only_theirs + both or 1.0
    same = not left and not right
    return [
        _jaccard(ours.stems, theirs.stems),
        both / total,
        only_ours,
        only_theirs,
        max(left, default=0.0),
        max(right, default=0.0),
        float(min(len(left), _MOST_WORDS)),
        float(min(len(right), _MOST_WORDS)),
        _jaccard(ours.letters, theirs.letters),
        _jaccard(ours.pairs, theirs.pairs),
        float(same),
        float(ours.content == theirs.content),
        float(ours.asks == theirs.asks),
        float(ours.opening == theirs.opening),
        float(ours.persons == theirs.persons),
        math.log1p(ours.length),
        math.log1p(theirs.length),
        abs(math.log((ours.length + 1) / (theirs.length + 1))),
        float(len(left) == len(right) == 1),
        only_ours / (only_ours + both or 1.0),
        only_theirs / (only_theirs + both or 1.0),
        *_structure(ours, theirs),
    ]


def _structure(ours: Profile, theirs: Profile) -> tuple[float, float, float, float]:
    """Whether shared words hang on other prepositions, and stand in another order."""
    differ = missing = 0
    for stem, tie in ours.ties.items():
        other = theirs.ties.get(stem, tie)
        if tie != other:
            if tie and other:
                differ += 1
            else:
                missing += 1
    places = {stem: at for at, stem in enumerate(theirs.content)}
    order = [places[stem] for stem in ours.content if stem in places][:_MOST_ORDERED]
    swapped = sum([earlier > later for at, later in enumerate(order) for earlier in order[:at]])
    most = len(order) * (len(order) - 1) / 2 or 1.0
    return min(differ, 3.0), min(missing, 3.0), swapped / most, float(swapped > 0)


def _jaccard(ours: frozenset[object], theirs: frozenset[object]) -> float:
    shared = len(ours & theirs)
    union = len(ours) + len(theirs) - shared
    return shared / union if union else 1.0


@lru_cache(maxsize=1 << 16)
def _bucket(feature: str) -> int:
    return zlib.crc32(feature.encode("utf-8", "surrogatepass")) & (BUCKETS - 1)


def forget() -> None:
    """Let go of the words whose buckets are remembered."""
    _bucket.cache_clear()


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """What the neighbors say together.

    Attributes:
        similarities: Of the neighbors, nearest first; shape (n,).
        answers: A number for each neighbor's answer, the same for equal answers; shape (n,).
        centers: Cosine of the question to the center of the questions with that answer, for the
            neighbors that figures are asked for.
        base_rate: Share of questions whose nearest neighbor was right lately.
        wanted: How many neighbors were asked for.
    """

    similarities: Floats
    answers: Sequence[object]
    centers: Sequence[float]
    base_rate: float
    wanted: int

    def figures(self, first: int) -> Floats:
        """Return the features of the first neighbors, in the order of the last of `TRAINED`."""
        s = self.similarities
        first = min(first, len(s))
        number: dict[object, int] = {}
        answers = np.array([number.setdefault(one, len(number)) for one in self.answers])
        same = answers[:first, None] == answers[None, :]
        near, wide = np.exp((s[:8] - s[0]) / 0.05), np.exp((s - s[0]) / 0.1)
        rival = np.where(same.all(axis=1), 0.8 * s[-1], s[same.argmin(axis=1)])
        figures = np.empty((first, len(_NEIGHBOR_NAMES)))
        figures[:, 0] = s[:first]
        figures[:, 1] = s[:first] - rival
        figures[:, 2] = same[:, :8] @ near / near.sum()
        # Neighbors that are not there agree with nobody: one alone is no majority.
        figures[:, 3] = same[:, :8].sum(axis=1) / 8
        figures[:, 4] = same @ wide / wide.sum()
        figures[:, 5] = same.sum(axis=1) / self.wanted
        figures[:, 6] = s[:first] - s[0]
        figures[:, 7] = s[0] - s[min(7, len(s) - 1)]
        figures[:, 8] = self.centers
        figures[:, 9] = self.base_rate
        figures[:, 10] = len(s) / self.wanted
        return figures
