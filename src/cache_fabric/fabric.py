"""The facade: one object with all capabilities, called from any thread and any loop.

What needs no I/O (keys, the hot tier) is done in the caller's thread; everything else takes one
hop to the home loop. A model is called nowhere but in `get_or_call`, in the caller's own colour.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cache_fabric.at_exit import run_at_exit
from cache_fabric.config import FabricConfig
from cache_fabric.erase import erase
from cache_fabric.fabric_answers import AnswerMethods
from cache_fabric.fabric_contexts import ContextMethods
from cache_fabric.fabric_display import DisplayMethods
from cache_fabric.fabric_executions import ExecutionMethods
from cache_fabric.fabric_feedback import FeedbackMethods
from cache_fabric.fabric_hooks import HookMethods
from cache_fabric.fabric_judged_contexts import JudgedContextMethods
from cache_fabric.fabric_metrics import MetricsMethods
from cache_fabric.fabric_parts import PartMethods
from cache_fabric.fabric_prompts import PromptMethods
from cache_fabric.fabric_values import ValueMethods
from cache_fabric.fabric_verdicts import VerdictMethods
from cache_fabric.fabric_watch import WatchMethods
from cache_fabric.instrumentation.events import EventHook
from cache_fabric.instrumentation.hooks import Hooks
from cache_fabric.instrumentation.metrics import Metrics
from cache_fabric.life import Life
from cache_fabric.parts import Parts
from cache_fabric.policy.base import Policy
from cache_fabric.pricing import PriceTable
from cache_fabric.receipt import Receipt
from cache_fabric.records import SimilarItem
from cache_fabric.subject import Subject
from cache_fabric.types import Bypass, CacheRequest, Hit, LookupResult, Miss, Ticket, Usage

if TYPE_CHECKING:
    from cache_fabric.sync import SyncCacheFabric

__all__ = ["CacheFabric"]

T = TypeVar("T")
_EXIT_PATIENCE = 5.0  # seconds that the end of a program may wait for the store


class CacheFabric(
    AnswerMethods,
    ContextMethods,
    DisplayMethods,
    ExecutionMethods,
    FeedbackMethods,
    HookMethods,
    JudgedContextMethods,
    MetricsMethods,
    PartMethods,
    PromptMethods,
    ValueMethods,
    VerdictMethods,
    WatchMethods,
):
    """Answers, contexts, executions and metrics over one store, index and embedder.

    Made by `create_cache_fabric`; nothing connects before the first use or `open`. Async methods
    work on any running loop; ``fabric.sync`` has the same methods, blocking. ``async with fabric``
    makes the running loop the home loop, so that no call hops, and closes the fabric at its end.

    Args:
        make_parts: Makes the backends; called again in a forked child.
        policy: Decides what may be served.
        config: Limits and budgets.
        prices: What tokens cost.
        hooks: Hear every event, from any thread.
        shadow: Decides beside the policy and serves nothing.
        judged_log: File for what labels showed.
    """

    def __init__(
        self,
        make_parts: Callable[[], Parts],
        *,
        policy: Policy,
        config: FabricConfig,
        prices: PriceTable,
        hooks: Iterable[EventHook] = (),
        shadow: Policy | None = None,
        judged_log: Path | None = None,
    ) -> None:
        self.config = config
        self.policy = policy
        self.shadow = shadow
        self.prices = prices
        self._judged_log = judged_log
        self._make_parts = make_parts
        self._metrics = Metrics()
        self._hooks = Hooks([self._metrics, *hooks])
        self._lock = threading.Lock()
        self._alive: Life | None = None
        self._refreshes: set[asyncio.Task[None]] = set()
        self._life()
        run_at_exit(self._close_at_exit)

    async def begin(self, request: CacheRequest) -> Ticket | Hit | Bypass:
        """Return the ticket that `lookup` takes, unless the request ends without I/O.

        For a host that has to know the keys of a request before it waits for an answer.
        """
        life = self._life()
        if life.contexts.live.view is None:
            await life.portal.run(lambda: life.know_contexts())
        return life.caller_side.begin(request)

    async def lookup(self, request: CacheRequest | Ticket) -> LookupResult:
        """Return the answer, or a miss with a ticket, or why the request is not for the cache.

        Takes a request, or the ticket that `begin` made of it. Never raises for a fault of a
        backend or of the request: that is a counted miss or bypass.
        """
        begun = request if isinstance(request, Ticket) else await self.begin(request)
        if not isinstance(begun, Ticket):
            return begun
        life = self._life()
        try:
            result = await life.portal.run(lambda: life.engine.lookup(begun))
        except BaseException as error:
            life.leave(begun, error)
            raise
        return life.caller_side.end(begun, life.caller_side.judge_age(begun, result))

    async def store(
        self,
        ticket: Ticket | CacheRequest,
        response: Any,
        *,
        usage: Usage | None = None,
        latency: float | None = None,
    ) -> str | None:
        """Keep the model's answer and hand it to everybody who waits for it.

        Args:
            ticket: Of the miss. A host that has none passes the request again.
            response: Plain data, or an `Answer`.
            usage: Tokens of the call.
            latency: Seconds of the call; measured from the ticket when not given.

        Returns:
            The entry's id, or ``None`` if the answer is not fit to be kept (unfinished, empty, an
            error, a tool call, too large). It can be read at once; it is written behind.
        """
        life = self._life()
        return life.settle(life.caller_side.prepare(ticket, response, usage, latency))

    async def release(self, ticket: Ticket, *, failed: bool = True) -> None:
        """Give a ticket back without an answer: the next waiter calls the model.

        Args:
            failed: False where a model does answer, but what it says is not for the cache.
        """
        life = self._life()
        if failed:
            life.caller_side.released(ticket)
        life.abandon(ticket)

    def joined(self, ticket: Ticket) -> Hit | Miss:
        """Count a caller who has a ticket of `begin` and read another one's answer as it came.

        In place of `lookup`, once that answer has ended; the same method in both colours. A miss
        if it was not kept.
        """
        return self._life().caller_side.joined(ticket)

    def bypass(self, model: str, reason: str) -> Bypass:
        """Count a call that a host cannot put to the cache; the same method in both colours."""
        return self._life().caller_side.bypass(model, reason)

    def unread(self, hit: Hit) -> None:
        """Take back what a hit saved whose answer a host cannot read, so that the model is called.

        The same method in both colours.
        """
        self._life().unread(hit)

    async def search_similar(
        self, query: str, limit: int = 10, *, tenant: str | None = None
    ) -> list[SimilarItem]:
        """Return contexts and answers near a text: ``item["key"]``, ``["similarity"]`` and so on.

        Raises `ValidationError` for an empty query, `BackendError` where a backend failed.
        """
        return await self._run(lambda life: life.similar.find(query, limit, tenant))

    async def similarity(self, one: str, two: str) -> float:
        """Return how near the embedder finds two texts: 1.0 for the same, 0 for unrelated ones."""
        vectors = await self._run(lambda life: life.engine.semantic.embed([one, two]))
        return float(vectors[0] @ vectors[1])

    async def erase(
        self, *, user: str | None = None, tenant: str | None = None, dry_run: bool = False
    ) -> Receipt:
        """Erase all that is kept of a user, of a tenant, or of one user of a tenant.

        Answers and their vectors, values, contexts, executions with their feedback, and what
        processes remember of them; then the bytes that files keep of what was deleted, which may
        take a minute for 100,000 answers. An answer is a user's if the request named the user, or
        if an execution of the user made it. It may be done again at any time.

        Args:
            user, tenant: Whose data; with both, of that user under that tenant.
            dry_run: Only count.

        Returns:
            What was erased, where, how many, and what remains until when.

        Raises:
            ValidationError: Nobody is named, or a name is none.
            BackendError: The store failed, and nothing was done.
            IncompleteErasure: Something failed; its ``receipt`` says what is done and what is not.
        """
        subject = Subject(tenant=tenant, user=user)
        hot_ttl = self.config.hot_ttl
        return await self._run(lambda life: erase(life, subject, hot_ttl=hot_ttl, dry_run=dry_run))

    @cached_property
    def sync(self) -> SyncCacheFabric:
        """The same methods, blocking."""
        from cache_fabric.sync import SyncCacheFabric

        return SyncCacheFabric(self)

    async def open(self) -> Self:
        """Open every backend now; raises what stands in the way, with what to do about it."""
        await self._run(lambda life: life.engine.open())
        return self

    async def flush(self) -> None:
        """Wait until everything handed in so far has been written; it is tried now.

        What the store does not take is dropped and counted, not kept for when it is back.
        """
        await self._run(lambda life: life.flush())

    async def aclose(self) -> None:
        """Write what waits, close what this fabric made; idempotent."""
        await self._stop_refreshes()
        await asyncio.to_thread(self._stop_page)  # its last answers may need this loop
        life = self._life()
        if not life.portal.closed:
            await life.portal.run(lambda: life.close())
            life.portal.close()

    def _close_at_exit(self) -> None:
        """Write what a program left waiting that ended without closing the fabric."""
        life = self._alive
        if life is not None and life.pid == os.getpid() and life.portal.has_thread:
            life.portal.call(lambda: life.close(_EXIT_PATIENCE))

    async def __aenter__(self) -> Self:
        self._life().portal.adopt()
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, call: Callable[[Life], Coroutine[Any, Any, T]]) -> T:
        life = self._life()
        return await life.portal.run(lambda: call(life))

    def _life(self) -> Life:
        life = self._alive
        if life is not None and life.pid == os.getpid():
            return life
        with self._lock:
            if self._alive is None or self._alive.pid != os.getpid():
                self._metrics.clear()
                self._alive = Life(
                    self._make_parts,
                    self.policy,
                    self.config,
                    self.prices,
                    self._hooks,
                    self._metrics,
                    self.shadow,
                    self._judged_log,
                )
            return self._alive
