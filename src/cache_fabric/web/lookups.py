"""``/v1/answers/lookup``, ``store`` and ``release``: the cache around a call made elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from cache_fabric.fabric import CacheFabric
from cache_fabric.options import CacheOptions
from cache_fabric.types import Bypass, CacheRequest, Hit, LookupResult, Tier, Usage
from cache_fabric.web.open_lookups import OpenLookups
from cache_fabric.web.operations import Asked, Operation, Reply
from cache_fabric.web.shapes import Answer, answer

__all__ = ["lookup_operations"]

_MOST_BYTES = 2 * 1024 * 1024
_Count = Annotated[int, Meta(ge=0, le=2**53)]


class Options(Struct, forbid_unknown_fields=True, kw_only=True):
    """What a call asks of the cache; see `cache_fabric.options.CacheOptions`."""

    ttl: float | None = None
    no_store: bool = False
    refresh: bool = False
    max_age: float | None = None
    tags: list[str] = field(default_factory=list)
    graph: str | None = None


class Call(Struct, forbid_unknown_fields=True, kw_only=True):
    """A call of a model as plain data; see `cache_fabric.CacheRequest`."""

    model: str
    messages: list[dict[str, Any]]
    tools: list[Any] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    tenant: str | None = None
    user: str | None = None
    kind: Literal["chat", "completion"] = "chat"
    options: Options = field(default_factory=Options)


class Found(Struct, kw_only=True, tag_field="outcome", tag="hit"):
    """An answer was served."""

    answer: Answer
    tier: Tier
    similarity: float
    reason: str
    seconds: float
    probability: float | None
    stale: bool
    lookup_id: str


class NotFound(Struct, kw_only=True, tag_field="outcome", tag="miss"):
    """Call the model, then store its answer with the ticket, or release it."""

    ticket: str
    reason: str
    seconds: float
    probability: float | None
    degraded: str | None
    lookup_id: str


class Bypassed(Struct, kw_only=True, tag_field="outcome", tag="bypass"):
    """The call is not for the cache."""

    reason: str
    seconds: float


class Tokens(Struct, forbid_unknown_fields=True, kw_only=True):
    """Tokens of a call; see `cache_fabric.Usage`."""

    input_tokens: _Count
    output_tokens: _Count
    cache_read_tokens: _Count = 0
    cache_creation_tokens: _Count = 0
    reasoning_tokens: _Count = 0


class Given(Struct, forbid_unknown_fields=True, kw_only=True):
    """What the model answered: plain data. Seconds are measured from the lookup if not given."""

    ticket: str
    response: Any
    usage: Tokens | None = None
    latency: Annotated[float, Meta(ge=0)] | None = None


class Stored(Struct):
    """The id of the kept answer; ``null`` where it is not fit to be kept."""

    id: str | None


class Returned(Struct, forbid_unknown_fields=True):
    """A ticket that gets no answer."""

    ticket: str


def lookup_operations(fabric: CacheFabric) -> tuple[Operation, ...]:
    """Return the operations around a call of a model."""
    lookups = OpenLookups(fabric)

    async def lookup(asked: Asked) -> Found | NotFound | Bypassed:
        result, ticket = await lookups.lookup(_request(asked.body))
        if ticket is not None and await asked.has_left():
            await fabric.release(lookups.take(ticket))  # the next one who waits calls the model
        return _told(result, ticket)

    async def store(asked: Asked) -> Stored:
        given = asked.body
        usage = None
        if given.usage is not None:
            tokens = given.usage
            usage = Usage(**{name: getattr(tokens, name) for name in tokens.__struct_fields__})
        ticket = lookups.take(given.ticket)
        kept = await fabric.store(ticket, given.response, usage=usage, latency=given.latency)
        return Stored(kept)

    async def release(asked: Asked) -> Reply:
        await fabric.release(lookups.take(asked.body.ticket))
        return Reply(status=204)

    return (
        Operation(
            method="POST",
            path="/v1/answers/lookup",
            call=lookup,
            summary="Look up the answer to a call; identical misses wait for one another",
            body=Call,
            returns=Found | NotFound | Bypassed,
            most_bytes=_MOST_BYTES,
        ),
        Operation(
            method="POST",
            path="/v1/answers/store",
            call=store,
            summary="Keep the model's answer, and hand it to those who wait for it",
            body=Given,
            returns=Stored,
            also=(404,),
            most_bytes=_MOST_BYTES,
        ),
        Operation(
            method="POST",
            path="/v1/answers/release",
            call=release,
            summary="Give a ticket back: the call failed, or its caller left",
            body=Returned,
            status=204,
            also=(404,),
        ),
    )


def _request(call: Call) -> CacheRequest:
    given = call.options
    options = CacheOptions(
        ttl=given.ttl,
        no_store=given.no_store,
        refresh=given.refresh,
        max_age=given.max_age,
        tags=tuple(given.tags),
        graph=given.graph,
    )
    return CacheRequest(
        model=call.model,
        messages=call.messages,
        tools=call.tools,
        params=call.params,
        tenant=call.tenant,
        user=call.user,
        kind=call.kind,
        options=options,
    )


def _told(result: LookupResult, ticket: str | None) -> Found | NotFound | Bypassed:
    if isinstance(result, Bypass):
        return Bypassed(reason=result.reason, seconds=result.seconds)
    if isinstance(result, Hit):
        return Found(
            answer=answer(result.entry),
            tier=result.tier,
            similarity=result.similarity,
            reason=result.reason,
            seconds=result.seconds,
            probability=result.probability,
            stale=result.stale,
            lookup_id=result.lookup_id,
        )
    assert ticket is not None
    return NotFound(
        ticket=ticket,
        reason=result.reason,
        seconds=result.seconds,
        probability=result.probability,
        degraded=result.degraded,
        lookup_id=result.lookup_id,
    )
