"""Executions: kept behind their callers, found by what they are, say and mean, taken out again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from cache_fabric.config import FabricConfig
from cache_fabric.errors import BackendTimeout, ValidationError
from cache_fabric.execution_documents import EXECUTIONS, ExecutionDocuments
from cache_fabric.execution_draft import checked
from cache_fabric.execution_form import Body, Event, asked_hash, execution_of
from cache_fabric.execution_questions import ExecutionQuestions
from cache_fabric.execution_terms import Sought, question_of
from cache_fabric.feedback_form import marks
from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.part import Part
from cache_fabric.records import Execution, Feedback, Page
from cache_fabric.stores.documents import Documents, Query, Term
from cache_fabric.subject import Subject
from cache_fabric.validation import check_id

__all__ = ["JUDGED", "Executions", "Run"]

JUDGED: tuple[Term, ...] = (("feedback", "good"), ("feedback", "bad"), ("feedback", "none"))
"""The marks of runs that have feedback; each of them has one."""

_PATIENCE = 10.0  # seconds for work that nobody waits for
_PAGE = 500
_MOST_FEEDBACK = 500  # that a run is read with
_MOST_MARKED = 50  # feedbacks that the marks of a run are made of
_NEAR = 64  # questions that a search by meaning looks at
T = TypeVar("T")
Run = tuple[str, Body | None]
"""The id of a run, and the run unless it cannot be read."""


class Executions:
    """The runs of one namespace; lives on the home loop.

    Args:
        store: The store behind its part.
        documents: Of that store.
        questions: Finds runs by meaning.
        feedback: What was said of them.
        config: The secret.
    """

    def __init__(
        self,
        store: Part,
        documents: Documents,
        questions: ExecutionQuestions,
        feedback: KeptFeedback,
        config: FabricConfig,
    ) -> None:
        self._store = store
        self._documents = documents
        self._kept = ExecutionDocuments(documents, config.secret)
        self._questions = questions
        self._feedback = feedback
        self._secret = config.secret

    async def keep(self, drafts: Sequence[bytes], is_waited: bool) -> list[Exception | None]:
        """Keep encoded drafts in one write; returns for each what is wrong with it, if anything.

        Raises `Degraded` where the store did not take them in its time; if somebody waits, the
        store's own error.
        """
        bodies: dict[str, Body] = {}
        events: dict[str, Event] = {}
        faults: list[Exception | None] = []
        for data in drafts:
            await asyncio.sleep(0)  # lookups take turns with the checks of large runs
            try:
                one = checked(msgspec.msgpack.decode(data))
            except ValidationError as error:
                faults.append(error)
                continue
            faults.append(None)
            if isinstance(one, Body):
                bodies[one.execution_id] = one
            else:
                events[one.key] = one
        await self._write(list(bodies.values()), events, is_waited)
        return faults

    async def put(self, bodies: Sequence[Body]) -> None:
        """Keep runs that were read from a file; raises `BackendError`."""
        await self._write(list(bodies), {}, is_waited=True)

    async def get(self, execution_id: str) -> Execution | None:
        """Return a run with its feedback, or ``None``; raises `CodecError` if it is unreadable."""
        execution = await self.read(execution_id)
        if execution is None:
            return None
        newest = await self._feedback.newest(execution_id, _MOST_FEEDBACK)
        return replace(execution, feedback=tuple(reversed(newest)))

    async def read(self, execution_id: str) -> Execution | None:
        """As `get`, without the feedback."""
        check_id(execution_id, "execution_id")
        body = await self._store.demand(lambda: self._kept.get(execution_id))
        return None if body is None else execution_of(body)

    async def search(self, sought: Sought, limit: int, cursor: str | None) -> Page[Execution]:
        """Return a page of the newest runs that match, without their feedback."""
        query = sought.query()
        _check_limit(limit)
        runs, after = await self._store.demand(lambda: self._kept.find(query, cursor, limit))
        return Page((execution_of(body) for _, body in runs if body is not None), after)

    async def search_like(self, like: Any, sought: Sought, limit: int) -> Page[Execution]:
        """Return runs that were asked what is near a text, nearest first.

        Raises `BackendError` where embedder or index failed, too.
        """
        if not isinstance(like, str) or not like.strip():
            raise ValidationError("like", f"expected text, got {like!r:.40}")
        _check_limit(limit)
        query = sought.query()
        found: list[Execution] = []
        for near in await self._questions.near(like, _NEAR):
            asked = replace(query, terms=query.terms | {("asked", near.id)})
            left = limit - len(found)
            if left == 0:
                break
            runs, _ = await self._store.demand(lambda: self._kept.find(asked, None, left))  # noqa: B023
            found += [
                replace(execution_of(body), similarity=near.similarity)
                for _, body in runs
                if body is not None
            ]
        return Page(found)

    async def pages(self, sought: Sought) -> AsyncIterator[list[Body]]:
        """Yield all runs that match, whole, in pages; those that cannot be read are left out."""
        query = sought.query()
        after: str | None = None
        while True:
            place = after
            runs, after = await self._store.demand(lambda: self._kept.find(query, place, _PAGE))  # noqa: B023
            bodies = [body for _, body in runs if body is not None]
            for body in bodies:
                await self._kept.add_steps(body)
            yield bodies
            if after is None:
                return

    async def count(self, query: Query) -> int:
        """Return how many runs match."""
        return await self._store.demand(lambda: self._kept.count(query))

    async def mark(self, execution_id: str) -> None:
        """Have a run found by what its newest feedbacks come to.

        Of several processes that mark it at once, the last has seen what all of them kept.
        """
        marked: list[bytes] | None = None
        while marked != (values := await self._feedback.values(execution_id, _MOST_MARKED)):
            terms, numbers = marks(self._feedback.read(values))
            await self._mark(execution_id, terms, numbers)
            marked = values

    async def put_feedback(self, feedback: Sequence[Feedback]) -> None:
        """Keep what was read from a file, and mark its runs; it acts on no answer."""
        await self._feedback.put(feedback)
        for execution_id in dict.fromkeys(one.execution_id for one in feedback):
            await self.mark(execution_id)

    async def feedback_among(self, bodies: Sequence[Body]) -> dict[str, list[Feedback]]:
        """Return all feedback of those runs that have some, by id, oldest first."""
        judged = await self.judged_among([(body.execution_id, body) for body in bodies])
        return {one: (await self._feedback.newest(one))[::-1] for one in sorted(judged)}

    async def judged_among(self, runs: Sequence[Run]) -> set[str]:
        """Return the ids of those runs of a page that have feedback."""
        times = [body.at for _, body in runs if body is not None]
        if not times:
            return set()
        since, until = min(times), math.nextafter(max(times), math.inf)
        judged: set[str] = set()
        for mark in JUDGED:
            query = Query(terms=frozenset({mark}), since=since, until=until)
            after: str | None = None
            while True:
                found, after = await self.find(query, after, _PAGE)
                judged |= {key for key, _ in found}
                if after is None:
                    break
        return judged & {key for key, _ in runs}

    async def find(
        self, query: Query, after: str | None, limit: int
    ) -> tuple[list[Run], str | None]:
        """Return a page of ids and runs for work in the background; raises `Degraded`."""
        return await self._store.attempt(lambda: self._kept.find(query, after, limit), _PATIENCE)

    async def delete(self, runs: Sequence[Run], *, with_feedback: bool) -> None:
        """Delete runs with their steps, their questions and, where there is any, their feedback.

        Raises `BackendError`, or `Degraded` where the index did not let go of a question.
        """
        unasked = await self._store.demand(
            lambda: self._kept.delete(runs, with_feedback=with_feedback)
        )
        await self._questions.remove(unasked)

    async def delete_events(self, query: Query) -> int:
        """Delete steps that were left by runs that nobody ended; returns how many there were."""
        return await self._store.demand(lambda: self._kept.delete_events(query))

    async def erase(self, subject: Subject) -> int:
        """Delete a subject's runs with all that hangs on them; returns how many there were.

        Raises as `delete` does; what was erased until then stays so.
        """
        query = Query(terms=subject.terms())
        count, after = 0, None
        while True:
            place = after
            runs, after = await self._store.demand(lambda: self._kept.find(query, place, _PAGE))  # noqa: B023
            await self.delete(runs, with_feedback=True)
            count += len(runs)
            if after is None:
                return count + await self.delete_events(query)

    async def reindex(self) -> None:
        """Queue the questions of the newest runs for the index anew, after it was emptied."""
        if not self._questions.indexed:
            return
        self._questions.start_anew()
        async for bodies in self.pages(Sought()):
            self._index(bodies)
            await self._questions.flush()
            if self._questions.is_full:
                return

    async def _mark(
        self, execution_id: str, terms: frozenset[Term], numbers: Mapping[str, float]
    ) -> None:
        await self._store.demand(
            lambda: self._documents.mark(EXECUTIONS, execution_id, terms=terms, numbers=numbers)
        )

    def _index(self, bodies: Iterable[Body]) -> None:
        for body in bodies:
            question, asked = question_of(body.state), asked_hash(body, self._secret)
            if question is not None and asked is not None:
                self._questions.add(body.execution_id, asked, question)

    async def _write(self, bodies: list[Body], events: dict[str, Event], is_waited: bool) -> None:
        def write() -> Coroutine[Any, Any, None]:
            return self._kept.write(bodies, events)

        if is_waited:
            await self._demanded(write)
        else:
            await self._store.attempt(write, _PATIENCE)
        self._index(bodies)

    async def _demanded(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what an explicit call does in its time; its errors are the caller's."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._store.demand(call)
        except TimeoutError as error:
            if isinstance(error, BackendTimeout):
                raise
            raise BackendTimeout("store", "track", f"not done in {_PATIENCE:g} s") from error


def _check_limit(limit: Any) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValidationError("limit", f"expected a whole number above 0, got {limit!r:.40}")
