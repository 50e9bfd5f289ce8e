"""What a learning policy knows of one partition family, and its rule.

A family is a task: requests that differ only in whose they are and in what was said before. It
decides, and it learns from the misses. Not safe for several threads at once.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from cache_fabric.matcher.matcher import Matcher, Reading
from cache_fabric.matcher.weights import Weights
from cache_fabric.policy.audit import Audit
from cache_fabric.policy.base import Asked, Decision, Refuse, Serve
from cache_fabric.policy.budget import Budget
from cache_fabric.policy.calibration import Calibration
from cache_fabric.types import CacheEntry, Candidate

__all__ = ["Family", "Judgment", "Lesson", "answer_digest", "is_explored"]

_REMEMBERED = 10_000
_HEAVIEST = 10.0
"""A sampled label stands for at most so many others: more would make one draw decide."""
_REPEAT_CHANCE = 0.3
_MOST_REASKED = 0.5
_LOYALTY = 2.0
_EVIDENT_SIMILARITY = 0.8
_EVIDENT_RISK = 0.04
"""`Threshold` serves just such neighbors. Of these hits 1.2 to 3.3 % are wrong on the open streams;
on the tweets, where there are hardly any, 7 %. A new family goes by that until it has a price, or
one of them was wrong."""
_REASKED_REPEATS = 0.003
_FEWEST_REPEATS = 200
_LOWEST_PRICE = 1e-3
_HOPELESS = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Judgment:
    """A decision that may get a label.

    Attributes:
        asked: The question.
        reading: The neighbors, scored; ``None`` where there were none.
        probability: That the best neighbor's answer is right.
        stated: The risk that it is wrong, before the audit's correction.
        risk: After it.
        wanted: Whether the risk was worth its price.
        chance: With what probability this would-be hit was asked anew, 0 for one that the budget
            did not admit.
    """

    asked: Asked
    reading: Reading | None = None
    probability: float = 0.0
    stated: float = 1.0
    risk: float = 1.0
    wanted: bool = False
    chance: float = 0.0


def is_explored(judged: object) -> bool:
    """Return whether an answer would have been served, but was asked anew as a sample."""
    return isinstance(judged, Judgment) and judged.chance > 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the label of a best candidate said.

    Attributes:
        probability: That its answer is right, as it was stated.
        similarity: Of its question.
        right: The label.
        weight: How many served answers it stands for; 0 if it would not have been served.
        drifted: Whether it made the policy tighten.
    """

    probability: float
    similarity: float
    right: bool
    weight: float
    drifted: bool


class Family:
    """The state of one family.

    Args:
        weights: The matcher's prior.
        budget: The account.
        reask: Share of would-be hits that are asked anew.
        seed: Of the draws.
    """

    def __init__(self, weights: Weights, budget: Budget, *, reask: float, seed: int) -> None:
        self.matcher = Matcher(weights)
        self.budget = budget
        self.calibration = Calibration()
        self.audit = Audit()
        self._reask = reask
        self._random = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._served: OrderedDict[str, int] = OrderedDict()
        self._repeats = 0
        self._reasked_repeats = 0

    def count(self) -> None:
        """Take note of a request that needed no judgment."""
        self.budget.requests += 1

    def decide(self, asked: Asked, candidates: Sequence[Candidate]) -> Decision:
        """Serve the most probable answer if its risk fits the budget."""
        if not asked.again:
            self.budget.requests += 1
        judged = self._judge(asked, candidates)
        if judged.reading is None:
            return Refuse("no neighbor", judged=judged)
        best = judged.reading.candidates[judged.reading.best]
        said = f"right with {judged.probability:.1%}, risk {judged.risk:.1%}"
        if judged.reading.moved:
            reason = "guard: order"
        elif judged.reading.contradicted:
            reason = f"guard: {_kinds(judged.reading)}"
        elif not judged.wanted:
            reason = f"{said} over the price of {max(self.budget.price, 0.0):.1%}"
        elif not self.budget.affords(judged.risk):
            reason = f"{said}, the error budget is used up"
        elif self._random.random() < judged.chance:
            self._reasked_repeats += self._served.pop(asked.exact, 0) > 0
            reason = f"{said}, asked anew as a sample"
        else:
            self._remember(asked.exact)
            self.budget.spend(judged.risk)
            return Serve(best, f"{said} within the budget", judged.probability, judged)
        return Refuse(reason, best, judged.probability, judged)

    def doubtful(self, asked: Asked, candidates: Sequence[Candidate]) -> Candidate | None:
        """Return the best candidate where a verifier could tip the scales, and change nothing."""
        ranked = _ranked(candidates)
        if not ranked:
            return None
        reading, _, stated = self._read(asked, ranked)
        doubted = self.budget.price < stated * self.audit.factor < _HOPELESS
        return reading.candidates[reading.best] if doubted and not reading.contradicted else None

    def learn(self, judged: Judgment, labels: Sequence[bool | None], answer: str) -> Lesson | None:
        """Take in the fresh answer to a refused question.

        Args:
            judged: The refusal's judgment.
            labels: Whether the answer of each candidate of the reading was right, ``None`` where
                nobody can say.
            answer: Digest of the fresh answer, which is kept.

        Returns:
            What the label of the best candidate said, ``None`` where it has none.
        """
        lesson = None
        if judged.reading is not None:
            right = labels[judged.reading.best]
            lesson = None if right is None else self._learn_best(judged, judged.reading, right)
            self.matcher.learn(judged.reading, labels, _weight(judged))
        self.matcher.keep(judged.asked.question, judged.asked.vector, answer)
        return lesson

    def hear(self, asked: Asked, candidate: Candidate, right: bool) -> None:
        """Take in what people say of an answer that was served.

        They speak of hits that they choose to speak of, which is no sample: the estimate of the
        audit and its bet on drift take no notice, and neither does the base rate. The pair is a
        label for the matcher and the map like that of any miss. A complaint counts among the wrong
        answers that correct the stated risks as well, praise does not: those who are content do not
        outweigh the audit.
        """
        reading, _, stated = self._read(asked, [candidate])
        self.matcher.hear(reading, right)
        self.calibration.learn(float(reading.scores[reading.best]), right, 1.0)
        if not right:
            self.audit.see(stated, stated, right, 0.0)

    def _judge(self, asked: Asked, candidates: Sequence[Candidate]) -> Judgment:
        ranked = _ranked(candidates)
        if not ranked:
            return Judgment(asked)
        reading, probability, stated = self._read(asked, ranked)
        risk = min(1.0, stated * self.audit.factor)
        self.budget.see(risk)
        # The price moves all the time; an answer that was served is not let go for a trifle.
        loyalty = _LOYALTY if asked.exact in self._served else 1.0
        vetoed = reading.contradicted or reading.moved
        wanted = not vetoed and risk <= loyalty * self.budget.price
        served = wanted and self.budget.affords(risk)
        chance = self._chance(asked.exact, risk) if served else 0.0
        return Judgment(asked, reading, probability, stated, risk, wanted, chance)

    def _read(self, asked: Asked, ranked: Sequence[Candidate]) -> tuple[Reading, float, float]:
        answers = [answer_digest(one.entry) for one in ranked]
        reading = self.matcher.read(asked.question, asked.vector, ranked, answers, asked.verified)
        probability, stated = self.calibration.judge(float(reading.scores[reading.best]))
        if self.budget.is_new and not self.audit.found and _is_evident(reading):
            stated = min(stated, _EVIDENT_RISK)
        return reading, probability, stated

    def _learn_best(self, judged: Judgment, reading: Reading, right: bool) -> Lesson:
        drifted = judged.wanted and self.audit.see(judged.stated, judged.risk, right, judged.chance)
        self.calibration.learn(float(reading.scores[reading.best]), right, _weight(judged))
        if drifted:
            self.calibration.doubt()
        return Lesson(
            judged.probability,
            reading.candidates[reading.best].similarity,
            right,
            1.0 / judged.chance if judged.chance else 0.0,
            drifted,
        )

    def _chance(self, exact: str, risk: float) -> float:
        """How probably to ask anew: more where a wrong answer would be repeated most often.

        A question that was served by meaning and comes again is likely to come once more; asked
        anew it is answered exactly from then on. Few of the repeats may be spent on that.
        """
        times = self._served.get(exact, 0)
        if not times:
            return self._reask
        self._repeats += 1
        repeats = self.budget.requests - self.budget.judged + self._repeats
        if self._reasked_repeats >= _REASKED_REPEATS * max(repeats, _FEWEST_REPEATS):
            return 0.0
        price = max(self.budget.price, _LOWEST_PRICE)
        return min(_MOST_REASKED, max(self._reask, _REPEAT_CHANCE * times * risk / price))

    def _remember(self, exact: str) -> None:
        self._served[exact] = self._served.pop(exact, 0) + 1
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)


def _ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    return sorted(
        (one for one in candidates if one.entry.question is not None),
        key=lambda one: one.similarity,
        reverse=True,
    )


def _is_evident(reading: Reading) -> bool:
    """Whether nothing at all speaks against the best neighbor, by the guard's strict reading."""
    near = reading.candidates[reading.best].similarity >= _EVIDENT_SIMILARITY
    return near and reading.verdicts[reading.best].allowed


def _kinds(reading: Reading) -> str:
    objections = reading.verdicts[reading.best].objections
    against = dict.fromkeys(str(one.kind) for one in objections if one.contradicts)
    return ", ".join(against) or "far below the nearest"


def _weight(judged: Judgment) -> float:
    return min(1.0 / judged.chance, _HEAVIEST) if judged.chance else 1.0


def answer_digest(entry: CacheEntry) -> str:
    """Return a short name of an entry's answer, the same for equal answers of one partition."""
    said = " ".join(entry.text.casefold().split()) or entry.exact
    whole = f"{entry.partition}\n{said}".encode("utf-8", "surrogatepass")
    return blake2b(whole, digest_size=8).hexdigest()
