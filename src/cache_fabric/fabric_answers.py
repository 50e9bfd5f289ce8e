"""The facade's methods on answers beyond lookup and store."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from cache_fabric.config import FabricConfig
from cache_fabric.context_answers import ContextAnswers, count_answers
from cache_fabric.explanation import EntryExplanation, LookupExplanation
from cache_fabric.life import Life
from cache_fabric.line_files import Place, Progress
from cache_fabric.scopes import Owner
from cache_fabric.selector import Selector
from cache_fabric.taken_back import Invalidation
from cache_fabric.types import CacheEntry, CacheRequest, Hit, LookupResult, Miss, Ticket
from cache_fabric.verdict_rules import State

__all__ = ["AnswerMethods"]

T = TypeVar("T")
Call = Callable[[], Awaitable[Any] | Any]
_log = logging.getLogger("cache_fabric")


class AnswerMethods:
    """Call through the cache, serve stale where that is allowed, list and take back answers."""

    config: FabricConfig
    _refreshes: set[asyncio.Task[None]]

    def _life(self) -> Life:
        raise AssertionError("the facade provides it")

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError("the facade provides it")

    async def lookup(self, request: CacheRequest) -> LookupResult:
        raise AssertionError("the facade provides it")

    async def store(self, ticket: Ticket | CacheRequest, response: Any) -> str | None:
        raise AssertionError("the facade provides it")

    async def release(self, ticket: Ticket) -> None:
        raise AssertionError("the facade provides it")

    async def get_or_call(self, request: CacheRequest, call: Call) -> Any:
        """Return the kept answer, or call the model, keep what it says and return that.

        While ``stale_while_revalidate`` lasts the caller that refreshes gets the stale answer too,
        and a task of the running loop calls the model (``fabric.sync`` calls it before it returns:
        it runs no code of a caller in another thread). While ``stale_if_error`` lasts a stale
        answer is returned in place of an ``Exception`` of the call.
        """
        result = await self.lookup(request)
        if isinstance(result, Hit):
            return result.entry.payload
        if not isinstance(result, Miss):
            return await _awaited(call)
        ticket = result.ticket
        window = self.config.stale_while_revalidate
        stale = self._life().caller_side.stale_of(ticket, window)
        if stale is not None:
            task = asyncio.create_task(self._refresh(ticket, call))
            self._refreshes.add(task)
            task.add_done_callback(self._refreshes.discard)
            return stale.payload
        return await self._answered(ticket, call)

    async def stale(self, ticket: Ticket) -> Hit | None:
        """Give a ticket back after a failed call, as `release` does.

        Returns:
            The expired answer of the same request, marked ``stale``, while ``stale_if_error``
            lasts; else ``None``, and the failure is the caller's.
        """
        life = self._life()
        found = life.caller_side.stood_in(ticket)
        life.abandon(ticket)
        return found

    async def get_entry(self, entry_id: str) -> CacheEntry | None:
        """Return a kept answer by its id, or ``None``."""
        return await self._run(lambda life: life.entry(entry_id))

    async def explain(
        self, of: str, *, texts: bool = False
    ) -> LookupExplanation | EntryExplanation:
        """Explain a lookup by its ``lookup_id``, or a kept answer by the id of its entry.

        Lookups are remembered in the process that made them: the last 1,000 that were judged by
        meaning, and the last 1,000 that were not.

        Args:
            of: The id.
            texts: Whether to show words of prompts and answers.

        Raises `NotFound` for an id that is neither, `BackendError` where the store failed.
        """
        return await self._run(lambda life: life.explanations.explain(of, texts))

    async def list_answers(
        self,
        *,
        context: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        state: State = "active",
        limit: int = 100,
    ) -> list[CacheEntry]:
        """Return the newest answers that fit all that is named; reads every one of them once.

        ``state`` is ``active``, ``quarantined`` (refused, can be restored) or ``pinned``.
        """
        selector = Selector(context=context, tenant=tenant, user=user, tag=tag, model=model)
        return await self._run(lambda life: life.invalidations.find(selector, state, limit))

    async def count_answers(
        self,
        contexts: Collection[str],
        *,
        tenant: str | None = None,
        progress: Progress | None = None,
    ) -> ContextAnswers:
        """Count the answers that stand on contexts as they are now, and what they cost.

        They are no longer found once another behaviour of the context is published. Pinned answers
        are not counted. Reads every kept answer once.

        Args:
            contexts: Keys; one that is not there has no answers.
            tenant: Whose contexts these are.
            progress: Called on the home loop with how many are read, of at most how many.

        Raises `BackendError` where the store failed.
        """
        owner = Owner(tenant)
        return await self._run(
            lambda life: count_answers(
                life.engine, life.invalidations, life.contexts.live, contexts, owner, progress
            )
        )

    async def invalidate(
        self,
        *,
        entry: str | None = None,
        context: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        dry_run: bool = False,
    ) -> Invalidation:
        """Delete the answers that fit all that is named, for good and in every process.

        Quarantined and pinned ones as well; the votes on them stay.
        An answer that a model is still giving, to a lookup made before, is handed to those who
        wait for it and not kept. Other processes hear of it through the change log at once, and
        within ``hot_ttl`` where they cannot.

        Args:
            entry: Id of one answer.
            context: Key of a context; the answers given under any version of it, in any scope.
            tenant, user, tag, model: As the request named them.
            dry_run: Only count.

        Raises:
            ValidationError: Nothing is named, or a value is no name.
            BackendError: The store failed.
        """
        selector = Selector(
            entry=entry, context=context, tenant=tenant, user=user, tag=tag, model=model
        )
        return await self._run(lambda life: life.invalidations.apply(selector, dry_run=dry_run))

    async def export_answers(
        self,
        place: Place,
        *,
        context: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        tag: str | None = None,
        model: str | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write the answers that fit all that is named as JSON lines, after a header.

        Those that are quarantined or pinned stay behind: elsewhere they would be ordinary answers.

        Args:
            place: A path, or an open file of text or bytes, which stays open.
            context, tenant, user, tag, model: As of `list_answers`.
            progress: Called on the home loop with how many are done, of at most how many.

        Returns:
            How many were written.

        Raises:
            ValidationError: A value is no name.
            OSError: The file cannot be written.
            BackendError: The store failed; what was written until then stays.
        """
        selector = Selector(context=context, tenant=tenant, user=user, tag=tag, model=model)
        return await self._run(lambda life: life.answer_files.write(place, selector, progress))

    async def import_answers(self, place: Place, *, progress: Progress | None = None) -> int:
        """Keep the answers of such a file, but for those that are expired, quarantined or older.

        They are found by their exact request and by meaning. The same file once more changes
        nothing. It brings back what was erased since it was written.

        Returns:
            How many are kept of it now.

        Raises:
            ValidationError: The file is of another namespace, embedder or secret, so that nothing
                of it would ever be found; or a line is not one of ours: the field names it, and
                those before it are kept.
            OSError: The file cannot be read.
            BackendError: Store, embedder or index failed; what was kept until then stays.
        """
        return await self._run(lambda life: life.answer_files.read(place, progress))

    async def clear(self) -> int:
        """Forget all answers of the namespace; returns how many.

        Contexts, executions and what policies have learned stay: what is a paraphrase here does not
        depend on the answers. So do pinned answers, which are people's words and not a model's; and
        what was quarantined can still be restored.
        """
        self._life().decisions.clear()
        return await self._run(lambda life: life.invalidations.clear())

    async def _answered(self, ticket: Ticket, call: Call) -> Any:
        try:
            response = await _awaited(call)
        except Exception:
            standing_in = await self.stale(ticket)
            if standing_in is None:
                raise
            return standing_in.entry.payload
        except BaseException:
            await self.release(ticket)
            raise
        await self.store(ticket, response)
        return response

    async def _refresh(self, ticket: Ticket, call: Call) -> None:
        """Answer a ticket that nobody waits for: a failure can only be logged."""
        try:
            await self.store(ticket, await _awaited(call))
        except Exception as error:  # noqa: BLE001 - the caller has its answer and has gone
            await self.release(ticket)
            _log.warning("a stale answer was not refreshed: %s", type(error).__name__)
        except BaseException:
            await self.release(ticket)
            raise

    async def _stop_refreshes(self) -> None:
        """End the refreshes of the running loop; those of other loops end with their loop."""
        here = asyncio.get_running_loop()
        mine = [task for task in self._refreshes if task.get_loop() is here]
        for task in mine:
            task.cancel()
        await asyncio.gather(*mine, return_exceptions=True)


async def _awaited(call: Call) -> Any:
    response = call()
    return await response if inspect.isawaitable(response) else response
