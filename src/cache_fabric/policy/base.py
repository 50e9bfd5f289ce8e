"""What a policy must do: decide, from a question and what is near it, whether to serve. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from cache_fabric.types import Candidate

__all__ = ["Asked", "Decision", "Policy", "Refuse", "Serve"]


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that a decision is about.

    Attributes:
        question: Its text.
        exact: The request's exact key: the same request again has the same one.
        vector: The question's unit vector, ``None`` where nobody has embedded it.
        again: Whether this request was judged before, by other candidates.
        verified: The id of the entry that a verifier was asked about, and the log odds it gave.
    """

    question: str
    exact: str = ""
    vector: Any = None
    again: bool = False
    verified: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve this candidate's answer; the reason says why, in words.

    Attributes:
        probability: That the answer is right, if the policy states one.
        judged: What a policy that learns wants to hear of again, else ``None``.
    """

    candidate: Candidate
    reason: str
    probability: float | None = None
    judged: Any = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Call the model; ``nearest`` is the best candidate that was turned down, if any.

    The reason travels into events and logs: it never holds a word of a prompt.
    """

    reason: str
    nearest: Candidate | None = None
    probability: float | None = None
    judged: Any = None


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

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        """Return what to do with the neighbors of a question, given in any order.

        ``state`` is what `new_state` made for the partition family of the request.
        """

    def new_state(self, embedder: str) -> Any:
        """Return what the policy learns in for one partition family, ``None`` for nothing.

        ``embedder`` is the identity of what the similarities come from.
        """
