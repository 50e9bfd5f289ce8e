"""The facade's methods on executions."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TypeVar

from cache_fabric.errors import FabricClosedError, ValidationError
from cache_fabric.execution_draft import checked, checked_names, draft, with_answers
from cache_fabric.execution_form import Body, execution_of
from cache_fabric.execution_terms import Sought
from cache_fabric.life import Life
from cache_fabric.line_files import Place, Progress
from cache_fabric.open_execution import OpenExecution, started
from cache_fabric.records import ContextEntry, Execution, Page
from cache_fabric.types import LookupResult

__all__ = ["ExecutionMethods"]

T = TypeVar("T")


class ExecutionMethods:
    """Track runs and find them."""

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def track_execution(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
        tenant: str | None = None,
        user: str | None = None,
        answers: Iterable[LookupResult | str | None] = (),
        durable: bool = False,
    ) -> Execution:
        """Keep a run; the same id replaces it, so that it may be tried again.

        Args:
            execution_id: Of the run, made by the caller.
            graph_name: What ran.
            state: Plain data: input, output, status, error, steps, tokens, cost, contexts, agent,
                conversation ... of at most 1 MiB. A text of 512 bytes and more is kept once,
                however many runs of the tenant hold it.
            tags: To find it by.
            tenant, user: Whose run it is.
            answers: What lookups returned for it, and ids that `store` returned: feedback on the
                run acts on these answers.
            durable: Wait until it is written; ``durability`` then says what the write survives.
                Else it is written behind, at the latest by `flush`, `aclose` or the next read of
                this process, and a loss is counted in ``get_metrics()["executions"]``.

        Raises:
            ValidationError: A name, or a state that cannot be encoded. Other faults of a state (a
                NaN, a key that is no text, its size) are found when it is written: with ``durable``
                they are raised, else it is a counted drop.
            BackendError: With ``durable``, where the store failed: the run may not be kept.
        """
        life = self._life()
        if life.portal.closed:
            raise FabricClosedError("this fabric is closed: make a new one")
        whole = with_answers(state, answers)
        run = checked_names(draft(execution_id, graph_name, whole, tags, tenant, user))
        if durable:
            checked(run)
            level = await self._run(lambda life: life.tracking.put_durably(execution_id, run))
            return replace(execution_of(Body(**run)), durability=level)
        if not life.tracking.put(execution_id, run):
            checked(run)  # says what is wrong with it, unless it is only that too many wait
        return execution_of(Body(**run))

    def track_soon(
        self,
        execution_id: str,
        graph_name: str,
        state: Mapping[str, Any],
        *,
        tags: Iterable[str] | None = None,
        tenant: str | None = None,
        user: str | None = None,
        answers: Iterable[LookupResult | str | None] = (),
    ) -> bool:
        """As `track_execution`, without waiting; the same method in both colours.

        The run is written behind, at the latest by `flush` or `aclose`. No fault reaches the
        caller: a run that cannot be kept (too many wait, not plain data, the store fails) is
        dropped, and ``get_metrics()["executions"]`` counts both. Returns whether it was queued.
        """
        # The run is worth more than what it says of its answers.
        with contextlib.suppress(ValidationError, AttributeError, TypeError):
            state = with_answers(state, answers)
        run = draft(execution_id, graph_name, state, tags, tenant, user)
        return self._life().tracking.put(execution_id, run)

    def start_execution(
        self,
        graph_name: str,
        *,
        execution_id: str | None = None,
        input: Any = None,  # noqa: A002 - the word of the record
        tags: Iterable[str] | None = None,
        tenant: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        conversation: str | None = None,
        contexts: Iterable[ContextEntry | Mapping[str, Any] | str] = (),
    ) -> OpenExecution:
        """Begin a run that tells of itself step by step; the same method in both colours.

        Args:
            graph_name: What runs.
            execution_id: Of the run; made here if not given.
            input: What it is given, as plain data.
            tags: To find it by.
            tenant, user: Whose run it is.
            agent: Who runs.
            conversation: What it belongs to.
            contexts: Versions of contexts that it uses: entries, ``key@version`` or mappings.

        Raises:
            ValidationError: A name is none.
        """
        name = secrets.token_hex(16) if execution_id is None else execution_id
        state = started(input, agent, conversation, contexts)
        run = checked_names(draft(name, graph_name, state, tags, tenant, user))
        return OpenExecution(self._life().tracking.put, run)

    async def get_execution(self, execution_id: str) -> Execution | None:
        """Return a run with its steps and its feedback, or ``None``.

        Raises:
            BackendError: The store failed.
            CodecError: What is kept under the id cannot be read: corrupt, or of another secret.
        """
        return await self._run(lambda life: life.tracking.get(execution_id))

    async def search_executions(  # noqa: PLR0913
        self,
        text: str | None = None,
        *,
        like: str | None = None,
        graph: str | None = None,
        agent: str | None = None,
        conversation: str | None = None,
        status: str | None = None,
        tag: str | None = None,
        user: str | None = None,
        tenant: str | None = None,
        outcome: str | None = None,
        context: str | None = None,
        feedback: str | None = None,
        since: datetime | float | None = None,
        until: datetime | float | None = None,
        min_cost: float | None = None,
        max_cost: float | None = None,
        min_score: float | None = None,
        max_score: float | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Execution]:
        """Return the newest runs that match everything asked for, a page at a time.

        They come without their feedback, and those that go on without their steps;
        `get_execution` has both. A run that cannot be read is passed over.

        Args:
            text: Words that all occur in input, output, error and graph name, or all in one long
                text of the run; without case and accents.
            like: What was asked, by meaning: the nearest of the 64 nearest questions come first,
                each with ``similarity``. There is one page of these.
            graph, agent, conversation, status, tag, user, tenant: Exactly.
            outcome: ``hit``, ``miss`` or ``bypass``, of any answer that the run was given.
            context: Key of a context that it used, or ``key@version``.
            feedback: ``good``, ``bad`` or ``none`` (without a verdict), that it got.
            since, until: ``since <= timestamp < until``: aware datetimes, or seconds.
            min_cost, max_cost: Dollars; unknown is not found.
            min_score, max_score: Mean score of its feedback, 0 to 1.
            limit: Most runs of a page.
            cursor: Of the page before.

        Raises:
            ValidationError: A field is not what it has to be, or a cursor goes with ``like``.
            BackendError: The store failed; with ``like`` also embedder or index.
        """
        sought = Sought(
            text=text,
            graph=graph,
            agent=agent,
            conversation=conversation,
            status=status,
            tag=tag,
            user=user,
            tenant=tenant,
            outcome=outcome,
            context=context,
            feedback=feedback,
            since=since,
            until=until,
            min_cost=min_cost,
            max_cost=max_cost,
            min_score=min_score,
            max_score=max_score,
        )
        return await self._run(lambda life: life.tracking.search(sought, like, limit, cursor))

    async def export_executions(
        self, place: Place, *, progress: Progress | None = None, **filters: Any
    ) -> int:
        """Write executions as JSON lines, newest first, with their steps and feedback.

        Args:
            place: A path, or an open file of text or bytes, which stays open.
            progress: Called on the home loop with how many are done, of how many.
            **filters: As of `search_executions`, but for ``like``, ``limit`` and ``cursor``.

        Returns:
            How many were written; those that cannot be read are passed over.

        Raises:
            ValidationError: A filter.
            OSError: The file cannot be written.
            BackendError: The store failed; what was written until then stays.
        """
        unknown = sorted(filters.keys() - {f.name for f in fields(Sought)})
        if unknown:
            raise ValidationError(unknown[0], "expected a filter of search_executions")
        return await self._run(lambda life: life.tracking.export(place, filters, progress))

    async def import_executions(self, place: Place, *, progress: Progress | None = None) -> int:
        """Keep the executions of such a file, in place of those of the same ids.

        The same file once more changes nothing.

        Returns:
            How many lines there were.

        Raises:
            ValidationError: A line is not one of ours; the field names it. Those before are kept.
            OSError: The file cannot be read.
            BackendError: The store failed; what was kept until then stays.
        """
        return await self._run(lambda life: life.tracking.files.read(place, progress))
