"""Whether two answers say the same, for the labels that a policy learns from.

Answers that are labels ("refund", "42", "positive") are compared as text. Prose is compared by the
similarity of its meaning: two runs of a model never say a thing in the same words. In between
nobody can say, and no label is better than a wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["same_meaning", "same_text"]

_LONGEST_LABEL = 48
_SAME = 0.9
_OTHER = 0.6


def same_text(fresh: str, kept: str) -> bool | None:
    """Return whether two answers are equal but for case and spaces.

    ``None`` if both are prose, or if one has no text (a call of a tool): that says nothing.
    """
    ours, theirs = " ".join(fresh.casefold().split()), " ".join(kept.casefold().split())
    if not ours or not theirs:
        return None
    if ours == theirs:
        return True
    return False if min(len(ours), len(theirs)) <= _LONGEST_LABEL else None


def same_meaning(fresh: NDArray[np.float32], kept: NDArray[np.float32]) -> bool | None:
    """Return whether two answers mean the same by the cosine of their unit vectors."""
    similarity = float(fresh @ kept)
    if similarity >= _SAME:
        return True
    return False if similarity < _OTHER else None
