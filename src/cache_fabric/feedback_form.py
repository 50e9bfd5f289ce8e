"""Feedback as it is kept: from a record to its document and back. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from statistics import fmean
from typing import Any

import msgspec

from cache_fabric import codec
from cache_fabric.errors import CodecError, ValidationError
from cache_fabric.execution_terms import seconds_of
from cache_fabric.feedback_rules import KINDS, Said, feedback_id
from cache_fabric.records import Execution, Feedback, Superseded
from cache_fabric.stores.documents import Document, Query, Term

__all__ = ["FEEDBACK", "as_record", "document", "feedback_query", "marks", "read"]

FEEDBACK = "f"
"""The kind of these documents."""

VERDICTS = ("bad", "good", "none")  # the first of them wins
_MOST_CONTEXTS = 128  # that it is found by
_LONGEST_CONTEXT = 512
_MOST_SUPERSEDED = 10
_MOST_SUPERSEDED_BYTES = 64 * 1024


def as_record(
    execution_id: str,
    said: Said,
    trusted: bool,
    at: float,
    execution: Execution | None,
    earlier: Feedback | None,
) -> Feedback:
    """Return the record of what was said now, with nothing done about it yet.

    Whose run it was is taken from the run, or from what was said while the run was still there.
    """
    return Feedback(
        execution_id=execution_id,
        data=said.data,
        timestamp=datetime.fromtimestamp(at, UTC),
        id=feedback_id(execution_id, said, trusted=trusted),
        name=said.name,
        verdict=said.verdict,
        score=said.score,
        label=said.label,
        comment=said.comment,
        correction=said.correction,
        annotator=said.annotator,
        annotator_id=said.annotator_id,
        trusted=trusted,
        supersedes=() if earlier is None else tuple(_superseded(said, earlier)),
        **_run(execution, earlier),
    )


def document(feedback: Feedback, secret: bytes) -> Document:
    """Return what is put into the store."""
    texts = (feedback.comment, feedback.label, feedback.correction)
    numbers = {"score": feedback.score, "user_rating": feedback.data.get("user_rating")}
    return Document(
        key=feedback.id,
        value=codec.pack(feedback, secret),
        at=feedback.timestamp.timestamp(),
        terms=frozenset(_terms(feedback)),
        numbers={n: float(v) for n, v in numbers.items() if isinstance(v, int | float)},
        text="\n".join(text for text in texts if text),
    )


def read(data: bytes, secret: bytes) -> Feedback:
    """Return the feedback of a document; raises `CodecError` if it is none of ours."""
    try:
        return msgspec.convert(codec.unpack(data, secret), Feedback)
    except msgspec.ValidationError as error:
        raise CodecError("the envelope does not hold feedback") from error


def marks(feedback: Sequence[Feedback]) -> tuple[frozenset[Term], dict[str, float]]:
    """Return the terms and numbers that a run is found by for its feedback; bad wins."""
    verdicts = {one.verdict or "none" for one in feedback}
    verdict = next((word for word in VERDICTS if word in verdicts), None)
    scores = [one.score for one in feedback if one.score is not None]
    terms = frozenset[Term]() if verdict is None else frozenset([("feedback", verdict)])
    return terms, {"score": fmean(scores)} if scores else {}


def feedback_query(
    *,
    annotator: str | None = None,
    verdict: str | None = None,
    since: datetime | float | None = None,
    until: datetime | float | None = None,
    **terms: str | None,
) -> Query:
    """Return what to ask the store; ``annotator`` is a kind or the id of one.

    Raises:
        ValidationError: A field is not what it has to be.
    """
    if verdict is not None and verdict not in VERDICTS:
        raise ValidationError("verdict", f"expected {', '.join(VERDICTS)}, got {verdict!r:.40}")
    asked = {"verdict": verdict, **terms, "kind" if annotator in KINDS else "annotator": annotator}
    for field, value in asked.items():
        if value is not None and not isinstance(value, str):
            raise ValidationError(field, f"expected text, got {value!r:.40}")
    return Query(
        terms=frozenset((field, value) for field, value in asked.items() if value is not None),
        since=seconds_of(since, "since"),
        until=seconds_of(until, "until"),
    )


def _terms(feedback: Feedback) -> set[Term]:
    terms = {
        "execution": feedback.execution_id,
        "name": feedback.name,
        "verdict": feedback.verdict or "none",
        "annotator": feedback.annotator_id,
        "kind": feedback.annotator,
        "tenant": feedback.tenant,
        "user": feedback.user,
        "graph": feedback.graph,
    }
    found: set[Term] = {(field, value) for field, value in terms.items() if value is not None}
    for key, version in feedback.contexts[:_MOST_CONTEXTS]:
        if len(key) <= _LONGEST_CONTEXT:
            found |= {("context", key), ("context", key if version is None else f"{key}@{version}")}
    return found


def _run(execution: Execution | None, earlier: Feedback | None) -> dict[str, Any]:
    run = earlier if execution is None else execution
    if run is None:
        return {}
    graph = run.graph_name if isinstance(run, Execution) else run.graph
    return {"tenant": run.tenant, "user": run.user, "graph": graph, "contexts": run.contexts}


def _superseded(said: Said, earlier: Feedback) -> Iterator[Superseded]:
    """Yield what is replaced, as far as there is room; a repetition replaces nothing."""
    replaced = Superseded(data=earlier.data, timestamp=earlier.timestamp)
    chain = [*([] if earlier.data == said.data else [replaced]), *earlier.supersedes]
    sizes = accumulate(len(msgspec.json.encode(one.data)) for one in chain)
    for one, size in zip(chain[:_MOST_SUPERSEDED], sizes, strict=False):
        if size > _MOST_SUPERSEDED_BYTES:
            return
        yield one
