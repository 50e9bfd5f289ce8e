"""The policy that serves exact repeats and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cache_fabric.policy.base import Asked, Decision, Refuse
from cache_fabric.types import Candidate

__all__ = ["ExactOnly"]


@dataclass(frozen=True, slots=True)
class ExactOnly:
    """Serves the same request again and nothing by meaning; questions are not even embedded."""

    name: ClassVar[str] = "exact only"
    semantic: ClassVar[bool] = False
    floor: ClassVar[float] = 1.0

    def new_state(self, embedder: str) -> None:
        return None

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        return Refuse("exact repeats only")
