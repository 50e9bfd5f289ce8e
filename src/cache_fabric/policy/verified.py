"""The policy that serves within a budget of wrong answers, and learns from every miss.

The method, in the order of a decision:

1. The nearest k entries of the partition are compared with the question: `guard` says what tells
   the texts apart, `matcher.features` turns that, the similarities and the agreement of the
   neighbors' answers into figures. What the guard contradicts is not served, whatever follows.
2. `matcher.logistic` turns the figures into log odds that a neighbor's answer is right. It starts
   from shipped weights, so there is no cold start, and learns: a refused question is answered by
   the model, and the fresh answer against those of the k neighbors is k labels that cost nothing.
   Evidence is pooled over all entries of a partition family.
3. `policy.calibration` maps the best neighbor's log odds to a probability, and to a risk on the
   safe side of it. The risk is multiplied by what `policy.audit` found it to be worth.
   Until a new family has a price it goes by what the strict guard lets pass, whose risk is known.
4. `policy.budget` serves the answer if the risk is worth its price and the account holds.
5. A small share of would-be hits is asked anew by chance (a miss): what it shows keeps the risk
   honest where no other label comes from, and finds drift, at which the policy tightens.

What is guaranteed, for each partition family by itself: with probability ``1 - alpha``, at no
moment more than ``3 + max_error * n`` of n requests have been answered wrongly, **if no stated risk
is below the true probability** given what was known before. That assumption is not a theorem: the
risk is estimated, and the audit tests it all the time and corrects it, with the delay of a sample.
What is measured is in the README. Not covered: labels that are wrong themselves (an unsteady
model), and answers that were right once and are not any more.

Sources: vCache (arXiv 2502.03771) for the aim and the labels; the pooled score with a risk
controlled threshold is our own combination of published parts, which the modules name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cache_fabric.errors import ConfigurationError
from cache_fabric.matcher.weights import prior_for
from cache_fabric.policy.base import Asked, Decision
from cache_fabric.policy.budget import Budget
from cache_fabric.policy.family import Family
from cache_fabric.types import Candidate

__all__ = ["Verified"]

_HITS_PER_ERROR = 4.5
_LARGEST_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Serves as many answers by meaning as fit a budget of wrong ones.

    Args:
        max_error: Share of all requests that may be answered wrongly, above 0 and below 0.5.
        wrong_share: Share of the hits that may be wrong, above 0 and at most 0.5; 4.5 times
            ``max_error`` when not given.
        reask: Share of would-be hits that the model is asked anew, from 0 to 0.5.
        alpha: Probability with which the bound may fail, above 0 and below 1.
        same_answer: Compares a fresh answer with a kept one: ``(fresh, kept) -> bool``, ``None``
            where it cannot say, or an awaitable of these. Without it labels are compared as text
            and prose by its meaning.
        verifier: Asked about the best candidate where that may tip the scales:
            ``(question, kept_question, kept_answer)`` to the probability from 0 to 1 that the kept
            answer is right, or an awaitable of it; an `Opinion` says what that cost as well, else
            no net saving is known. A plain function is called in a thread. It has no say at
            first: the policy learns what its word is worth.
        verifier_timeout: Seconds that it may take, above 0.
        verifier_share: Of the judged requests, for which it may be asked; above 0 and at most 1.
        seed: Of the draws, for runs that can be repeated.

    Raises:
        ConfigurationError: A value is out of its bounds; the message names it.
    """

    max_error: float = 0.01
    wrong_share: float | None = None
    reask: float = 0.02
    alpha: float = 0.1
    same_answer: Callable[[str, str], Any] | None = None
    verifier: Callable[[str, str, str], Any] | None = None
    verifier_timeout: float = 0.5
    verifier_share: float = 0.2
    seed: int = 0

    name: ClassVar[str] = "verified"
    semantic: ClassVar[bool] = True
    floor: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        _check("max_error", self.max_error, "above 0 and below 0.5", lambda x: 0 < x < 0.5)
        if self.wrong_share is not None:
            bounds = "above 0 and at most 0.5"
            _check("wrong_share", self.wrong_share, bounds, lambda x: 0 < x <= _LARGEST_SHARE)
        _check("reask", self.reask, "from 0 to 0.5", lambda x: 0 <= x <= 0.5)
        _check("alpha", self.alpha, "above 0 and below 1", lambda x: 0 < x < 1)
        if self.same_answer is not None and not callable(self.same_answer):
            raise ConfigurationError("same_answer: expected a function of two answers")
        if self.verifier is not None and not callable(self.verifier):
            raise ConfigurationError("verifier: expected a function of two questions and an answer")
        _check("verifier_timeout", self.verifier_timeout, "above 0", lambda x: x > 0)
        bounds = "above 0 and at most 1"
        _check("verifier_share", self.verifier_share, bounds, lambda x: 0 < x <= 1)
        seed: object = self.seed
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise ConfigurationError(f"seed: expected a whole number, got {seed!r}")

    def new_state(self, embedder: str) -> Family:
        share = self.wrong_share or min(_LARGEST_SHARE, _HITS_PER_ERROR * self.max_error)
        budget = Budget(self.max_error, share, self.alpha)
        return Family(prior_for(embedder), budget, reask=self.reask, seed=self.seed)

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        family: Family = state
        return family.decide(asked, candidates)


def _check(name: str, given: Any, bounds: str, is_within: Callable[[float], bool]) -> None:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not math.isfinite(given) or not is_within(given):
        raise ConfigurationError(f"{name}: expected a number {bounds}, got {given!r}")
