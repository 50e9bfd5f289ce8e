"""A batch on the demo's stage: one request after the other, judged by its label."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from cache_fabric.demo.traffic import DemoData, Question
from cache_fabric.errors import CacheFabricError

__all__ = ["Batch"]


class _Played(Protocol):
    outcome: str
    tier: str | None
    ms: float
    similarity: float | None
    entry_id: str | None
    answer: str
    execution_id: str | None


class _Stage(Protocol):
    async def ask(self, text: str, app: str) -> Any: ...

    async def question_of(self, entry_id: str) -> str | None: ...


class Batch:
    """Asks the questions of a stream and tells after each how far it is.

    A hit is wrong if the question that its answer was first given to belongs to another group:
    judged by the question and not by the words of the answer, so that it holds for a real model.

    Args:
        stream: Labelled requests.
        stage: Asks them.
        data: Says to which group a question belongs.
    """

    def __init__(self, stream: Sequence[Question], stage: _Stage, data: DemoData) -> None:
        self._stream = stream
        self._stage = stage
        self._groups: dict[tuple[str, str], str] = {}
        for group in data.groups:
            self._groups |= {(group.app, text): group.id for text in group.questions}
        for trap in data.traps:
            self._groups[trap.app, trap.question] = trap.id
        self._ended: Counter[str] = Counter()
        self._wrong: list[dict[str, Any]] = []

    async def run(self, tell: Callable[[str, dict[str, Any]], None]) -> None:
        """Run to the end, until it is cancelled, or until the model fails, which is told."""
        traps, done = 0, 0
        try:
            for n, question in enumerate(self._stream, 1):
                last = await self._one(n, question)
                done, traps = n, traps + (question.kind == "trap")
                tell("batch", self._told(done, traps, last))
        except asyncio.CancelledError:
            tell("batch", {**self._told(done, traps, None), "stopped": True})
            raise
        except CacheFabricError as error:
            tell("batch", {**self._told(done, traps, None), "stopped": True, "error": str(error)})

    async def _one(self, n: int, question: Question) -> dict[str, Any]:
        played: _Played = await self._stage.ask(question.text, question.app)
        exact = played.tier != "semantic"
        self._ended[
            played.outcome if played.outcome != "hit" else "exact" if exact else "semantic"
        ] += 1
        last = {
            "n": n,
            "kind": question.kind,
            "outcome": played.outcome,
            "tier": played.tier,
            "ms": played.ms,
            "wrong": False,
        }
        if played.outcome != "hit" or exact:
            return last  # the same text in the same context
        source = await self._stage.question_of(played.entry_id or "")
        group = self._groups.get((question.app, source or ""), "unknown")
        if group != question.group:
            last["wrong"] = True
            self._wrong.append(
                {
                    "question": question.text,
                    "answered_as": source or "an answer that is gone",
                    "similarity": played.similarity,
                    "kind": question.kind,
                    "execution_id": played.execution_id,
                    "entry_id": played.entry_id,
                }
            )
        return last

    def _told(self, done: int, traps: int, last: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "done": done,
            "total": len(self._stream),
            "exact": self._ended["exact"],
            "semantic": self._ended["semantic"],
            "miss": self._ended["miss"],
            "bypass": self._ended["bypass"],
            "traps": traps,
            "wrong": list(self._wrong),
            "last": last,
        }
