"""The audit: what labelled would-be hits show of the answers that were served unseen.

A hit cannot be checked without asking the model. So a small share of the answers that would have
been served is asked anew, by chance and with a known probability; such a request is a miss. And
what is worth its price while the account is used up is a would-be hit as well, with a label.

**Estimate.** A sampled label stands for ``1 / chance`` answers (Horvitz and Thompson 1952), which
keeps the estimate of the error honest however the answers were chosen.

**Correction.** The factor on every stated risk is ``(wrong + 4) / (stated + 4)``, over the last few
hundred labels, between 1 and 4: the posterior mean of a Gamma(4, 4) rate of Poisson counts. It is
never below 1: good luck in a small sample buys nothing.

**Drift.** Against the claim "the corrected risks are not too low" the audit bets on every sampled
label: its stake is multiplied by ``1 + (wrong - risk)``. While the claim holds that is a
supermartingale; it is not let fall below 1, so that it need not win back an old fortune (an
e-detector: Shin, Ramdas, Rinaldo 2022). At 20 the claim is given up: the policy tightens, and the
stake starts anew. Over hundreds of labels a false alarm does come; it costs hits for a while.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["FADING", "Audit", "Estimate"]

_PRIOR = 4.0
FADING = 0.996
"""What a label leaves of the sums before it."""
_FACTORS = (1.0, 4.0)
_ALARM = 20.0
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Estimate:
    """Share of the served answers that were wrong, with its 95 % interval (Wilson).

    Attributes:
        share: The weighted share; ``None`` while nothing was asked anew.
        low, high: The interval, by the effective sample size.
        asked: How many would-be hits were asked anew.
    """

    share: float | None
    low: float
    high: float
    asked: int

    @classmethod
    def of(cls, asked: int, weight: float, squares: float, wrong: float) -> Estimate:
        """Return the estimate that follows from sums of weights, of squares, and of wrong ones."""
        if not asked:
            return cls(None, 0.0, 1.0, 0)
        share = wrong / weight
        low, high = _wilson(share, weight * weight / squares)
        return cls(share, low, high, asked)


@dataclass(slots=True)
class Audit:
    """The audit of one partition family.

    Attributes:
        asked: Would-be hits that were asked anew and got a label.
        weight, squares, wrong: Sums of their weights, of the squares, and of the wrong ones.
        seen: Would-be hits that got a label.
        stated, found: Fading sums of the stated risks, and of the wrong answers among them.
        stake: The fortune of the bet.
        alarms: How often drift was found.
    """

    asked: int = 0
    weight: float = 0.0
    squares: float = 0.0
    wrong: float = 0.0
    seen: int = 0
    stated: float = 0.0
    found: float = 0.0
    stake: float = 1.0
    alarms: int = 0

    @property
    def factor(self) -> float:
        """What a stated risk has to be multiplied by."""
        low, high = _FACTORS
        return min(high, max(low, (self.found + _PRIOR) / (self.stated + _PRIOR)))

    def see(self, stated: float, risk: float, right: bool, chance: float) -> bool:
        """Take the label of a would-be hit in; True when it shows drift.

        Args:
            stated: Its risk before the correction.
            risk: After it.
            right: The label.
            chance: With what probability it was sampled, 0 if it was not.
        """
        self.seen += 1
        self.stated = FADING * self.stated + stated
        self.found = FADING * self.found + (not right)
        if not chance:
            return False
        weight = 1.0 / chance
        self.asked += 1
        self.weight += weight
        self.squares += weight * weight
        self.wrong += 0.0 if right else weight
        self.stake = max(1.0, self.stake * (1.0 + (not right) - risk))
        if self.stake < _ALARM:
            return False
        self.stake = 1.0
        self.alarms += 1
        return True

    def estimate(self) -> Estimate:
        """Return the share of wrong answers among the served ones."""
        return Estimate.of(self.asked, self.weight, self.squares, self.wrong)


def _wilson(share: float, size: float) -> tuple[float, float]:
    scale = 1.0 + _Z * _Z / size
    center = (share + _Z * _Z / (2.0 * size)) / scale
    half = _Z * math.sqrt(share * (1.0 - share) / size + _Z * _Z / (4.0 * size * size)) / scale
    return max(0.0, center - half), min(1.0, center + half)
