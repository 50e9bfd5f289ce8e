"""What the votes on an answer, and the operator's acts, make of it. Pure.

A case is all that is known against and for one answer. Its standing follows from the case alone,
whoever looks at it and in whatever order the votes came:

* One bad vote that is trusted quarantines the answer. One that is not trusted, or that was over its
  annotator's limit and is therefore held, needs others: ``agreements`` different annotators.
* A good vote never lifts a quarantine that somebody else's bad vote keeps up. A bad vote that its
  own annotator replaced, or took back, counts no more.
* ``restore`` and ``pin`` outweigh the votes before them, and a repeated vote stays where it was
  first; votes that come after count again. ``retire`` stands until one of the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from cache_fabric.votes import Verdict

__all__ = [
    "STATES",
    "Case",
    "Cast",
    "Happening",
    "Negative",
    "Order",
    "State",
    "happened",
]

State = Literal["active", "quarantined", "pinned"]
STATES: tuple[State, ...] = get_args(State)
Order = Literal["", "retire", "restore", "pin"]

_MOST_VOTES = 256
_MOST_HAPPENINGS = 128
_NAMES = ("feedback_id", "execution_id", "annotator")
_NOTHING: dict[str, Any] = {"why": "", "tenant": None, "user": None}
_WORDLESS: dict[str, Any] = {**_NOTHING, "correction": None, "pin": None, "negative": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Negative:
    """A question that was answered wrongly by the answer to another one.

    Attributes:
        asked: Its exact key.
        vector: Its unit vector, float16.
        served: Vector of the other question, ``None`` where that is not known.
    """

    asked: str
    vector: bytes
    served: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A vote as it is kept.

    Attributes:
        number: Its place among the votes and acts on this answer.
        held: Whether it was over its annotator's limit.
        hit: Whether the answer came from the cache; ``micros`` and ``tokens`` were saved then.
        correction: Short name of the words of the right answer; ``pin`` is the id of the entry that
            they make.
        negative: Where the answer was served by meaning.
    """

    feedback_id: str
    execution_id: str
    verdict: Verdict | None
    annotator: str
    kind: str
    trusted: bool
    at: float
    number: int = 0
    held: bool = False
    hit: bool = False
    micros: int | None = None
    tokens: int = 0
    why: str = ""
    correction: str | None = None
    pin: str | None = None
    tenant: str | None = None
    user: str | None = None
    negative: Negative | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that was done to an answer, or said of it: who, when, why."""

    at: float
    what: str
    by: str = ""
    why: str = ""
    execution_id: str = ""
    tenant: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer before its judges.

    Attributes:
        id: Of the entry.
        votes: The last of each feedback.
        order: The operator's last act; votes numbered up to ``absolved`` do not count.
        number: Of the next vote or act.
        envelope: The answer's bytes, while it is not among those that are served.
        about: What is known of the call, without a word of it; empty if the answer was gone.
        taught: Whether a policy has learned from a good vote on it.
        at: When the standing last changed.
        closed: Whether it is so old that its bytes were dropped and nobody has to know it.
    """

    id: str
    votes: tuple[Cast, ...] = ()
    order: Order = ""
    absolved: int = 0
    number: int = 1
    history: tuple[Happening, ...] = ()
    envelope: bytes | None = None
    about: dict[str, Any] | None = None
    taught: bool = False
    at: float = 0.0
    closed: bool = False

    def standing(self, agreements: int) -> State:
        """Return what becomes of the answer."""
        if _condemn(self.complaints(), agreements) or self.order == "retire":
            return "quarantined"
        return "pinned" if self.order == "pin" else "active"

    def complaints(self) -> list[Cast]:
        """Return the bad votes that count."""
        return [v for v in self.votes if v.verdict == "bad" and v.number > self.absolved]

    def reversed(self, agreements: int) -> dict[str, Cast]:
        """Return the runs whose savings are taken back."""
        if self.standing(agreements) != "quarantined":
            return {}
        return {vote.execution_id: vote for vote in self.complaints() if vote.hit}

    def pins(self, agreements: int) -> dict[str, Cast]:
        """Return the corrections that are to be served, by the id of the pinned entry."""
        counting = [v for v in self.votes if v.pin is not None and v.number > self.absolved]
        said: dict[str, list[Cast]] = {}
        for vote in counting:
            said.setdefault(vote.pin or "", []).append(vote)
        return {pin: votes[-1] for pin, votes in said.items() if _condemn(votes, agreements)}

    def negatives(self) -> list[Negative]:
        """Return the questions that it was wrong for, newest first."""
        found = {v.negative.asked: v.negative for v in self.complaints() if v.negative is not None}
        return list(found.values())[::-1]

    def vote(self, feedback_id: str) -> Cast | None:
        """Return the vote of a feedback."""
        return next((vote for vote in self.votes if vote.feedback_id == feedback_id), None)

    def cast(self, vote: Cast) -> Case:
        """Return the case with a vote, in the place of an earlier one of its feedback.

        One that says what the earlier one said keeps its place: it is a repetition.
        """
        earlier = self.vote(vote.feedback_id)
        others = tuple(v for v in self.votes if v is not earlier)
        if earlier is not None and _says_the_same(earlier, vote):
            again = replace(
                vote,
                number=earlier.number,
                at=earlier.at,
                pin=vote.pin or earlier.pin,
                negative=vote.negative or earlier.negative,
            )
            return replace(self, votes=tuple(again if v is earlier else v for v in self.votes))
        votes = (*_bounded(others), replace(vote, number=self.number))
        return replace(self, votes=votes, number=self.number + 1, closed=False)

    def complains(self, feedback_id: str) -> bool:
        """Return whether the vote of a feedback is one of the complaints."""
        return any(vote.feedback_id == feedback_id for vote in self.complaints())

    def lesson(self, before: Case, feedback_id: str, agreements: int) -> bool | None:
        """Return whether a vote says that the answer was right; ``None`` if that is no news.

        Praise is news once an answer, a complaint once a question.
        """
        cast, earlier = self.vote(feedback_id), before.vote(feedback_id)
        if cast is None or cast == earlier:
            return None
        if cast.verdict == "good":
            return True if self.taught and not before.taught else None
        if cast.verdict is None or self.standing(agreements) != "quarantined":
            return None
        known = {v.negative.asked for v in before.complaints() if v.negative is not None}
        is_known = cast.negative is not None and cast.negative.asked in known
        return None if is_known and before.standing(agreements) == "quarantined" else False

    def without(self, feedback_id: str) -> Case:
        """Return the case without the vote of a feedback."""
        return replace(self, votes=tuple(v for v in self.votes if v.feedback_id != feedback_id))

    def ordered(self, order: Order) -> Case:
        """Return the case after an operator's act."""
        absolved = self.absolved if order == "retire" else self.number
        order = "" if order == "restore" else order
        number = self.number + 1
        return replace(self, order=order, absolved=absolved, number=number, closed=False)

    def booked(self, before: Case, agreements: int, at: float) -> Case:
        """Return the case with what was taken back, or booked again, in its history."""
        was, now = before.reversed(agreements), self.reversed(agreements)
        return self.told(
            *(
                Happening(
                    at=at,
                    what="saving taken back" if run in now else "saving booked again",
                    execution_id=run,
                    tenant=(now.get(run) or was[run]).tenant,
                    user=(now.get(run) or was[run]).user,
                )
                for run in sorted(was.keys() ^ now.keys())
            )
        )

    def nameless(
        self, owns: Callable[[str | None, str | None], bool], hidden: Callable[[str], str]
    ) -> Case:
        """Return the case without a word of somebody; the votes go on counting."""

        def vote(one: Cast) -> Cast:
            if not owns(one.tenant, one.user):
                return one
            names = {name: hidden(getattr(one, name)) for name in _NAMES}
            return replace(one, **{**_WORDLESS, **names})

        def told(one: Happening) -> Happening:
            if not owns(one.tenant, one.user):
                return one
            names = {"by": hidden(one.by), "execution_id": hidden(one.execution_id)}
            return replace(one, **{**_NOTHING, **names})

        return replace(
            self,
            votes=tuple(map(vote, self.votes)),
            history=tuple(map(told, self.history)),
        )

    def told(self, *happenings: Happening) -> Case:
        """Return the case with more in its history; what is oldest falls out."""
        return replace(self, history=(*self.history, *happenings)[-_MOST_HAPPENINGS:])


def happened(before: State, after: State) -> str:
    """Return what a change of standing is called."""
    if after == "active":
        return "restored" if before == "quarantined" else "unpinned"
    return after


def _condemn(votes: list[Cast], agreements: int) -> bool:
    alone = any(vote.trusted and not vote.held for vote in votes)
    return alone or len({vote.annotator for vote in votes}) >= agreements


def _says_the_same(earlier: Cast, vote: Cast) -> bool:
    return (earlier.verdict, earlier.correction) == (vote.verdict, vote.correction)


def _bounded(votes: tuple[Cast, ...]) -> tuple[Cast, ...]:
    """Leave room for one more: of the annotator with the most votes the oldest one goes.

    A crowd that nobody trusts pushes no other vote out, and by praise none that complains: else it
    would bring the answer back.
    """
    if len(votes) < _MOST_VOTES:
        return votes
    doubted = [vote for vote in votes if not vote.trusted or vote.held]
    praise = [vote for vote in doubted if vote.verdict != "bad"]
    least = praise or doubted or votes
    counts = Counter(vote.annotator for vote in least)
    loudest = max(counts, key=lambda name: counts[name])
    leaving = next(vote for vote in least if vote.annotator == loudest)
    return tuple(vote for vote in votes if vote is not leaving)
