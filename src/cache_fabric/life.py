"""What a fabric is made of inside one process: loop, engine, records; made anew after a fork."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from cache_fabric.answer_files import AnswerFiles
from cache_fabric.caller_side import CallerSide, Prepared
from cache_fabric.config import FabricConfig
from cache_fabric.context_erasure import ContextErasure
from cache_fabric.context_scores import ContextScores
from cache_fabric.contexts import Contexts
from cache_fabric.datasets import Datasets
from cache_fabric.decisions import Decisions
from cache_fabric.embedding_bill import EmbeddingBill
from cache_fabric.engine import Engine
from cache_fabric.errors import CacheFabricError
from cache_fabric.explanations import Explanations
from cache_fabric.feedback import Feedbacks
from cache_fabric.fleet import Fleet
from cache_fabric.instrumentation.events import Event, ReversalEvent
from cache_fabric.instrumentation.hooks import Content, Hooks, no_content
from cache_fabric.instrumentation.metrics import Metrics
from cache_fabric.invalidation import Invalidations
from cache_fabric.judged_log import JudgedLog
from cache_fabric.kept_feedback import KeptFeedback
from cache_fabric.kept_sums import KeptSums
from cache_fabric.kept_values import KeptValues
from cache_fabric.label_guards import LabelGuards
from cache_fabric.ledger import Inspection, Ledger
from cache_fabric.local_copies import LocalCopies
from cache_fabric.parts import Parts
from cache_fabric.policy.base import Policy
from cache_fabric.policy.verified import Verified
from cache_fabric.portal import Portal
from cache_fabric.pricing import PriceTable
from cache_fabric.recipes import Recipes
from cache_fabric.reindex import Progress, Reindexed, reindex
from cache_fabric.replay import Replays
from cache_fabric.replay_plan import ReplayPlans
from cache_fabric.scopes import Owner
from cache_fabric.semantic_tier import SemanticTier
from cache_fabric.similar import SimilarSearch
from cache_fabric.tracking import Tracking
from cache_fabric.types import CacheEntry, Hit, Ticket
from cache_fabric.verdicts import Verdicts

__all__ = ["Life"]


class Life:
    """One process's share of a fabric.

    Args:
        make_parts: Makes the backends; connects nothing.
        policy: Decides what may be served.
        config: Limits and budgets.
        prices: What tokens cost.
        hooks: Are told every event.
        metrics: One of them: the sums of this process.
        shadow: Decides beside the policy and serves nothing.
        judged_log: File for what labels showed.
    """

    def __init__(
        self,
        make_parts: Callable[[], Parts],
        policy: Policy,
        config: FabricConfig,
        prices: PriceTable,
        hooks: Hooks,
        metrics: Metrics,
        shadow: Policy | None = None,
        judged_log: Path | None = None,
    ) -> None:
        self.pid = os.getpid()
        self._config = config
        self.portal = Portal()
        self._judged_log = None
        self._heard = [hooks]
        if judged_log is not None:
            learns = isinstance(policy, Verified)
            self._judged_log = JudgedLog(judged_log, shadow=not learns)
            self._heard.append(Hooks([self._judged_log]))
        self.parts = parts = make_parts()
        bill = EmbeddingBill(parts.embedder, prices, self._emit)
        self.engine = Engine(
            store=parts.store,
            semantic=SemanticTier(parts.index, parts.embedder, config, bill.count),
            policy=policy,
            config=config,
            emit=self._emit,
            shadow=shadow,
        )
        self.values = KeptValues(self.engine.store, parts.store, config, self._emit)
        self.contexts = Contexts(
            self.engine.store, parts.store, config.secret, self.engine.verdicts, self._emit
        )
        self.fleet = Fleet(
            config.agent, self.contexts.live, self.engine.store, parts.store, config.secret
        )
        self.decisions = Decisions()
        self.caller_side = CallerSide(
            self.engine, self.contexts.live, config, prices, hooks, self.decisions
        )
        self.similar = SimilarSearch(self.engine, self.contexts)
        self.ledger = Ledger(self.engine.store, parts.store, config)
        self.sums = KeptSums(
            metrics, self.engine.store, parts.store, config.secret, self.portal.post
        )
        feedback = KeptFeedback(self.engine.store, parts.store.documents, config.secret)
        self.tracking = Tracking(
            self.engine.store,
            parts.store,
            self.engine.semantic,
            feedback,
            config,
            indexed=policy.semantic or shadow is not None,
            post=self.portal.post,
            tell=self._emit,
        )
        self._judge_answers(feedback)
        self._judge_contexts(feedback, prices)
        self._take_back()

    def _judge_answers(self, feedback: KeptFeedback) -> None:
        """Make what feedback does to answers."""
        engine, records, config = self.engine, self.parts.store, self._config
        self.verdicts = Verdicts(engine, self.contexts.live, records, config, self._emit)
        self.explanations = Explanations(engine, self.decisions, self.verdicts.cases, config.secret)
        runs = self.tracking.executions
        self.feedback = Feedbacks(feedback, runs.read, runs.mark, self.verdicts.vote, self._emit)

    def _judge_contexts(self, feedback: KeptFeedback, prices: PriceTable) -> None:
        """Make what feedback and replays say of the versions of contexts."""
        engine, records, config = self.engine, self.parts.store, self._config
        runs, contexts = self.tracking.executions, self.contexts
        self.scores = ContextScores(feedback, contexts.live)
        self.label_guards = LabelGuards(
            contexts, feedback, engine.store, records, config.secret, self._emit
        )
        self.datasets = Datasets(feedback, runs)
        self.recipes = Recipes(engine.store, records, config, self.portal.post)
        plans = ReplayPlans(engine, contexts, runs, self.recipes, config)
        self.replays = Replays(plans, engine, contexts, self.recipes, config, prices)

    def _take_back(self) -> None:
        """Make what takes answers and data back, and out to files."""
        engine, records, config = self.engine, self.parts.store, self._config
        self.invalidations = Invalidations(
            engine, self.contexts.live, records, self.verdicts.keeping, config.secret
        )
        self.answer_files = AnswerFiles(engine, self.invalidations, self.contexts.live, config)
        self.context_erasure = ContextErasure(engine.store, records, config.secret)
        self.local_copies = LocalCopies(
            engine.store,
            records,
            config.secret,
            contexts=self.contexts,
            values=self.values,
            decisions=self.decisions,
            similar=self.similar,
            sums=self.sums,
        )

    async def know_contexts(self) -> None:
        """Load the live view before a first lookup, so that its partition is the right one."""
        await self.contexts.live.load_quietly(self._config.exact_timeout)

    async def entry(self, entry_id: str) -> CacheEntry | None:
        """Return an answer that is kept, and that no verdict speaks against."""
        await self.contexts.live.load()
        return await self.engine.entry(entry_id)

    def settle(self, prepared: Prepared | Ticket | None) -> str | None:
        """Send an answer to the home loop, or give the lease up if it must not be kept."""
        if isinstance(prepared, Prepared):
            self.portal.post(self.engine.settle, prepared.ticket, prepared.entry, prepared.data)
            if prepared.entry.contexts:
                request = prepared.request
                known = self.contexts.live.known(Owner(request.tenant, request.user))
                self.recipes.keep(request, prepared.entry, known)
            return prepared.entry.id
        if prepared is not None:
            self.abandon(prepared)
        return None

    def abandon(self, ticket: Ticket) -> None:
        """Give a lease up; idempotent, and harmless after the fabric was closed."""
        ticket.closed = True
        if not self.portal.closed:
            self.portal.post(self.engine.release, ticket)

    def leave(self, ticket: Ticket, error: BaseException) -> None:
        """Give up a lookup that did not come to its end; a fault is counted by who sees it."""
        if not isinstance(error, Exception):
            self.caller_side.left(ticket)
        self.abandon(ticket)

    def unread(self, hit: Hit) -> None:
        """Take back what a hit saved whose answer could not be read after all."""
        if hit.saved_tokens or hit.saved_micros:
            entry_id, tokens = hit.entry.id, hit.saved_tokens or 0
            self._emit(
                ReversalEvent(
                    entry_id=entry_id, execution_id="", micros=hit.saved_micros, tokens=tokens
                )
            )

    async def inspect(self) -> Inspection:
        """Count what is kept, with the runs that were handed in just now."""
        await self.tracking.queue.write_now()
        return await self.ledger.inspect(await self.sums.total())

    async def reindex(self, progress: Progress | None) -> Reindexed:
        """Make the index anew from the store: answers, then the questions of executions."""
        await self.contexts.live.load()  # what is pinned is found by meaning as well
        done = await reindex(self.engine, self.parts.store, progress)
        await self.tracking.reindex()
        return done

    def _emit(self, event: Event, content: Content = no_content, /) -> None:
        for hooks in self._heard:
            hooks.tell(event, content)

    async def write_now(self) -> bool:
        """Have what was handed in so far tried now, for who reads afterwards.

        Returns whether nothing of it waits for a store that is away.
        """
        written = await self.engine.queue.write_now()
        await self.values.flush()
        await self.recipes.flush()
        return await self.tracking.write_now() and written

    async def flush(self) -> None:
        """Wait until all that was handed in so far has been written or dropped."""
        await self.engine.queue.flush()
        await self.values.flush()
        await self.recipes.flush()
        await self.tracking.flush()

    async def close(self, patience: float = 10.0) -> None:
        """Write what waits, the sums and what was learned, then close what this fabric made."""
        with contextlib.suppress(TimeoutError, CacheFabricError):
            async with asyncio.timeout(patience):
                await self.engine.learning.flush()
                if self._judged_log is not None:
                    await self._judged_log.flush()
                await self.flush()
                await self.engine.leave()
                await self.sums.close()
                await self.fleet.close()
                await self.engine.learning.memory.write()
        self.engine.queue.stop()
        self.sums.stop()
        await self.tracking.stop()
        await self.fleet.stop()
        self.engine.learning.memory.stop()
        await self.contexts.live.stop()
        await self.engine.capacity.stop()
        await self.values.stop()
        await self.recipes.stop()
        for name in ("index", "embedder", "store"):
            if name in self.parts.owned:
                await getattr(self.parts, name).aclose()
