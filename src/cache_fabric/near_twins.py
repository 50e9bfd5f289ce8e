"""Which questions share the fate of one that was answered wrongly by another one's answer. Pure.

Somebody asked ``q``, was served the answer to ``s`` because the two are near, and said that it is
wrong. Then ``q`` is an example of what ``s`` must not answer, as ``s`` is one of what it may. A
question ``x`` goes with the nearer of the two, which is the rule of the nearest neighbor (Cover and
Hart 1967): it is refused the answer to ``s`` if it is at least as near to ``q``. No number has to
be chosen, and none depends on the embedder's scale. Measured on the open streams (bundled embedder,
250 wrong hits each): of the near questions with the answer of ``q`` 73 % (qqp), 76 % (dbqa) and
64 % (assistant) are refused, of those with the answer of ``s`` 4, 2 and 4 %. A fixed similarity of
0.85 to ``q`` refuses 65, 76 and 60 % of the first, and 5, 27 and 16 % of the second.

An answer to another wording ``c`` of ``s`` is refused as well, if ``x`` is at least as near to
``q`` as to ``c``, and ``c`` is nearer to ``s`` than to ``q``, and than ``q`` is to ``s``. An answer
to ``q`` itself never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cache_fabric.verdict_rules import Negative

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

Near: TypeAlias = "tuple[Twin, float]"
"""A pair, and how near its question is."""

__all__ = ["Near", "NearTwins", "Twin", "forbidden", "packed"]

_SLACK = 2e-3
"""What float16 may take off a similarity."""


def packed(vector: Vector) -> bytes:
    """Return a unit vector as it is kept."""
    return np.asarray(vector, np.float16).tobytes()


class Twin:
    """One pair: a question, and the exact key of the one that it must not be answered by."""

    def __init__(self, served_key: str, negative: Negative) -> None:
        self.served_key = served_key
        self.asked_key = negative.asked
        self.asked = _vector(negative.vector)
        self.served = None if negative.served is None else _vector(negative.served)

    def is_wording(self, other: Vector) -> bool:
        """Return whether a question is another wording of the one that was served."""
        if self.served is None or len(other) != len(self.served):
            return False
        apart = max(float(self.asked @ other), float(self.asked @ self.served))
        return float(self.served @ other) > apart + _SLACK


class NearTwins:
    """The pairs of one place; their vectors are of one embedder.

    Args:
        twins: At least one.
    """

    def __init__(self, twins: Sequence[Twin]) -> None:
        self._twins = twins
        self._asked = np.stack([twin.asked for twin in twins])

    def near(self, vector: Vector, least: float) -> list[Near]:
        """Return the pairs whose question is at least so near; most often there is none."""
        if len(vector) != self._asked.shape[1]:
            return []
        found = self._asked @ vector + _SLACK
        return [
            (self._twins[at], float(found[at])) for at in map(int, np.flatnonzero(found >= least))
        ]


def forbidden(near: Iterable[Near], key: str, similarity: float, other: Vector | None) -> bool:
    """Return whether a candidate is refused.

    Args:
        near: What `NearTwins.near` found for the question.
        key: Exact key of the candidate's question.
        similarity: Of the two.
        other: Vector of the candidate's question; without it only the very question that was
            served wrongly is known again.
    """
    return any(
        key != twin.asked_key
        and nearness >= similarity
        and (key == twin.served_key or (other is not None and twin.is_wording(other)))
        for twin, nearness in near
    )


def _vector(data: bytes) -> Vector:
    return np.frombuffer(data, np.float16).astype(np.float32)
