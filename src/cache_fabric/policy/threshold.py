"""The policy that serves the nearest neighbor above a fixed similarity, if the guard allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cache_fabric.errors import ConfigurationError
from cache_fabric.guard import compare
from cache_fabric.policy.base import Asked, Decision, Refuse, Serve
from cache_fabric.types import Candidate

__all__ = ["Threshold"]

_COMPARED = 4


@dataclass(frozen=True, slots=True)
class Threshold:
    """Serves the nearest candidate that the guard allows; nothing below ``similarity``, ever.

    The default is measured with the bundled embedder on the open evaluation streams, where the
    guard does most of the work: 0.80 keeps at least 93 % of the right paraphrase hits that 0.60
    would serve and drops up to two fifths of its wrong ones. Other embedders have other scales.

    Args:
        similarity: Lowest cosine similarity that may be served, above 0 and at most 1.

    Raises:
        ConfigurationError: ``similarity`` is not such a number.
    """

    similarity: float = 0.80

    name: ClassVar[str] = "threshold"
    semantic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        given: object = self.similarity
        number = isinstance(given, int | float) and not isinstance(given, bool)
        if not number or not 0 < self.similarity <= 1:
            raise ConfigurationError(
                f"similarity: expected a number above 0 and at most 1, got {given!r}"
            )

    @property
    def floor(self) -> float:
        return self.similarity

    def new_state(self, embedder: str) -> None:
        return None

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        ranked = sorted(candidates, key=lambda candidate: candidate.similarity, reverse=True)
        refusal = Refuse("no neighbor")
        for candidate in ranked[:_COMPARED]:
            objection = self._objection(asked.question, candidate)
            if objection is None:
                found = f"similarity {candidate.similarity:.3f} ≥ {self.similarity:.2f}"
                return Serve(candidate, f"{found}, guard passed")
            if refusal.nearest is None:
                refusal = Refuse(objection, candidate)
        return refusal

    def _objection(self, question: str, candidate: Candidate) -> str | None:
        if not candidate.similarity >= self.similarity:
            return f"nearest similarity {candidate.similarity:.3f} < {self.similarity:.2f}"
        if candidate.entry.question is None:
            return "neighbor without a question"
        verdict = compare(question, candidate.entry.question)
        if verdict.allowed:
            return None
        # The words after the colon are the user's and stay out of events and logs.
        return "guard: " + ", ".join(reason.partition(":")[0] for reason in verdict.reasons)
