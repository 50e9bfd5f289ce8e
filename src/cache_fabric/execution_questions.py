"""The questions of executions, found by meaning: one vector for each question that was asked.

They lie in the fabric's index beside those of the answers, under a partition and ids of their own,
and are embedded after their executions have been written, so that nobody waits for it. Whoever
asks the same again shares the vector. Only so many are kept: above that, others make room.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from cache_fabric.config import FabricConfig
from cache_fabric.part import Degraded
from cache_fabric.semantic_tier import QUESTIONS, SemanticTier
from cache_fabric.types import Neighbor
from cache_fabric.write_behind import PendingWrite, WriteBehind

__all__ = ["ExecutionQuestions"]

_MOST = 50_000
"""Of the vectors that a process may hold of an index (200,000); the rest is for answers."""
_COUNTED_EVERY = 1_000
_AT_ONCE = 16  # texts embedded between two lookups
_REMEMBERED = 10_000
_REMEMBERED_FOR = 600.0  # seconds; another process may have removed a vector since
_PATIENCE = 10.0  # seconds for work that nobody waits for


class ExecutionQuestions:
    """The vectors of questions; lives on the home loop.

    Args:
        semantic: Embedder and index.
        config: Says whether executions are indexed.
        indexed: Whether the fabric looks for anything by meaning.
        lost: Hears of a question that is not found by meaning, and why.
    """

    def __init__(
        self,
        semantic: SemanticTier,
        config: FabricConfig,
        *,
        indexed: bool,
        lost: Callable[[str, str], None],
    ) -> None:
        self._semantic = semantic
        self._config = config
        self.indexed = indexed and config.index_executions
        self._known: OrderedDict[str, float] = OrderedDict()
        self._added = 0
        self._since_count = _COUNTED_EVERY
        self._queue = WriteBehind(
            self._write,
            lambda item, reason: lost(item.model, reason),
            max_entries=config.queue_entries,
            max_bytes=config.queue_bytes,
        )

    def add(self, execution_id: str, asked: str, question: str) -> None:
        """Queue a question under its hash, unless it is known already."""
        now = time.monotonic()
        if not self.indexed or self._known.get(asked, 0.0) > now - _REMEMBERED_FOR:
            return
        self._known[asked] = now
        self._known.move_to_end(asked)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._added += 1
        self._queue.put(
            PendingWrite(
                key=QUESTIONS + asked,
                data=question.encode(),
                ttl=None,
                model=execution_id,
                partition=self._semantic.questions,
                question=question,
            )
        )

    async def near(self, text: str, k: int) -> list[Neighbor]:
        """Return the hashes of the questions nearest to a text; raises `BackendError`."""
        await self._queue.flush()
        found = await self._semantic.near_questions(text, k)
        return [Neighbor(n.id.removeprefix(QUESTIONS), n.similarity) for n in found]

    async def remove(self, asked: Iterable[str]) -> None:
        """Forget questions that nobody has asked any more; raises `Degraded`."""
        gone = list(asked)
        for one in gone:
            self._known.pop(one, None)
        self._queue.discard([QUESTIONS + one for one in gone])
        if gone and (self.indexed or self._semantic.is_open):
            await self._semantic.remove([QUESTIONS + one for one in gone], _PATIENCE)

    def start_anew(self) -> None:
        """Note that the index was emptied."""
        self._known.clear()
        self._added = 0

    @property
    def is_full(self) -> bool:
        """True when so many were added since `start_anew` that others have to go."""
        return self._added >= _MOST

    async def flush(self) -> None:
        """Wait until what is queued has been indexed or dropped."""
        await self._queue.flush()

    async def _write(self, batch: Sequence[PendingWrite]) -> None:
        try:
            await self._semantic.ready(self._config.open_timeout)
            self._since_count += len(batch)
            if self._since_count >= _COUNTED_EVERY:
                self._since_count = 0
                surplus = await self._semantic.surplus_questions(_MOST, _PATIENCE)
                if surplus:
                    await self._semantic.remove(surplus, _PATIENCE)
            for start in range(0, len(batch), _AT_ONCE):
                await self._semantic.add(batch[start : start + _AT_ONCE], _PATIENCE)
        except Degraded:
            for item in batch:
                self._known.pop(item.key.removeprefix(QUESTIONS), None)
            raise
