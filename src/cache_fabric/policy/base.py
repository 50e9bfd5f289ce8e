"""What a policy must do: decide, from a question and what is near it, whether to serve. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cache_fabric.types import Candidate

__all__ = ["Decision", "Policy", "Refuse", "Serve"]


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve this candidate's answer; the reason says why, in words."""

    candidate: Candidate
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Call the model; ``nearest`` is the best candidate that was turned down, if any.

    The reason travels into events and logs: it never holds a word of a prompt.
    """

    reason: str
    nearest: Candidate | None = None


Decision = Serve | Refuse


@runtime_checkable
class Policy(Protocol):
    """Decides what may be served by meaning; exact repeats never get here."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def semantic(self) -> bool:
        """False when neighbors are not wanted at all: nothing is embedded or searched then."""

    @property
    def floor(self) -> float:
        """Neighbors less similar than this are not worth reading."""

    def decide(self, question: str, candidates: Sequence[Candidate]) -> Decision:
        """Return what to do with the neighbors of a question, given in any order."""
