"""What a vote did, in words: the same whenever it is repeated. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cache_fabric.verdict_rules import Case, Cast
from cache_fabric.votes import Action, Effect, Vote

__all__ = ["effects_of", "waiting"]


def effects_of(
    vote: Vote, was: Case, cases: Mapping[str, Case], unfit: str, agreements: int
) -> list[Effect]:
    """Return what became of the answer, and of the correction if there is one.

    Args:
        vote: As it was given.
        was: The case of the answer before it.
        cases: That case after it, and those of the pins that are named in it.
        unfit: Why the correction cannot be served, if so.
        agreements: How many have to agree where one is not enough.
    """
    case = cases[was.id]
    cast = case.vote(vote.feedback_id)
    action, reason = _of_answer(was, case, cast, agreements)
    effects = [Effect(entry_id=case.id, action=action, reason=reason)]
    if vote.correction is None or cast is None:
        return effects
    if cast.pin is None:
        told = f"the correction is not served: {unfit}"
        return [*effects, Effect(entry_id=case.id, action="none", reason=told)]
    if cases[cast.pin].standing(agreements) == "pinned":
        return [*effects, Effect(entry_id=cast.pin, action="pinned", reason="the correction")]
    told = _set_aside(case, cast) or waiting(cast, agreements)
    return [*effects, Effect(entry_id=cast.pin, action="held", reason=told)]


def waiting(cast: Cast, agreements: int) -> str:
    """Return why a vote changes nothing yet."""
    why = "over the limit of an hour" if cast.held else "not trusted alone"
    return f"{why}: it acts when {agreements} annotators agree"


def _of_answer(was: Case, case: Case, cast: Cast | None, agreements: int) -> tuple[Action, str]:
    before, state = was.standing(agreements), case.standing(agreements)
    verdict = None if cast is None else cast.verdict
    if state == "quarantined":
        if verdict != "bad":
            return "none", "it is quarantined for another reason"
        return "quarantined", "" if case.envelope is not None else "the answer was gone already"
    if before == "quarantined":
        return "restored", "what was said against it was taken back"
    if cast is None or verdict is None:
        return "none", "it says nothing of the answer"
    if verdict == "good":
        return "confirmed", ""
    aside = _set_aside(case, cast)
    return ("none", aside) if aside else ("held", waiting(cast, agreements))


def _set_aside(case: Case, cast: Cast) -> str:
    return "an operator has decided since" if cast.number <= case.absolved else ""
