"""``/v1/answers``: what is kept, why it was served, and taking it back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cache_fabric.errors import NotFound
from cache_fabric.explanation import EntryExplanation, LookupExplanation
from cache_fabric.fabric import CacheFabric
from cache_fabric.taken_back import Invalidation
from cache_fabric.types import CacheEntry
from cache_fabric.votes import Effect
from cache_fabric.web.earners import Earned, Earners
from cache_fabric.web.operations import Asked, Operation
from cache_fabric.web.shapes import Answer, answer

__all__ = ["answer_operations"]

_ONE = "/v1/answers/{id}"
_MOST_SORTED = 10_000


class Fitting(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which answers; all that is named must fit."""

    context: str | None = None
    tenant: str | None = None
    user: str | None = None
    tag: str | None = None
    model: str | None = None

    def named(self) -> dict[str, Any]:
        """Return them as the facade takes them."""
        return {name: getattr(self, name) for name in Fitting.__struct_fields__}


class AnswersOf(Fitting, forbid_unknown_fields=True, kw_only=True):
    """Which of them are shown."""

    state: Literal["active", "quarantined", "pinned"] = "active"
    sort: Literal["newest", "saved"] = "newest"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class Kept(Answer, kw_only=True):
    """An answer in a list; ``hits`` and ``saved`` (dollars) are of the server's process so far."""

    hits: int
    saved: float


class Answers(Struct):
    """In the order that was asked for."""

    items: list[Kept]


class Meant(Fitting, forbid_unknown_fields=True, kw_only=True):
    """Which are deleted for good; with ``dry_run`` they are only counted."""

    entry: str | None = None
    dry_run: bool = False


class Shown(Struct, forbid_unknown_fields=True):
    """Whether words of prompts and answers are shown."""

    texts: bool = False


class Act(Struct, forbid_unknown_fields=True, kw_only=True):
    """Who, and why."""

    by: str | None = None
    why: str = ""


class Pinned(Act, forbid_unknown_fields=True, kw_only=True):
    """With ``answer``, these words are served in its place."""

    answer: str | None = None


def answer_operations(fabric: CacheFabric, earners: Earners) -> tuple[Operation, ...]:
    """Return the operations on kept answers."""

    async def listed(asked: Asked) -> Answers:
        query = asked.query
        found = await _found(fabric, earners, query)
        return Answers([_kept(entry, earners.of(entry.id)) for entry in found])

    async def read(asked: Asked) -> Answer:
        entry = await fabric.get_entry(asked.names["id"])
        if entry is None:
            raise NotFound("no such answer")
        return answer(entry)

    async def explain(asked: Asked) -> LookupExplanation | EntryExplanation:
        return await fabric.explain(asked.names["id"], texts=asked.query.texts)

    async def invalidate(asked: Asked) -> Invalidation:
        meant = asked.body
        return await fabric.invalidate(**meant.named(), entry=meant.entry, dry_run=meant.dry_run)

    async def retire(asked: Asked) -> Effect:
        act = asked.body
        return await fabric.retire_answer(asked.names["id"], by=act.by, why=act.why)

    async def restore(asked: Asked) -> Effect:
        act = asked.body
        return await fabric.restore_answer(asked.names["id"], by=act.by, why=act.why)

    async def pin(asked: Asked) -> Effect:
        act = asked.body
        return await fabric.pin_answer(asked.names["id"], answer=act.answer, by=act.by, why=act.why)

    return (
        Operation(
            method="GET",
            path="/v1/answers",
            call=listed,
            summary="List answers, the newest or those that saved most first",
            query=AnswersOf,
            returns=Answers,
        ),
        Operation(
            method="GET",
            path=_ONE,
            call=read,
            summary="Read a kept answer",
            returns=Answer,
            also=(404,),
        ),
        Operation(
            method="GET",
            path="/v1/explain/{id}",
            call=explain,
            summary="Explain a lookup by its lookup_id, or a kept answer by its id",
            query=Shown,
            returns=dict[str, Any],
            also=(404,),
        ),
        Operation(
            method="POST",
            path="/v1/answers/invalidate",
            call=invalidate,
            summary="Delete the answers that fit, in every process",
            body=Meant,
            returns=Invalidation,
        ),
        *(
            Operation(
                method="POST",
                path=f"{_ONE}/{name}",
                call=call,
                summary=summary,
                body=body,
                returns=Effect,
                also=(404,),
            )
            for name, call, body, summary in (
                ("retire", retire, Act, "Take an answer out of service, reversibly"),
                ("restore", restore, Act, "Serve an answer again"),
                ("pin", pin, Pinned, "Serve an answer for ever"),
            )
        ),
    )


async def _found(fabric: CacheFabric, earners: Earners, query: AnswersOf) -> list[CacheEntry]:
    """Return the newest, or what earned most in this process and after it what earned nothing."""
    by_worth = query.sort == "saved"
    limit = _MOST_SORTED if by_worth else query.limit
    found = await fabric.list_answers(**query.named(), state=query.state, limit=limit)
    if by_worth:
        place = {entry_id: n for n, entry_id in enumerate(earners.top(_MOST_SORTED))}
        found.sort(key=lambda entry: place.get(entry.id, len(place)))
    return found[: query.limit]


def _kept(entry: CacheEntry, earned: Earned) -> Kept:
    shown = msgspec.structs.asdict(answer(entry))
    return Kept(**shown, hits=earned.hits, saved=earned.micros / 1e6)
