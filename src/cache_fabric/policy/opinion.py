"""What a verifier says of a candidate, where it can say what that cost."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Opinion"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """A probability with its price, so that the ledger knows what the verifier costs.

    Args:
        probability: From 0 to 1, that the kept answer is right.
        cost: Of asking, in dollars: 0 for a model of one's own; ``None`` where it is not known.
    """

    probability: float
    cost: float | None = None
