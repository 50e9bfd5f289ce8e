"""``/v1/feedback``: what is said of an execution, whose id a proxy named in a header."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from cache_fabric.fabric import CacheFabric
from cache_fabric.feedback_rules import said_by
from cache_fabric.records import Feedback
from cache_fabric.votes import Effect
from cache_fabric.web.operations import Asked, Operation

__all__ = ["feedback_operations"]


class Kept(Struct, kw_only=True):
    """What came of it."""

    id: str
    execution_id: str
    timestamp: datetime
    verdict: str | None
    effects: tuple[Effect, ...]


class FeedbackSought(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which feedback; all that is named must hold."""

    execution_id: str | None = None
    context: str | None = None
    verdict: str | None = None
    annotator: str | None = None
    tenant: str | None = None
    user: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 50
    cursor: str | None = None


class FeedbackPage(Struct, kw_only=True):
    """Feedback, newest first; ``cursor`` asks for the next page, ``null`` at the end."""

    items: list[Feedback]
    cursor: str | None


def feedback_operations(fabric: CacheFabric, *, trusted: bool) -> tuple[Operation, ...]:
    """Return the operations on feedback.

    ``trusted`` says whether one feedback may act alone, and is never read from what is sent. Who is
    not trusted is not believed whose word it is either: it counts as that of the user of the run.
    """

    async def record(asked: Asked) -> Kept:
        given = dict(asked.body)
        execution_id = given.pop("execution_id", None)
        if not trusted:
            run = await fabric.get_execution(execution_id)
            given = said_by(given, None if run is None else run.user)
        kept = await fabric.record_feedback(execution_id, given, trusted=trusted)
        return Kept(
            id=kept.id,
            execution_id=kept.execution_id,
            timestamp=kept.timestamp,
            verdict=kept.verdict,
            effects=kept.effects,
        )

    async def find(asked: Asked) -> FeedbackPage:
        sought = {name: getattr(asked.query, name) for name in FeedbackSought.__struct_fields__}
        page = await fabric.list_feedback(**sought)
        return FeedbackPage(items=list(page), cursor=page.cursor)

    return (
        Operation(
            method="POST",
            path="/v1/feedback",
            call=record,
            summary="Say of an execution how good its answer was",
            body=dict[str, Any],
            returns=Kept,
            status=201,
            also=(404,),
        ),
        Operation(
            method="GET",
            path="/v1/feedback",
            call=find,
            summary="Find what was said, newest first",
            query=FeedbackSought,
            returns=FeedbackPage,
        ),
    )
