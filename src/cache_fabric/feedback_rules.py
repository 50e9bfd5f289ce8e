"""What a free dictionary of feedback says: its known fields, and whether the answer was bad. Pure.

Everything else in the dictionary is kept as it is and means nothing here. A known field that is
``None`` or blank counts as not given, as forms send it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, get_args

import msgspec

from cache_fabric.errors import ValidationError
from cache_fabric.validation import check_json, check_key
from cache_fabric.votes import Annotator, Verdict

__all__ = ["KINDS", "Said", "completed", "feedback_id", "read_feedback", "said_by"]

KINDS: tuple[Annotator, ...] = get_args(Annotator)
_FORMAT = "cache-fabric/feedback/1"
_WORDS: dict[str, Verdict] = {
    **dict.fromkeys(("success", "succeeded", "successful", "ok", "passed", "pass"), "good"),
    **dict.fromkeys(("correct", "right", "good", "approved", "accepted", "thumbs_up"), "good"),
    **dict.fromkeys(("failure", "failed", "fail", "error", "rejected", "thumbs_down"), "bad"),
    **dict.fromkeys(("incorrect", "wrong", "bad"), "bad"),
}
_JUDGING = ("status", "user_rating", "label", "match", "correction")
# What LangSmith, Phoenix and MLflow call our fields; ours counts where both are given.
_OTHER_NAMES = {
    "name": ("key",),
    "comment": ("explanation", "rationale"),
    "annotator": ("annotator_kind",),
    "annotator_id": ("identifier",),
}
_LONGEST_WHY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The known fields of one feedback.

    Attributes:
        data: The dictionary as it was given.
        name: Of what is judged.
        verdict: ``bad`` or ``good`` for the answer; ``None`` where nothing says so.
        judges: False of a remark: nothing in it speaks of how good the answer was.
        score: From 0 to 1, ``None`` if unknown.
        rating: From 1 to 5.
        annotator: What the annotator is.
        annotator_id: Who; ``None`` where nobody is named.
        correction: The right answer.
        why: Reason of the verdict: the comment, else the fields that led to it.
    """

    data: Mapping[str, Any]
    name: str
    verdict: Verdict | None
    judges: bool
    score: float | None
    rating: float | None
    label: str | None
    comment: str | None
    correction: str | None
    annotator: Annotator
    annotator_id: str | None
    why: str


def read_feedback(given: Any) -> Said:
    """Return what a dictionary says.

    Bad is a ``user_rating`` of at most 2, a ``status`` or ``label`` that says so (failure,
    incorrect, wrong ...), ``match`` false, an ``expected`` that differs from ``classification``
    where no ``match`` is given, and any ``correction``. Good is a ``user_rating`` of at least 4, a
    ``status`` or ``label`` that says so (success, correct ...), ``match`` true. Where fields
    contradict each other, bad wins: serving a wrong answer costs more than asking again. A
    ``score`` alone is no verdict, because it may be of anything (brevity, tone, speed). Only
    ``correction`` may become an answer, ``expected`` never does.

    The score is ``score``, else that of the rating, else 1 or 0 as the verdict is; a rating that
    the verdict overrules counts for nothing.

    Raises:
        ValidationError: It is no mapping of plain JSON data, or a known field has a wrong type or
            range; the message names the field (``feedback.user_rating``) and what was expected.
    """
    if not isinstance(given, Mapping):
        raise ValidationError("feedback", f"expected a mapping, got {type(given).__name__}")
    data: dict[str, Any] = check_json(dict(given), "feedback")
    fields = _known(data)
    rating = _number(fields, "user_rating", 1, 5, "")
    signs = list(_signs(fields, rating))
    verdict: Verdict | None = "bad" if "bad" in (v for v, _ in signs) else None
    if verdict is None and signs:
        verdict = "good"
    comment = _text(fields, "comment")
    kind, annotator_id = _annotator(fields)
    return Said(
        data=data,
        name=check_key(fields.get("name", "feedback"), "feedback.name"),
        verdict=verdict,
        judges=_judges(fields),
        score=_score(fields, rating, verdict),
        rating=rating,
        label=_text(fields, "label"),
        comment=comment,
        correction=_text(fields, "correction"),
        annotator=kind,
        annotator_id=annotator_id,
        why=(comment or ", ".join(text for v, text in signs if v == verdict))[:_LONGEST_WHY],
    )


def completed(earlier: Mapping[str, Any], remark: Mapping[str, Any]) -> dict[str, Any]:
    """Return an earlier feedback with what a remark adds to it.

    A remark (a comment that follows a thumb down) is no new judgement: would it replace the
    earlier one, a wrong answer would be served again.
    """
    added = _given(remark)
    said_anew = {
        name
        for ours, others in _OTHER_NAMES.items()
        for name in (ours, *others)
        if any(other in added for other in (ours, *others))
    }
    return {key: value for key, value in earlier.items() if key not in said_anew} | added


def said_by(given: Mapping[str, Any], who: str | None) -> dict[str, Any]:
    """Return a dictionary as the word of somebody, or of nobody, whoever it names."""
    names = ("annotator_id", *_OTHER_NAMES["annotator_id"])
    said = {key: value for key, value in given.items() if key not in names}
    for key in ("annotator", *_OTHER_NAMES["annotator"]):
        if isinstance(kind := said.get(key), Mapping):
            said[key] = kind.get("kind")
    return said if who is None else {**said, "annotator_id": who}


def feedback_id(execution_id: str, said: Said, *, trusted: bool) -> str:
    """Return the name under which one replaces another.

    One execution, name and annotator; where nobody is named, the kind of annotator. What is not
    trusted never replaces what is.
    """
    who = (said.annotator_id is not None, said.annotator_id or said.annotator)
    named = (_FORMAT, execution_id, said.name, who, trusted)
    return hashlib.sha256(msgspec.json.encode(named)).hexdigest()[:32]


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in data.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }


def _known(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given, under our names."""
    fields = _given(data)
    for ours, others in _OTHER_NAMES.items():
        for other in others:
            if isinstance(fields.get(other), str):
                fields.setdefault(ours, fields[other])
    value = fields.get("value")
    if "score" not in fields and _is_number(value) and 0 <= value <= 1:
        fields["score"] = value
    return fields


def _judges(fields: Mapping[str, Any]) -> bool:
    return any(name in fields for name in _JUDGING) or _is_compared(fields)


def _is_compared(fields: Mapping[str, Any]) -> bool:
    return "match" not in fields and "expected" in fields and "classification" in fields


def _signs(fields: Mapping[str, Any], rating: float | None) -> Iterator[tuple[Verdict, str]]:
    """Yield what each field says of the answer, in words."""
    if rating is not None and not 2 < rating < 4:
        yield ("bad" if rating <= 2 else "good"), f"user_rating {rating:g}"
    for name in ("status", "label"):
        word = _text(fields, name)
        if word is not None and (verdict := _WORDS.get(_plain_word(word))) is not None:
            yield verdict, f"{name} {word}"
    match = fields.get("match")
    if not isinstance(match, bool | None):
        raise ValidationError("feedback.match", f"expected true or false, got {match!r:.40}")
    if match is not None:
        yield ("good" if match else "bad"), f"match {str(match).lower()}"
    if _is_compared(fields):
        same = _folded(fields["expected"]) == _folded(fields["classification"])
        yield ("good", "as expected") if same else ("bad", "not as expected")
    if "correction" in fields:
        yield "bad", "corrected"


def _plain_word(text: str) -> str:
    return text.strip().casefold().replace("-", "_").replace(" ", "_")


def _folded(value: Any) -> Any:
    return value.strip().casefold() if isinstance(value, str) else value


def _score(
    fields: Mapping[str, Any], rating: float | None, verdict: Verdict | None
) -> float | None:
    if isinstance(fields.get("score"), bool):
        return float(fields["score"])
    score = _number(fields, "score", 0, 1, "; a rating of 1 to 5 is user_rating")
    if score is not None:
        return score
    if rating is not None and not (verdict == "bad" and rating > 2):
        return (rating - 1) / 4
    return None if verdict is None else float(verdict == "good")


def _annotator(fields: Mapping[str, Any]) -> tuple[Annotator, str | None]:
    said = fields.get("annotator", "HUMAN")
    parts = _given(said) if isinstance(said, Mapping) else {"kind": said}
    kind = parts.get("kind", "HUMAN")
    if not isinstance(kind, str) or kind.upper() not in KINDS:
        expected = f"expected HUMAN, LLM or CODE, got {kind!r:.40}; who it was is annotator_id"
        raise ValidationError("feedback.annotator", expected)
    who = fields.get("annotator_id", parts.get("id"))
    if who is not None:
        check_key(who, "feedback.annotator_id")
    return next(known for known in KINDS if known == kind.upper()), who


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ValidationError(f"feedback.{name}", f"expected text, got {type(value).__name__}")
    return value


def _number(
    fields: Mapping[str, Any], name: str, least: float, most: float, hint: str
) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if not _is_number(value) or not least <= value <= most:
        expected = f"expected a number from {least:g} to {most:g}, got {value!r:.40}{hint}"
        raise ValidationError(f"feedback.{name}", expected)
    return float(value)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
