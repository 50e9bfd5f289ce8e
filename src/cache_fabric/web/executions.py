"""``/v1/executions``: runs are handed in, read and found."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from cache_fabric.errors import NotFound
from cache_fabric.fabric import CacheFabric
from cache_fabric.records import Execution
from cache_fabric.web.operations import Asked, Operation, Reply

__all__ = ["execution_operations"]

_ONE = "/v1/executions/{id}"
_MOST_BYTES = 2 * 1024 * 1024


class Of(Struct, forbid_unknown_fields=True):
    """Whose run it has to be; another one's is not there."""

    tenant: str | None = None


class Run(Struct, forbid_unknown_fields=True, kw_only=True):
    """A run; see `track_execution`. ``answers`` are ids of answers that it was given or made."""

    graph_name: str
    state: dict[str, Any]
    tags: list[str] = field(default_factory=list)
    tenant: str | None = None
    user: str | None = None
    answers: list[str] = field(default_factory=list)
    durable: bool = False


class ExecutionsSought(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which runs; see `search_executions`. ``since`` and ``until`` are seconds since the epoch."""

    text: str | None = None
    like: str | None = None
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
    since: float | None = None
    until: float | None = None
    min_cost: float | None = None
    max_cost: float | None = None
    min_score: float | None = None
    max_score: float | None = None
    limit: int = 50
    cursor: str | None = None


class ExecutionPage(Struct, kw_only=True):
    """Runs, newest first; ``cursor`` asks for the next page, ``null`` at the end."""

    items: list[Execution]
    cursor: str | None


def execution_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations on executions."""

    async def track(asked: Asked) -> Reply:
        run = asked.body
        kept = await fabric.track_execution(
            asked.names["id"],
            run.graph_name,
            run.state,
            tags=run.tags,
            tenant=run.tenant,
            user=run.user,
            answers=run.answers,
            durable=run.durable,
        )
        return Reply(kept, status=200 if run.durable else 202)

    async def read(asked: Asked) -> Execution:
        found = await fabric.get_execution(asked.names["id"])
        if found is None or asked.query.tenant not in {None, found.tenant}:
            raise NotFound("no such execution")
        return found

    async def search(asked: Asked) -> ExecutionPage:
        sought = {name: getattr(asked.body, name) for name in ExecutionsSought.__struct_fields__}
        page = await fabric.search_executions(**sought)
        return ExecutionPage(items=list(page), cursor=page.cursor)

    return (
        Operation(
            method="PUT",
            path=_ONE,
            call=track,
            summary="Hand in a run, in place of the one of the same id; 202 if it is written later",
            body=Run,
            returns=Execution,
            also=(202,),
            most_bytes=_MOST_BYTES,
        ),
        Operation(
            method="GET",
            path=_ONE,
            call=read,
            summary="Read a run with its steps and its feedback",
            query=Of,
            returns=Execution,
            also=(404,),
        ),
        # What is sought is words of prompts: they belong in no address, which servers log.
        Operation(
            method="POST",
            path="/v1/executions/search",
            call=search,
            summary="Find runs, newest first, by words, by meaning, and by what is known of them",
            body=ExecutionsSought,
            returns=ExecutionPage,
        ),
    )
