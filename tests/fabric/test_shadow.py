"""A shadow policy decides, learns and is counted; it serves nothing and breaks nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cache_fabric import (
    CacheFabric,
    CacheRequest,
    ExactOnly,
    Hit,
    Miss,
    Threshold,
    Verified,
    create_cache_fabric,
)
from cache_fabric.errors import ConfigurationError
from cache_fabric.instrumentation.events import Event, LookupEvent, ShadowEvent
from cache_fabric.options import CacheOptions
from cache_fabric.policy.base import Asked, Decision, Policy
from cache_fabric.policy.family import Family
from cache_fabric.types import Candidate
from fabric.conftest import PATIENT

Ask = Callable[..., CacheRequest]
OURS = "When does the shop in Bern open?"
CLOSE = "When does the shop in Bern open"
OTHER = "When does the shop in Bern close?"
SURE = Verified(max_error=0.2, reask=0)  # sure to serve what is as near as CLOSE


def fabric_of(policy: Policy, shadow: Policy, **options: Any) -> CacheFabric:
    return create_cache_fabric("memory", policy=policy, shadow=shadow, config=PATIENT, **options)


def state_of(fabric: CacheFabric) -> Family:
    """The state of the one shadow of the one family, as nothing public shows it."""
    slots = fabric._life().engine.learning.memory._slots
    (found,) = (slot.state for (policy, _), slot in slots.items() if policy == fabric.shadow)
    assert isinstance(found, Family)
    return found


async def settled(fabric: CacheFabric) -> None:
    """Wait until the labels of all answers so far are learned."""

    async def learned() -> None:
        await fabric._life().engine.learning.flush()

    await fabric._life().portal.run(learned)


async def asked(fabric: CacheFabric, request: CacheRequest, answer: str) -> Hit | Miss:
    """Look up, and answer a miss as a model would."""
    result = await fabric.lookup(request)
    assert isinstance(result, Hit | Miss)
    if isinstance(result, Miss):
        await fabric.store(result.ticket, answer)
        await fabric.flush()
        await settled(fabric)
    return result


@dataclass(frozen=True)
class Broken:
    """A policy with a bug."""

    name: ClassVar[str] = "broken"
    semantic: ClassVar[bool] = True
    floor: ClassVar[float] = 0.0

    def new_state(self, embedder: str) -> None:
        return None

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        raise ZeroDivisionError


@pytest.mark.parametrize("serving", [ExactOnly(), Threshold(1.0)])
async def test_a_would_be_hit_is_a_miss_that_is_counted_and_found_right(
    ask: Ask, serving: Policy
) -> None:
    async with fabric_of(serving, SURE) as fabric:
        await fabric.store(ask(OURS), "At nine.")
        await fabric.flush()
        assert isinstance(await asked(fabric, ask(CLOSE), "At nine."), Miss)
        assert (await fabric.get_metrics())["shadow"] == {
            **{"judged": 1, "hits": 1, "hit_rate": 100.0, "agreement": 0.0},
            **{"labelled": 1, "right": 100.0, "faults": 0},
        }


async def test_a_would_be_hit_that_the_fresh_answer_contradicts_is_found_wrong(ask: Ask) -> None:
    async with fabric_of(ExactOnly(), SURE) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        await asked(fabric, ask(CLOSE), "ten")
        shadow = (await fabric.get_metrics())["shadow"]
        assert (shadow["hits"], shadow["labelled"], shadow["right"]) == (1, 1, 0.0)
        assert state_of(fabric).audit.wrong == 1.0


async def test_a_threshold_in_the_shadow_is_labelled_too(ask: Ask) -> None:
    async with fabric_of(ExactOnly(), Threshold(0.7)) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        await asked(fabric, ask(CLOSE), "nine")
        shadow = (await fabric.get_metrics())["shadow"]
        assert (shadow["hits"], shadow["labelled"], shadow["right"]) == (1, 1, 100.0)


async def test_the_shadow_sees_neighbors_below_the_serving_threshold_which_serving_does_not(
    ask: Ask,
) -> None:
    async with fabric_of(Threshold(1.0), SURE) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        result = await fabric.lookup(ask(OTHER))
        assert isinstance(result, Miss)
        assert (result.reason, result.nearest) == ("not found", None)
        assert state_of(fabric).budget.judged == 1


async def test_it_spends_its_own_budget_on_would_be_hits_only(ask: Ask) -> None:
    async with fabric_of(Threshold(1.0), SURE) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        await fabric.lookup(ask(OTHER))
        assert state_of(fabric).budget.spent == 0.0
        await fabric.lookup(ask(CLOSE))
        assert state_of(fabric).budget.spent > 0.0
        assert state_of(fabric).budget.requests == 2


async def test_it_decides_and_spends_on_what_the_serving_policy_serves(ask: Ask) -> None:
    async with fabric_of(Threshold(0.7), SURE) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        assert isinstance(await fabric.lookup(ask(CLOSE)), Hit)
        shadow = (await fabric.get_metrics())["shadow"]
        assert (shadow["hits"], shadow["agreement"], shadow["labelled"]) == (1, 100.0, 0)
        assert state_of(fabric).budget.spent > 0.0


async def test_every_request_counts_once_in_the_account_of_the_shadow(ask: Ask) -> None:
    async with fabric_of(ExactOnly(), SURE) as fabric:
        for question in (OURS, OURS, CLOSE, OTHER, CLOSE):  # the first is no repeat of anything
            await asked(fabric, ask(question), "nine")
        await fabric.lookup(ask("Something else."))
        assert state_of(fabric).budget.requests == 6


async def test_a_label_moves_its_matcher_and_not_the_serving_policys(ask: Ask) -> None:
    async with fabric_of(Verified(max_error=0.0001, reask=0), SURE) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        await fabric.lookup(ask(CLOSE))
        learned = state_of(fabric).matcher.model.weights.copy()
        await asked(fabric, ask(OTHER), "ten")
        assert (state_of(fabric).matcher.model.weights != learned).any()
        assert len(fabric._life().engine.learning.memory._slots) == 2


async def test_a_fault_of_the_shadow_is_counted_and_touches_nothing(ask: Ask) -> None:
    async with fabric_of(Threshold(0.7), Broken()) as fabric:
        assert isinstance(await asked(fabric, ask(OURS), "nine"), Miss)
        hit = await fabric.lookup(ask(CLOSE))
        assert isinstance(hit, Hit)
        found = await fabric.get_metrics()
        assert (found["shadow"]["faults"], found["shadow"]["hits"]) == (2, 0)
        assert found["degraded"] == {}


async def test_a_failed_search_for_the_shadow_alone_is_no_degraded_request(ask: Ask) -> None:
    def fails(text: str) -> list[float]:
        raise OSError("gone")

    events: list[Event] = []
    async with create_cache_fabric(
        *("memory",), policy=ExactOnly(), config=PATIENT, embedder=fails
    ) as plain:
        expected = await plain.lookup(ask(OURS))
    made = fabric_of(ExactOnly(), SURE, embedder=fails, hooks=[events.append])
    result = await made.lookup(ask(OURS))
    await made.aclose()
    assert isinstance(result, Miss)
    assert isinstance(expected, Miss)
    assert (result.reason, result.degraded) == (expected.reason, expected.degraded)
    assert [type(event) for event in events] == [LookupEvent]


async def test_a_request_that_asks_for_the_shadows_policy_is_served_by_it(ask: Ask) -> None:
    async with fabric_of(ExactOnly(), SURE) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        options = CacheOptions(policy=SURE)
        assert isinstance(await fabric.lookup(ask(CLOSE, options=options)), Hit)
        assert (await fabric.get_metrics())["shadow"] is None


async def test_its_events_name_the_lookup(ask: Ask) -> None:
    events: list[Event] = []
    async with fabric_of(ExactOnly(), SURE, hooks=[events.append]) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        miss = await asked(fabric, ask(CLOSE), "nine")
    told = [event for event in events if isinstance(event, ShadowEvent)]
    assert [(e.outcome, e.agreed, e.right) for e in told] == [
        ("hit", False, None),
        ("hit", None, True),
    ]
    assert {event.lookup_id for event in told} == {miss.lookup_id}


async def test_without_a_shadow_there_are_no_figures_of_one() -> None:
    async with create_cache_fabric("memory") as fabric:
        assert (await fabric.get_metrics())["shadow"] is None


@pytest.mark.parametrize("shadow", ["verified", ExactOnly(), 0.9, Threshold(0.9)])
def test_a_shadow_that_makes_no_sense_is_refused(shadow: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^shadow: expected"):
        create_cache_fabric("memory", policy=Threshold(0.9), shadow=shadow)


async def test_labels_that_come_while_the_fabric_closes_are_in_what_it_leaves(
    ask: Ask, tmp_path: Path
) -> None:
    going = asyncio.Event()

    async def compared(fresh: str, kept: str) -> bool:
        await going.wait()
        return True

    shadow = Verified(max_error=0.2, reask=0, same_answer=compared)
    options = {"path": tmp_path, "index": "memory", "config": PATIENT}
    async with create_cache_fabric("local", policy=ExactOnly(), shadow=shadow, **options) as fabric:
        await fabric.store(ask(OURS), "nine")
        await fabric.flush()
        miss = await fabric.lookup(ask(CLOSE))
        assert isinstance(miss, Miss)
        await fabric.store(miss.ticket, "nine")
        asyncio.get_running_loop().call_later(0.01, going.set)
    async with create_cache_fabric("local", **options) as after:
        assert (await after.inspect()).metrics["shadow"]["labelled"] == 1
