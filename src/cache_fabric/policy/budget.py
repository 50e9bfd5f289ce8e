"""The error budget: how much risk may still be taken, and how little is too much for one answer.

Let ``r_i`` be the risk of the i-th served answer: an upper estimate, made before it is served, of
the probability that it is wrong. Let ``R`` be their sum, ``W`` the number of wrong answers among
them, ``n`` the number of requests so far and ``d`` the share that the user allows.

**Stop rule.** An answer is served only while ``R + r <= B(n)``,

    B(n) = max over L in {0.1, 0.2, 0.4, 0.8, 1.6} of (L (c + d n) - log(5 / alpha)) / (exp(L) - 1)

with a credit of c = 3 wrong answers, so that there is no cold start.

If no risk is below the true probability, ``exp(L W - (exp(L) - 1) R)`` is a supermartingale for
every L > 0, because ``E[exp(L x)] <= exp((exp(L) - 1) p)`` for x in {0, 1} with mean p. By Ville's
inequality and a union bound over the five L, with probability at least ``1 - alpha`` no moment ever
comes at which ``W > c + d n``: the bound is valid at any time and however the traffic reacts to the
decisions (Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform Chernoff bounds via nonnegative
supermartingales", Probability Surveys 17, 2020).

**Price.** Among all ways to spend a budget, serving the least risky answers first gives the most
hits. So the largest risk that is served is the one at which the last 1,000 judged questions,
served in order of their risk, would have used up what may be spent in one request: the budget's
slope, and a part of what was left over so far. It also keeps the expected share of wrong answers
among all hits below a second limit.

Pure arithmetic; no clock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np

__all__ = ["Budget"]

_SLOPES = (0.1, 0.2, 0.4, 0.8, 1.6)
_CREDIT = 3.0
"""Wrong answers that the first requests have on credit: without it nothing is served at first."""
_REMEMBERED = 1_000
_REPRICED_EVERY = 10
_FEWEST_HORIZON = 200
_SPREAD_OVER = 0.5
"""What was not spent so far is spread over half as many requests again."""
_MOST_AT_ONCE = 1.5
"""The budget of one request is never stretched beyond this multiple of the user's share."""
_RISKIEST = 0.5
_FIRST_JUDGED = 100
"""While so few questions were judged there is no price to go by: no answer may then be riskier than
hits may be on average. The stop rule holds all the same."""
_LEAST_AT_ONCE = 0.5


class Budget:
    """The account of one partition family.

    Args:
        max_error: Share of all requests that may be answered wrongly (d).
        wrong_share: Share of all hits that may be wrong.
        alpha: Probability with which the bound may fail.
    """

    def __init__(self, max_error: float, wrong_share: float, alpha: float = 0.1) -> None:
        self.max_error = max_error
        self.wrong_share = wrong_share
        self.alpha = alpha
        self.requests = 0
        self.judged = 0
        self.spent = 0.0
        self._recent: deque[float] = deque(maxlen=_REMEMBERED)
        self._price = wrong_share
        self._age = 0

    @property
    def allowed(self) -> float:
        """The most risk that may have been taken by now: B(n)."""
        wrong = _CREDIT + self.max_error * self.requests
        cost = math.log(len(_SLOPES) / self.alpha)
        return max(0.0, *((s * wrong - cost) / math.expm1(s) for s in _SLOPES))

    @property
    def is_new(self) -> bool:
        """Whether too few questions were judged for a price of its own."""
        return self.judged < _FIRST_JUDGED

    @property
    def price(self) -> float:
        """The largest risk that is worth serving now; below 0 when nothing is."""
        return self._price

    def see(self, risk: float) -> None:
        """Take note of the risk of the best answer to a question, served or not."""
        self.judged += 1
        self._recent.append(risk)
        self._age += 1
        if self._age >= _REPRICED_EVERY or len(self._recent) < 5 * _REPRICED_EVERY:
            self._price = self._priced()
            self._age = 0

    @property
    def recent(self) -> tuple[float, ...]:
        """The risks of the last judged questions, oldest first."""
        return tuple(self._recent)

    def resume(self, requests: int, judged: int, spent: float, recent: Iterable[float]) -> None:
        """Go on from an account that was kept before."""
        self.requests, self.judged, self.spent = requests, judged, spent
        self._recent = deque(recent, maxlen=_REMEMBERED)
        self._price = self._priced() if self._recent else self.wrong_share
        self._age = 0

    def affords(self, risk: float) -> bool:
        """Whether the stop rule lets an answer of this risk be served."""
        return self.spent + risk <= self.allowed

    def spend(self, risk: float) -> None:
        """Account for an answer that is served by meaning."""
        self.spent += risk

    def _priced(self) -> float:
        requests = max(self.requests, 1)
        allowed = self.allowed
        left = (allowed - self.spent) / max(_SPREAD_OVER * requests, _FEWEST_HORIZON)
        least, most = _LEAST_AT_ONCE * self.max_error, _MOST_AT_ONCE * self.max_error
        each = min(most, max(allowed / requests + left, least))
        risks = np.sort(np.array(self._recent))
        total = np.cumsum(risks)
        served = np.arange(1, len(risks) + 1)
        reached = self.judged / requests / len(risks)
        # Exact hits are right and count: the share is one of all hits.
        exact = max(0.0, 1.0 - self.judged / requests)
        affordable = total * reached <= each
        mostly_right = total * reached <= self.wrong_share * (served * reached + exact)
        fits = np.flatnonzero(affordable & mostly_right)
        price = min(float(risks[fits[-1]]), _RISKIEST) if len(fits) else -1.0
        return max(price, self.wrong_share) if self.is_new else price
