"""What an execution is found by: its terms, numbers and words; and the query that finds it. Pure.

``tag``, ``user``, ``tenant``, ``graph``, ``agent``, ``conversation``, ``status`` and ``complete``
say what they name; ``outcome`` (hit, miss, bypass), ``tier`` and ``entry`` are those of each answer
that the run was given; ``context`` is ``key`` and ``key@version``; ``asked`` is a hash of the
question. ``feedback`` and the number ``score`` are marks that feedback leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.run_state import RunState
from cache_fabric.stores.documents import Query, Term, words

__all__ = ["Sought", "numbers_of", "question_of", "seconds_of", "terms_of", "text_of"]

_LONGEST = 256  # characters of a term; both sides are cut, so a longer one is found as well
_MOST = 128  # terms of one field: a run that was given more answers is found by the first of them
_MOST_TEXT = 16_000


@dataclass(frozen=True, slots=True)
class _State(RunState):
    state: Mapping[str, Any]


def terms_of(
    state: Mapping[str, Any],
    *,
    graph: str,
    tags: tuple[str, ...] = (),
    tenant: str | None = None,
    user: str | None = None,
    asked: str | None = None,
    complete: bool = True,
) -> frozenset[Term]:
    """Return what a run is found by exactly."""
    run = _State(state)
    answers = run.answers
    fields: dict[str, Any] = {
        "graph": [graph],
        "agent": [run.agent],
        "conversation": [run.conversation],
        "status": [run.status],
        "tag": tags,
        "tenant": [tenant],
        "user": [user],
        "asked": [asked],
        "complete": ["yes" if complete else "no"],
        "outcome": sorted(_outcomes(run)),
        "tier": sorted({served.tier for served in answers if served.tier}),
        "entry": [served.entry_id for served in answers],
        "context": [name for key, version in run.contexts for name in _names(key, version)],
    }
    return frozenset(
        (name, _cut(value)) for name, values in fields.items() for value in values[:_MOST] if value
    )


def numbers_of(state: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers that a run is found by: cost, seconds, tokens, saved_cost."""
    run = _State(state)
    found = {
        "cost": run.cost,
        "seconds": run.number("seconds"),
        "tokens": None if run.tokens is None else float(run.tokens),
        "saved_cost": run.number("saved_cost"),
    }
    return {name: number for name, number in found.items() if number is not None}


def text_of(state: Mapping[str, Any], graph: str) -> str:
    """Return the words that a run is found by, without the texts that are kept as blobs."""
    texts = (graph, *(t for part in ("input", "output", "error") for t in _texts(state.get(part))))
    return "\n".join(texts)[:_MOST_TEXT]


def question_of(state: Mapping[str, Any]) -> str | None:
    """Return the question of a run, for a search by meaning."""
    question = _State(state).question
    return None if question is None else question[:_MOST_TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What executions are searched by; all that is given must hold.

    Attributes:
        text: Words of input, output, error or graph name, in any order.
        graph, agent, conversation, status, tag, user, tenant: Exactly.
        outcome: ``hit``, ``miss`` or ``bypass`` of any answer that the run was given.
        context: The key of a context, or ``key@version``.
        feedback: ``good``, ``bad`` or ``none`` that it got.
        since, until: ``since <= timestamp < until``, as aware datetimes or seconds since the epoch.
        min_cost, max_cost: Dollars; a run whose cost is not known is not found.
        min_score, max_score: Mean score of its feedback.
    """

    text: str | None = None
    graph: str | None = None
    agent: str | None = None
    conversation: str | None = None
    status: str | None = None
    tag: str | None = None
    user: str | None = None
    tenant: str | None = None
    outcome: str | None = None
    context: str | None = None
    feedback: str | None = None
    since: datetime | float | None = None
    until: datetime | float | None = None
    min_cost: float | None = None
    max_cost: float | None = None
    min_score: float | None = None
    max_score: float | None = None

    def query(self) -> Query:
        """Return what a store looks for.

        Raises:
            ValidationError: A field is not what it has to be.
        """
        bounds = {"cost": ("min_cost", "max_cost"), "score": ("min_score", "max_score")}
        least = {name: _number(getattr(self, low), low) for name, (low, _) in bounds.items()}
        most = {name: _number(getattr(self, high), high) for name, (_, high) in bounds.items()}
        return Query(
            terms=frozenset(self._terms()),
            least={name: number for name, number in least.items() if number is not None},
            most={name: number for name, number in most.items() if number is not None},
            since=seconds_of(self.since, "since"),
            until=seconds_of(self.until, "until"),
            text=_words(self.text),
        )

    def _terms(self) -> Iterator[Term]:
        for name in _EXACT:
            value = getattr(self, name)
            if value is None:
                continue
            if not isinstance(value, str) or not value:
                raise ValidationError(name, f"expected text, got {value!r:.40}")
            choices = _CHOICES.get(name, (value,))
            if value not in choices:
                raise ValidationError(name, f"expected {', '.join(choices)}, got {value!r:.40}")
            yield name, _cut(value)


def seconds_of(value: Any, field: str) -> float | None:
    """Return a time that a caller gave, as seconds since the epoch.

    Raises:
        ValidationError: Neither an aware datetime nor seconds.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValidationError(field, "expected an aware datetime, got one without a zone")
        return value.timestamp()
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValidationError(field, f"expected a datetime or seconds, got {value!r:.40}")
    return _number(value, field)


_EXACT = (
    *("graph", "agent", "conversation", "status", "tag", "user", "tenant"),
    *("outcome", "context", "feedback"),
)
_CHOICES = {"outcome": ("hit", "miss", "bypass"), "feedback": ("good", "bad", "none")}


def _outcomes(run: RunState) -> set[str]:
    """Return the outcomes of all lookups of a run; those that came to no entry count as well."""
    said = [run.state.get("cache")]
    said += [step.get("cache") for step in run.steps if isinstance(step, Mapping)]
    found: set[str] = set()
    for one in said:
        for lookup in one if isinstance(one, list | tuple) else (one,):
            outcome = lookup.get("outcome") if isinstance(lookup, Mapping) else None
            found.update({outcome} & set(_CHOICES["outcome"]) if isinstance(outcome, str) else ())
    return found


def _names(key: str, version: int | None) -> tuple[str, ...]:
    return (key,) if version is None else (key, f"{key}@{version}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _cut(value: str) -> str:
    return value[:_LONGEST]


def _words(text: Any) -> str:
    if text is not None and not isinstance(text, str):
        raise ValidationError("text", f"expected text, got {type(text).__name__}")
    if text and text.strip() and not words(text):  # or everything would be found
        raise ValidationError("text", f"expected a word, got {text!r:.40}")
    return text or ""


def _number(value: Any, field: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValidationError(field, f"expected a number, got {value!r:.40}")
    return float(value)
