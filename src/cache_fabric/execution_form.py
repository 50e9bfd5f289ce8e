"""An execution as it is kept, and as it is read. Pure.

A text of 512 bytes and more is kept once, whoever repeats it: a document holds a reference in its
place, in a form that no handed-in value can have. The key of a text is a keyed hash of it and of
the tenant, so texts are shared within a tenant only, and one that was changed does not fit its key.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from cache_fabric import codec
from cache_fabric.errors import CodecError
from cache_fabric.execution_terms import numbers_of, question_of, terms_of, text_of
from cache_fabric.records import Execution
from cache_fabric.scopes import SEPARATOR
from cache_fabric.stores.documents import Blob, Document

__all__ = [
    "MOST_STEPS",
    "Body",
    "Event",
    "asked_hash",
    "document_of",
    "event_document",
    "execution_of",
    "filled",
    "read",
    "references",
]

MOST_STEPS = 10_000
"""Of one run that was started; what comes after them is not kept."""
_REFERENCE = 1
_LONG = 512  # bytes from which on a text is kept once
_MOST_TEXT = 16_000  # characters of a long text that it is found by
_HASH = 16


class Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One execution: `state` as it was handed in, `steps` as they were appended.

    Attributes:
        at: Seconds since the epoch.
        run: Names one start of an execution that was started, so that the steps of an earlier try
            under the same id are told from its own.
        events: How many steps were appended, ``None`` while it runs.
        steps: Appended steps by their place; those of a run that goes on are events of their own.
        asked: Hash of the question.
    """

    execution_id: str
    graph_name: str
    state: dict[str, Any]
    at: float
    tags: list[str] = []
    tenant: str | None = None
    user: str | None = None
    run: str | None = None
    events: int | None = None
    steps: list[tuple[int, dict[str, Any]]] = []
    asked: str | None = None


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step of an execution that was started."""

    execution_id: str
    run: str
    place: int
    step: dict[str, Any]
    at: float
    tenant: str | None = None
    user: str | None = None

    @property
    def key(self) -> str:
        """The same for the same place of the same run, so that a step kept twice is one."""
        return SEPARATOR.join((self.execution_id, self.run, f"{self.place:08d}"))


def document_of(body: Body, secret: bytes) -> Document:
    """Return a body as it is kept."""
    blobs: dict[str, Blob] = {}
    shrunk = msgspec.structs.replace(
        body,
        state=_shrunk(body.state, body.tenant, secret, blobs),
        steps=_shrunk(body.steps, body.tenant, secret, blobs),
        asked=asked_hash(body, secret),
    )
    state = _whole_state(body)
    return Document(
        key=body.execution_id,
        value=codec.pack(shrunk, secret),
        at=body.at,
        terms=terms_of(
            state,
            graph=body.graph_name,
            tags=tuple(body.tags),
            tenant=body.tenant,
            user=body.user,
            asked=shrunk.asked,
            complete=_is_complete(body),
        ),
        numbers=numbers_of(state),
        text=text_of(shrunk.state, body.graph_name),
        blobs=tuple(blobs.values()),
    )


def event_document(event: Event, secret: bytes) -> Document:
    """Return an event as it is kept."""
    blobs: dict[str, Blob] = {}
    shrunk = msgspec.structs.replace(event, step=_shrunk(event.step, event.tenant, secret, blobs))
    owned = [("tenant", event.tenant), ("user", event.user)]
    return Document(
        key=event.key,
        value=codec.pack(shrunk, secret),
        at=event.at,
        terms=frozenset(
            [("execution", event.execution_id), *((name, who) for name, who in owned if who)]
        ),
        blobs=tuple(blobs.values()),
    )


def asked_hash(body: Body, secret: bytes) -> str | None:
    """Return the hash of a run's question: the same for everybody who asks it."""
    question = question_of(body.state)
    return None if question is None else _hash(question, None, secret)


def read(data: bytes, kind: type[Any], secret: bytes) -> Any:
    """Return a kept body or event, with references where its long texts were.

    Raises:
        CodecError: Corrupt, forged, of another secret, or of another form.
    """
    try:
        return msgspec.convert(codec.unpack(data, secret), kind)
    except msgspec.ValidationError as error:
        raise CodecError("the document does not hold an execution") from error


def references(value: Any) -> Iterator[str]:
    """Yield the keys of the blobs that a body or an event refers to."""
    if isinstance(value, Ext):
        yield _key(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references(item)


def filled(value: Any, blobs: Mapping[str, bytes], tenant: str | None, secret: bytes) -> Any:
    """Return the value with the texts in place of its references.

    Raises:
        CodecError: A text is missing, or is not the one that was kept.
    """

    def text_for(leaf: Any) -> Any:
        if not isinstance(leaf, Ext):
            return leaf
        key = _key(leaf)
        text = blobs.get(key, b"").decode("utf-8", "replace")
        if _hash(text, tenant, secret) != key:
            raise CodecError("a text of the execution is not there")
        return text

    return _mapped(value, text_for)


def execution_of(body: Body) -> Execution:
    """Return what callers read."""
    there = {place for place, _ in body.steps}
    known = max(there, default=-1) + 1 if body.events is None else body.events
    return Execution(
        execution_id=body.execution_id,
        graph_name=body.graph_name,
        state=_whole_state(body),
        timestamp=datetime.fromtimestamp(body.at, UTC),
        tags=tuple(body.tags),
        tenant=body.tenant,
        user=body.user,
        complete=_is_complete(body),
        gaps=tuple(place for place in range(known) if place not in there),
    )


def _is_complete(body: Body) -> bool:
    return body.run is None or body.events == len(body.steps)


def _whole_state(body: Body) -> dict[str, Any]:
    """Return the state with the steps that were appended, in order."""
    if body.run is None:
        return body.state
    given = body.state.get("steps")
    before = given if isinstance(given, list) else []
    ordered: Sequence[tuple[int, dict[str, Any]]] = sorted(body.steps, key=lambda step: step[0])
    return {**body.state, "steps": [*before, *(step for _, step in ordered)]}


def _shrunk(value: Any, tenant: str | None, secret: bytes, blobs: dict[str, Blob]) -> Any:
    def reference_for(leaf: Any) -> Any:
        if not isinstance(leaf, str) or len(leaf) < _LONG // 4:
            return leaf
        data = leaf.encode()
        if len(data) < _LONG:
            return leaf
        key = _hash(leaf, tenant, secret)
        blobs[key] = Blob(key=key, value=data, text=leaf[:_MOST_TEXT])
        return Ext(_REFERENCE, key.encode())

    return _mapped(value, reference_for)


def _key(reference: Ext) -> str:
    return bytes(reference.data).decode()


def _mapped(value: Any, leaf: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _mapped(item, leaf) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, leaf) for item in value]
    return leaf(value)


def _hash(text: str, tenant: str | None, secret: bytes) -> str:
    whose = b"-" if tenant is None else b"+" + len(tenant.encode()).to_bytes(4) + tenant.encode()
    return hmac.digest(secret, b"cache-fabric/text/1" + whose + text.encode(), "sha256")[
        :_HASH
    ].hex()
