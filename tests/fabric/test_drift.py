"""When answers change under a fabric, it stops to serve them by meaning, and recovers later."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    FabricConfig,
    Hit,
    Miss,
    Verified,
    create_cache_fabric,
)
from cache_fabric.instrumentation.events import Event, LabelEvent

TOPICS, MAX_ERROR, PHASE = 12, 0.05, 300


def embed(text: str) -> list[float]:
    """A direction for each topic, tilted a little by the wording."""
    topic = int(next((word for word in text.split() if word.isdigit()), "0"))
    angle = 2 * math.pi * topic / TOPICS + zlib.crc32(text.encode()) % 100 / 1_000
    return [math.cos(angle), math.sin(angle), 0.3]


@dataclass
class Traffic:
    """Wordings of a few topics; while it is turbulent no answer is ever given twice.

    Attributes:
        hits: Of each request, whether it was served by meaning.
        wrong: How many of these were served while no kept answer was right.
        labels: What the fabric's policy learned.
    """

    fabric: CacheFabric = field(init=False)
    draws: random.Random = field(default_factory=lambda: random.Random(3))
    hits: list[bool] = field(default_factory=list)
    wrong: int = 0
    labels: list[LabelEvent] = field(default_factory=list)

    async def run(self, count: int, *, turbulent: bool = False) -> float:
        """Return the share of the last 100 requests that was served by meaning."""
        for _ in range(count):
            await self._ask(turbulent)
        return sum(self.hits[-100:]) / 100

    async def _ask(self, turbulent: bool) -> None:
        topic, number = self.draws.randrange(TOPICS), len(self.hits)
        words = " ".join(self.draws.sample(["alpha", "beta", "gamma", "please", "now", "today"], 3))
        messages = [{"role": "user", "content": f"topic {topic} {words} w{'x' * (number % 40)}"}]
        found = await self.fabric.lookup(CacheRequest(model="m", messages=messages))
        if isinstance(found, Miss):
            answer = f"answer {topic} {number if turbulent else 'as ever'}"
            await self.fabric.store(found.ticket, answer)
            await self.fabric.flush()
            await self.fabric._run(lambda life: life.engine.learning.flush())
        served = isinstance(found, Hit) and found.tier == "semantic"
        self.hits.append(served)
        self.wrong += served and turbulent

    def probability(self) -> float:
        """How probably right the policy called the last 20 answers that got a label."""
        return sum(label.probability for label in self.labels[-20:]) / 20

    def hear(self, event: Event) -> None:
        if isinstance(event, LabelEvent):
            self.labels.append(event)


@pytest.fixture
async def traffic() -> AsyncIterator[Traffic]:
    traffic = Traffic()
    fabric = create_cache_fabric(
        "memory",
        embedder=embed,
        hooks=[traffic.hear],
        policy=Verified(max_error=MAX_ERROR, reask=0.1),
        config=FabricConfig(exact_timeout=30, semantic_timeout=30),
    )
    traffic.fabric = fabric
    async with fabric:
        yield traffic


async def test_answers_that_turn_bad_are_served_no_longer_until_they_are_good_again(
    traffic: Traffic,
) -> None:
    assert await traffic.run(PHASE) > 0.7
    trusted = traffic.probability()
    assert await traffic.run(PHASE, turbulent=True) < 0.1
    assert traffic.probability() < 0.5 < trusted
    assert await traffic.run(PHASE) > 0.4  # what the budget still pays for
    assert 0 < traffic.wrong <= 3 + MAX_ERROR * len(traffic.hits)
