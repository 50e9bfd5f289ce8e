"""What is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from cache_fabric import codec
from cache_fabric.config import FabricConfig
from cache_fabric.errors import CodecError
from cache_fabric.exact_tier import ANSWERS
from cache_fabric.execution_documents import EXECUTIONS
from cache_fabric.instrumentation.metrics import figures
from cache_fabric.instrumentation.totals import Totals
from cache_fabric.live_contexts import HEADS
from cache_fabric.part import Part
from cache_fabric.stores.base import Store
from cache_fabric.stores.documents import Query

__all__ = ["Inspection", "Ledger"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a fabric holds and has measured.

    Attributes:
        answers: Kept answers by model.
        bytes: Bytes of all kept answers.
        executions: Tracked runs.
        contexts: Contexts, each counted once.
        metrics: The figures of `instrumentation.metrics.figures` over all processes.
    """

    answers: dict[str, int]
    bytes: int
    executions: int
    contexts: int
    metrics: dict[str, Any]


class Ledger:
    """Counts what the store holds; the arguments are those of `Contexts`."""

    def __init__(self, store: Part, records: Store, config: FabricConfig) -> None:
        self._store = store
        self._records = records
        self._secret = config.secret

    async def inspect(self, total: Totals) -> Inspection:
        """Count what is kept beside these sums; reads every answer once."""
        await self._store.open()
        models: Counter[str] = Counter()
        size = 0
        async for _, data in self._records.scan(ANSWERS):
            size += len(data)
            models[self._model(data)] += 1
        return Inspection(
            answers=dict(models.most_common()),
            bytes=size,
            executions=await self._records.documents.count(EXECUTIONS, Query()),
            contexts=len(await self._records.records(HEADS)),
            metrics=figures(total),
        )

    def _model(self, data: bytes) -> str:
        try:
            return codec.decode(data, self._secret).model
        except CodecError:
            return "(unreadable)"
