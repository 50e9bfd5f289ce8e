"""What is kept, and the sums of every process that has closed; they add up over processes."""

from __future__ import annotations

import secrets
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
from cache_fabric.stores.base import Store, Write
from cache_fabric.stores.documents import Query

__all__ = ["Inspection", "Ledger"]

_SUMS = "m/"


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
    """The sums in the store; the arguments are those of `Contexts`."""

    def __init__(self, store: Part, records: Store, config: FabricConfig) -> None:
        self._store = store
        self._records = records
        self._secret = config.secret
        self._mine = _SUMS + secrets.token_hex(8)

    async def keep(self, totals: Totals) -> None:
        """Write this process's sums, if it measured anything."""
        if not (totals.outcomes or totals.values):
            return
        data = codec.pack(totals.plain(), self._secret)
        await self._store.demand(lambda: self._records.set_many([Write(self._mine, data)]))

    async def inspect(self, mine: Totals) -> Inspection:
        """Count what is kept; reads every answer once."""
        await self._store.open()
        models: Counter[str] = Counter()
        size = 0
        async for _, data in self._records.scan(ANSWERS):
            size += len(data)
            models[self._model(data)] += 1
        total = Totals()
        total.add(mine)
        async for key, data in self._records.scan(_SUMS):
            if key != self._mine:
                total.add(Totals.of(codec.unpack(data, self._secret)))
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
