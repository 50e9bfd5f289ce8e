"""A vote on what the policy chose is a lesson for it, and no sample for its audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Verified, create_cache_fabric
from cache_fabric.policy.base import Asked
from cache_fabric.policy.family import Family
from cache_fabric.types import Candidate, Hit
from voting import a_vote, answered, cast, hit

Ask = Callable[..., CacheRequest]
Q, Q_TOO = "How do I return an item?", "How can I return an item?"


@pytest.fixture
async def learning() -> AsyncIterator[CacheFabric]:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30)
    made = create_cache_fabric("memory", policy=Verified(reask=0.0), config=config)
    yield made
    await made.aclose()


def state(fabric: CacheFabric, found: Hit) -> Family:
    engine = fabric._life().engine
    assert found.asked is not None
    family: Family = engine.learning.memory.state(engine.policy, found.asked.family)
    return family


async def chances(fabric: CacheFabric, found: Hit) -> tuple[float, float]:
    """Probability and risk of the very choice, as the policy sees it now."""

    async def judged(life: Any) -> tuple[float, float]:
        family = state(fabric, found)
        assert found.asked is not None
        question = found.asked.question or ""
        vector = (await life.engine.semantic.embed([question]))[0]
        candidate = Candidate(found.entry, found.similarity)
        _, probability, stated = family._read(Asked(question, "x", vector), [candidate])
        return probability, stated * family.audit.factor

    return await fabric._run(judged)


async def verdicts(fabric: CacheFabric) -> dict[str, int]:
    counted: dict[str, int] = (await fabric.get_metrics())["verdicts"]
    return counted


@pytest.mark.parametrize(("verdict", "tighter"), [("bad", True), ("good", False)])
async def test_it_is_tighter_after_a_complaint_and_surer_after_praise(
    learning: CacheFabric, ask: Ask, verdict: str, tighter: bool
) -> None:
    await answered(learning, ask(Q))
    found = await hit(learning, ask(Q_TOO))
    before = await chances(learning, found)
    await cast(learning, a_vote(found, verdict))
    after = await chances(learning, found)
    assert (after[0] < before[0]) is tighter
    assert (after[1] > before[1]) is tighter
    assert (await verdicts(learning))["learned"] == 1


async def test_the_estimate_of_the_audit_takes_no_notice(learning: CacheFabric, ask: Ask) -> None:
    await answered(learning, ask(Q))
    found = await hit(learning, ask(Q_TOO))
    audit = state(learning, found).audit
    await cast(learning, a_vote(found))
    assert (audit.asked, audit.weight, audit.wrong, audit.stake) == (0, 0.0, 0.0, 1.0)
    assert (await learning.get_metrics())["wrong_semantic_hits"]["sampled"] == 0
    assert audit.factor > 1.0


async def test_praise_teaches_once_an_answer_and_a_complaint_once_a_question(
    learning: CacheFabric, ask: Ask
) -> None:
    await answered(learning, ask(Q))
    found = await hit(learning, ask(Q_TOO))
    for number in range(5):
        await cast(learning, a_vote(found, "good", by=f"fan {number}"))
    assert (await verdicts(learning))["learned"] == 1
    for number in range(5):
        await cast(learning, a_vote(found, by=f"critic {number}"))
    assert (await verdicts(learning))["learned"] == 2
    await cast(learning, a_vote(found, run="r"), a_vote(found, run="r"))
    assert (await verdicts(learning))["learned"] == 2


async def test_an_exact_hit_says_nothing_of_the_policys_choice(
    learning: CacheFabric, ask: Ask
) -> None:
    await answered(learning, ask(Q))
    await cast(learning, a_vote(await hit(learning, ask(Q))))
    assert (await verdicts(learning)) == {"quarantined": 1}


async def test_what_cannot_be_judged_again_is_counted(learning: CacheFabric, ask: Ask) -> None:
    entry_id = await answered(learning, ask(Q))
    found = await hit(learning, ask(Q_TOO))
    await learning.invalidate(entry=entry_id)
    await cast(learning, a_vote(found))
    assert (await verdicts(learning)) == {"quarantined": 1, "not learned": 1}
