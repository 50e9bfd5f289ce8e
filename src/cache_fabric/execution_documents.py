"""Executions in the documents of a store: written, read whole, deleted with all that hangs on them.

A run that was handed in whole is one document. One that was started is a document from its start
on, an event for each step, and at its end one document with all of them, when the events go: so
what a crash leaves is there to be seen, as a run that goes on, and what ends well takes no more
room than one that came whole. A reader puts the steps in order and tells which are missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import msgspec

from cache_fabric.errors import BackendError, CodecError
from cache_fabric.execution_draft import cut_step
from cache_fabric.execution_form import (
    Body,
    Event,
    document_of,
    event_document,
    filled,
    read,
    references,
)
from cache_fabric.pacing import in_turns
from cache_fabric.stores.documents import Documents, Query

__all__ = ["EXECUTIONS", "ExecutionDocuments"]

EXECUTIONS = "x"
_EVENTS = "e"
_FEEDBACK = "f"
_PAGE = 500
_MOST_STEPS = 1024 * 1024  # bytes of steps in one document
_log = logging.getLogger("cache_fabric")


class ExecutionDocuments:
    """The documents of one store; what fails in it is the caller's."""

    def __init__(self, documents: Documents, secret: bytes) -> None:
        self._documents = documents
        self._secret = secret

    async def get(self, execution_id: str) -> Body | None:
        """Return a run with its steps, or ``None``; raises `CodecError` for an unreadable one."""
        [data] = await self._documents.get(EXECUTIONS, [execution_id])
        if data is None:
            return None
        body: Body | CodecError
        [body] = await self._whole([read(data, Body, self._secret)])
        if isinstance(body, CodecError):
            raise body
        await self.add_steps(body)
        return body

    async def add_steps(self, body: Body) -> None:
        """Give a run that goes on the steps that it has so far."""
        if body.run is not None and body.events is None:
            there = await self._events(body.execution_id)
            own = {event.place: event.step for event in there if event.run == body.run}
            body.steps = sorted((own | dict(body.steps)).items(), key=lambda step: step[0])

    async def find(
        self, query: Query, after: str | None, limit: int
    ) -> tuple[list[tuple[str, Body | None]], str | None]:
        """Return a page of ids and runs, ``None`` for unreadable ones, and where to go on.

        Those that go on come without their steps (`add_steps`).
        """
        found = await self._documents.find(EXECUTIONS, query, after=after, limit=limit)
        bodies = await self._readable([data for _, data in found.items], Body)
        keys = [key for key, _ in found.items]
        return list(zip(keys, bodies, strict=True)), found.cursor

    async def count(self, query: Query) -> int:
        """Return how many runs match."""
        return await self._documents.count(EXECUTIONS, query)

    async def write(self, bodies: Sequence[Body], events: MutableMapping[str, Event]) -> None:
        """Write runs and the steps of those that go on; one that has ended takes its steps in."""
        taken_in: list[str] = []
        documents = []
        for body in bodies:
            if body.events is not None:
                taken_in += await self._take_in(body, events)
            documents.append(document_of(body, self._secret))
            await asyncio.sleep(0)  # lookups take turns with large runs
        if documents:
            await self._documents.put(EXECUTIONS, documents)
        if events:
            steps = [event_document(event, self._secret) for event in events.values()]
            await self._documents.put(_EVENTS, steps)
        if taken_in:
            with contextlib.suppress(BackendError):  # what stays is not read again
                await self._documents.delete(_EVENTS, taken_in)

    async def delete(
        self, runs: Iterable[tuple[str, Body | None]], *, with_feedback: bool
    ) -> list[str]:
        """Delete runs; returns the hashes of questions that no other run has asked."""
        runs = list(runs)
        for key, body in runs:
            if body is None or body.run is not None:
                await self._delete_all(_EVENTS, _of(key))
            if with_feedback:
                await self._delete_all(_FEEDBACK, _of(key))
        await self._documents.delete(EXECUTIONS, [key for key, _ in runs])
        asked = {body.asked for _, body in runs if body is not None and body.asked is not None}
        return [one for one in sorted(asked) if not await self.count(_asking(one))]

    async def delete_events(self, query: Query) -> int:
        """Delete steps, whatever became of their runs; returns how many there were."""
        return await self._delete_all(_EVENTS, query)

    async def _delete_all(self, kind: str, query: Query) -> int:
        count, after = 0, None
        while True:
            found = await self._documents.find(kind, query, after=after, limit=_PAGE)
            if found.items:
                count += await self._documents.delete(kind, [key for key, _ in found.items])
            after = found.cursor
            if after is None:
                return count

    async def _take_in(self, body: Body, events: MutableMapping[str, Event]) -> list[str]:
        """Move a run's steps into its body; returns the keys of those that the store has."""
        keys = {
            event.place: key
            for key, event in events.items()
            if (event.execution_id, event.run) == (body.execution_id, body.run)
        }
        own = {place: events.pop(key) for place, key in keys.items()}
        kept = [] if len(own) == body.events else await self._events(body.execution_id)
        own = {event.place: event for event in kept if event.run == body.run} | own
        size = 0
        for place, event in sorted(own.items()):
            length = len(msgspec.msgpack.encode(event.step))
            fits = size + length <= _MOST_STEPS
            size += length if fits else 0
            step = event.step if fits else cut_step(event.step, length, _MOST_STEPS)
            body.steps.append((place, step))
        return [event.key for event in kept]

    async def _events(self, execution_id: str) -> list[Event]:
        events: list[Event] = []
        after: str | None = None
        while True:
            found = await self._documents.find(_EVENTS, _of(execution_id), after=after, limit=_PAGE)
            read_here = await self._readable([data for _, data in found.items], Event)
            events += [event for event in read_here if event is not None]
            after = found.cursor
            if after is None:
                return events

    async def _readable(self, values: Sequence[bytes], kind: type[Any]) -> list[Any | None]:
        """Read what can be read; anything else is ``None``, and told once a page."""
        opened: dict[int, Any] = {}
        async for number, data in in_turns(enumerate(values)):
            with contextlib.suppress(CodecError):
                opened[number] = read(data, kind, self._secret)
        whole = dict(zip(opened, await self._whole(list(opened.values())), strict=True))
        results = [whole.get(number) for number in range(len(values))]
        readable = [None if isinstance(one, CodecError) else one for one in results]
        if None in readable:
            _log.warning("%d executions cannot be read: passed over", readable.count(None))
        return readable

    async def _whole(self, ones: Sequence[Any]) -> list[Any]:
        """Put the long texts back; in place of what misses one stands a `CodecError`."""
        plain = [msgspec.structs.asdict(one) for one in ones]
        found = [key async for fields in in_turns(plain) for key in references(fields)]
        keys = list(dict.fromkeys(found))
        blobs: dict[str, bytes] = {}
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            values = await self._documents.blobs(page)
            blobs |= {k: v for k, v in zip(page, values, strict=True) if v is not None}
        pairs = zip(ones, plain, strict=True)
        return [self._filled(one, fields, blobs) async for one, fields in in_turns(pairs)]

    def _filled(self, one: Any, fields: dict[str, Any], blobs: dict[str, bytes]) -> Any:
        try:
            return type(one)(**filled(fields, blobs, one.tenant, self._secret))
        except CodecError as error:
            return error


def _of(execution_id: str) -> Query:
    return Query(terms=frozenset({("execution", execution_id)}))


def _asking(asked: str) -> Query:
    return Query(terms=frozenset({("asked", asked)}))
