"""What the demo's page plays on: one fabric, a model, a batch, three agents, a store with a switch.

Every request goes through the fabric as an application's would, and every figure that is told was
measured or counted here.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cache_fabric.demo.agents import Agents
from cache_fabric.demo.batch import Batch
from cache_fabric.demo.mix import DEFAULT_MIX, mixed
from cache_fabric.demo.switched import Switch
from cache_fabric.demo.traffic import DemoData
from cache_fabric.errors import BackendError, VersionConflict
from cache_fabric.fabric import CacheFabric
from cache_fabric.options import CacheOptions
from cache_fabric.replay import Model
from cache_fabric.types import Answer, CacheRequest, Hit, Miss, Usage

__all__ = ["Played", "Stage", "prompt_key"]

_EXAMPLES = 6


class ModelFailed(BackendError):
    """The model of the demo gave no answer."""

    def __init__(self, model: str, kind: str) -> None:
        super().__init__(model, "call", f"{kind}: are its key and its name right?")


Tell = Callable[[str, dict[str, Any]], None]


def prompt_key(app: str) -> str:
    """Return the context that holds an application's system prompt."""
    return f"router:{app}:system_prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What became of one text; ``ms`` is the whole way, with the model where it was asked."""

    text: str
    answer: str
    outcome: str
    ms: float
    tier: str | None = None
    similarity: float | None = None
    reason: str = ""
    saved: float | None = None
    cost: float | None = None
    tokens: int | None = None
    lookup_id: str | None = None
    entry_id: str | None = None
    execution_id: str | None = None
    context: dict[str, Any] | None = None
    asked_before: str | None = None


class Stage:
    """The demo behind its page.

    Args:
        fabric: Of the ``local`` preset, its store behind the switch.
        switch: Of that store.
        data: The questions.
        model: Answers requests.
        about: What the page says of the model: ``name``, ``simulated``, ``latency_ms`` ...
        priced_as: Name under which calls are made and priced.
        agents: The processes that run beside it.
    """

    def __init__(
        self,
        fabric: CacheFabric,
        switch: Switch,
        data: DemoData,
        model: Model,
        about: Mapping[str, Any],
        priced_as: str,
        agents: Agents,
    ) -> None:
        self._fabric = fabric
        self._switch = switch
        self._data = data
        self._model = model
        self._about = dict(about)
        self._name = priced_as
        self._agents = agents
        self._batches = 0
        self._batch: asyncio.Task[None] | None = None
        self.tell: Tell = lambda _kind, _data: None

    async def open(self) -> None:
        """Publish the prompts where there are none yet, and start the agents."""
        for app, prompt in self._data.system_prompts.items():
            with contextlib.suppress(VersionConflict):
                await self._fabric.set_context(
                    prompt_key(app), prompt, if_version=0, author="demo", message="as delivered"
                )
        await self._agents.start(lambda told: self.tell("agent", told))

    async def close(self) -> None:
        """Stop what runs."""
        self.stop_batch()
        await self._agents.stop()

    def about(self) -> dict[str, Any]:
        """Return what the page has to know at first."""
        groups = [group for group in self._data.groups if group.app == "moderation"]
        traps = [trap for trap in self._data.traps if trap.app == "moderation"]
        near = {trap.near: trap.question for trap in traps}
        texts = [text for group in groups[:3] for text in group.questions[:2]]
        trapped = next((pair for pair in near.items()), ())
        return {
            "model": {**self._about, "priced_as": self._name},
            "prompt_key": prompt_key("moderation"),
            "examples": [*texts[: _EXAMPLES - len(trapped)], *trapped],
            "mix": dict(DEFAULT_MIX),
            "store": "running" if self._switch.on else "stopped",
            "agents": self._agents.told(),
        }

    async def classify(self, text: str, *, fresh: bool = False) -> Played:
        """Answer a post through the cache, or from the model alone; the run is tracked."""
        if fresh:
            return await self._from_model(text, "moderation")
        return await self.ask(text, "moderation")

    async def ask(self, text: str, app: str) -> Played:
        """Send a text the way of an application's call: lookup, and on a miss model and store."""
        started = time.perf_counter()
        request, context = await self._request(text, app)
        found = await self._fabric.lookup(request)
        if isinstance(found, Hit):
            ms = 1e3 * (time.perf_counter() - started)
            return self._of_hit(text, app, found, ms, context)
        ticket = found.ticket if isinstance(found, Miss) else None
        try:
            answer, usage, seconds = await self._call(request)
        except BaseException:
            if ticket is not None:
                await self._fabric.release(ticket)
            raise
        entry_id = None
        if ticket is not None:
            entry_id = await self._fabric.store(ticket, answer, usage=usage, latency=seconds)
        ms = 1e3 * (time.perf_counter() - started)
        return Played(
            text=text,
            answer=answer.text,
            outcome="miss" if ticket is not None else "bypass",
            ms=ms,
            similarity=found.nearest.similarity
            if isinstance(found, Miss) and found.nearest
            else None,
            reason=found.reason,
            cost=self._cost(usage),
            tokens=None if usage is None else usage.input_tokens + usage.output_tokens,
            lookup_id=None if ticket is None else ticket.id,
            entry_id=entry_id,
            execution_id=self._track(text, app, answer.text, [found, entry_id], ms, usage),
            context=context,
        )

    def start_batch(self, mix: Mapping[str, int]) -> int:
        """Begin a batch, in place of one that runs; returns how many requests it has."""
        stream = mixed(self._data, mix, seed=self._batches)
        self._batches += 1
        self.stop_batch()
        batch = Batch(stream, self, self._data)
        self._batch = asyncio.create_task(batch.run(self.tell))
        return len(stream)

    def stop_batch(self) -> None:
        """End the batch that runs; idempotent."""
        if self._batch is not None:
            self._batch.cancel()

    async def turn_store(self, *, running: bool) -> None:
        """Stop the store under this fabric and all agents, or start it again."""
        self._switch.on = running
        await self._agents.turn(running=running)
        self.tell("demo", self.about())

    async def question_of(self, entry_id: str) -> str | None:
        """Return the question that a kept answer was first given to."""
        with contextlib.suppress(BackendError):
            entry = await self._fabric.get_entry(entry_id)
            return None if entry is None else entry.question
        return None

    async def _request(self, text: str, app: str) -> tuple[CacheRequest, dict[str, Any] | None]:
        entry = await self._fabric.known_context(prompt_key(app))
        prompt = self._data.system_prompts[app] if entry is None else entry.value  # type: ignore[index]
        messages = [{"role": "system", "content": prompt}, {"role": "user", "content": text}]
        request = CacheRequest(
            model=self._name,
            messages=messages,
            params={"app": app},
            options=CacheOptions(graph=app),
        )
        if entry is None:
            return request, None
        return request, {"key": entry.key, "version": entry.version}

    async def _call(self, request: CacheRequest) -> tuple[Answer, Usage | None, float]:
        started = time.perf_counter()
        try:
            said = self._model(request)
            answer, usage = await said
        except Exception as error:  # noqa: BLE001 - whatever the model raises
            # What a provider says may quote the prompt; its kind tells what to look for.
            raise ModelFailed(self._name, type(error).__name__) from None
        return answer, usage, time.perf_counter() - started

    async def _from_model(self, text: str, app: str) -> Played:
        request, context = await self._request(text, app)
        answer, usage, seconds = await self._call(request)
        return Played(
            text=text,
            answer=answer.text,
            outcome="fresh",
            ms=1e3 * seconds,
            reason="the model alone: neither looked up nor kept",
            cost=self._cost(usage),
            tokens=None if usage is None else usage.input_tokens + usage.output_tokens,
            context=context,
        )

    def _of_hit(
        self, text: str, app: str, hit: Hit, ms: float, context: dict[str, Any] | None
    ) -> Played:
        entry, usage = hit.entry, hit.entry.usage
        answer = str(entry.payload)
        return Played(
            text=text,
            answer=answer,
            outcome="hit",
            tier=hit.tier,
            similarity=hit.similarity,
            reason=hit.reason,
            ms=ms,
            saved=None if hit.saved_micros is None else hit.saved_micros / 1e6,
            tokens=None if usage is None else usage.input_tokens + usage.output_tokens,
            lookup_id=hit.lookup_id,
            entry_id=entry.id,
            execution_id=self._track(text, app, answer, [hit], ms, None),
            context=context,
            asked_before=entry.question if entry.question != text else None,
        )

    def _track(
        self, text: str, app: str, answer: str, answers: list[Any], ms: float, usage: Usage | None
    ) -> str:
        execution_id = f"demo-{secrets.token_hex(6)}"
        cost = self._cost(usage)
        state: dict[str, Any] = {
            "input": text,
            "output": answer,
            "status": "success",
            "seconds": ms / 1e3,
        }
        if usage is not None:
            state["tokens"] = usage.input_tokens + usage.output_tokens
        if cost is not None:
            state["cost"] = cost
        self._fabric.track_soon(execution_id, app, state, tags=["demo"], answers=answers)
        return execution_id

    def _cost(self, usage: Usage | None) -> float | None:
        if usage is None:
            return None
        micros = self._fabric.prices.cost_micros(self._name, usage)
        return None if micros is None else micros / 1e6
