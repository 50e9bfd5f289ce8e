"""The policy that serves exact repeats and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cache_fabric.policy.base import Decision, Refuse
from cache_fabric.types import Candidate

__all__ = ["ExactOnly"]


@dataclass(frozen=True, slots=True)
class ExactOnly:
    """Serves the same request again and nothing by meaning; questions are not even embedded."""

    name: ClassVar[str] = "exact only"
    semantic: ClassVar[bool] = False
    floor: ClassVar[float] = 1.0

    def decide(self, question: str, candidates: Sequence[Candidate]) -> Decision:
        return Refuse("exact repeats only")
