"""Runs a labelled traffic through a LangChain chain behind a fabric, and counts what happened."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from cache_fabric.demo.traffic import Question
from cache_fabric.fabric import CacheFabric
from cache_fabric.instrumentation.events import Event, LookupEvent
from cache_fabric.langchain import FabricCache

__all__ = ["DemoRun", "Outcome", "WrongHit"]


@dataclass(frozen=True, slots=True)
class WrongHit:
    """A served answer that belongs to another group than the question."""

    question: str
    answered_as: str
    tier: str
    similarity: float


@dataclass(slots=True)
class Outcome:
    """What a run did so far. Latencies are milliseconds of the whole chain, per request."""

    requests: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    degraded: int = 0
    wrong: list[WrongHit] = field(default_factory=list)
    hit_ms: list[float] = field(default_factory=list)
    miss_ms: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Return the figures of the run as plain data."""
        hits = self.hits.total()
        return {
            "requests": self.requests,
            "exact_hits": hits - self.hits["semantic"],
            "semantic_hits": self.hits["semantic"],
            "model_calls": self.requests - hits,
            "hit_rate": 100 * hits / self.requests if self.requests else None,
            "wrong_hits": len(self.wrong),
            "wrong_hit_rate": 100 * len(self.wrong) / self.requests if self.requests else None,
            "refused_near_misses": self.refused,
            "paraphrases": self.asked["paraphrase"],
            "paraphrases_answered_right": self.right["paraphrase"],
            "repeats": self.asked["repeat"],
            "repeats_answered_right": self.right["repeat"],
            "traps": self.asked["trap"],
            "degraded": self.degraded,
            "latency_hit_p50_ms": _median(self.hit_ms),
            "latency_miss_p50_ms": _median(self.miss_ms),
        }


class DemoRun:
    """One traffic through ``prompt | model | parser``, one request at a time.

    Args:
        model: Asked on a miss; its ``cache`` is set to the fabric.
        fabric: Serves the answers.
        events: Where a hook of the fabric appends; they say how each request ended.
        stream: The labelled requests.
    """

    def __init__(
        self,
        model: BaseChatModel,
        fabric: CacheFabric,
        events: list[Event],
        stream: Sequence[Question],
    ) -> None:
        self.outcome = Outcome()
        self._stream = stream
        self._fabric = fabric
        self._groups = {(q.system_prompt, q.text): q.group for q in stream}
        self._events = events
        model.cache = FabricCache(fabric)
        prompt = ChatPromptTemplate.from_messages([("system", "{system}"), ("user", "{question}")])
        self._chain: Runnable[dict[str, str], str] = prompt | model | StrOutputParser()

    def __iter__(self) -> Iterator[Outcome]:
        """Ask one question after the other; yields the outcome so far after each."""
        for question in self._stream:
            self._events.clear()
            started = time.perf_counter()
            self._chain.invoke({"system": question.system_prompt, "question": question.text})
            self._count(question, 1e3 * (time.perf_counter() - started))
            yield self.outcome

    def _count(self, question: Question, milliseconds: float) -> None:
        outcome = self.outcome
        event = next((e for e in self._events if isinstance(e, LookupEvent)), None)
        outcome.requests += 1
        outcome.asked[question.kind] += 1
        if event is None or event.outcome != "hit":
            outcome.miss_ms.append(milliseconds)
            outcome.refused += event is not None and event.similarity is not None
            outcome.degraded += event is not None and event.degraded is not None
            return
        outcome.hit_ms.append(milliseconds)
        outcome.hits[event.tier or ""] += 1
        answered_as = self._answered_as(question, event)
        if answered_as != question.group:
            wrong = WrongHit(question.text, answered_as, event.tier or "", event.similarity or 0.0)
            outcome.wrong.append(wrong)
        else:
            outcome.right[question.kind] += 1

    def _answered_as(self, question: Question, event: LookupEvent) -> str:
        """Return the group of the question that the served answer was first given to.

        Judged by the question and not by the words of the answer, so that it holds for a real
        model too, whose every answer reads differently.
        """
        if event.tier != "semantic":
            return question.group  # the same text in the same context
        entry = self._fabric.sync.get_entry(event.entry_id or "")
        source = entry.question if entry is not None else None
        return self._groups.get((question.system_prompt, source or ""), "unknown")


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None
