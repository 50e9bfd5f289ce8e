"""A verifier is asked in the grey zone, within its budgets, and its word is learned."""

from __future__ import annotations

import asyncio
import io
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cache_fabric import CacheRequest, Hit, Miss, Opinion, Verified, create_cache_fabric
from cache_fabric.errors import ConfigurationError
from cache_fabric.explanation import LookupExplanation
from cache_fabric.instrumentation.events import Event, VerifierEvent
from cache_fabric.matcher.features import NAMES, TRAINED
from cache_fabric.matcher.weights import prior_for, read_weights, write_weights
from cache_fabric.policy.base import Asked
from cache_fabric.policy.family import Judgment
from cache_fabric.types import CacheEntry, Candidate
from fabric.conftest import PATIENT

Ask = Callable[..., CacheRequest]
OURS = "When does the shop in Bern open?"
VAGUE = "When can I go to the Bern shop?"
SURE = "When does the shop in Bern open"


async def looked_up(
    ask: Ask, question: str, **options: Any
) -> tuple[list[Event], LookupExplanation, dict[str, Any]]:
    """Look a question up beside one kept answer, with a policy that may ask every time."""
    events: list[Event] = []
    policy = Verified(reask=0, **{"verifier_share": 1.0, "max_error": 0.0001, **options})
    async with create_cache_fabric(
        "memory", policy=policy, config=PATIENT, hooks=[events.append]
    ) as fabric:
        await fabric.store(ask(OURS), "At nine.")
        await fabric.flush()
        result = await fabric.lookup(ask(question))
        assert isinstance(result, Hit | Miss)
        explained = await fabric.explain(result.lookup_id)
        assert isinstance(explained, LookupExplanation)
        return events, explained, (await fabric.get_metrics())["verifier"]


def told(explained: LookupExplanation) -> float | None:
    (feature,) = (one for one in explained.features if one.name == "verifier")
    return feature.value


async def in_doubt(question: str, kept: str, answer: str) -> float:
    assert (question, kept, answer) == (VAGUE, OURS, "At nine.")
    return 0.9


def in_doubt_in_a_thread(question: str, kept: str, answer: str) -> float:
    assert threading.current_thread().name == "cache-fabric-verifier"
    return 0.9


@pytest.mark.parametrize("verifier", [in_doubt, in_doubt_in_a_thread])
async def test_its_log_odds_are_a_feature_of_the_candidate_in_doubt(
    ask: Ask, verifier: Any
) -> None:
    _, explained, counts = await looked_up(ask, VAGUE, verifier=verifier)
    assert counts == {"answered": 1}
    assert told(explained) == pytest.approx(math.log(9))


async def test_it_is_not_asked_where_the_answer_is_served_anyway(ask: Ask) -> None:
    _, explained, counts = await looked_up(ask, SURE, verifier=in_doubt, max_error=0.2)
    assert (explained.outcome, counts, told(explained)) == ("hit", {}, 0.0)


async def test_without_one_nobody_is_asked(ask: Ask) -> None:
    _, explained, counts = await looked_up(ask, VAGUE)
    assert (counts, told(explained)) == ({}, 0.0)


async def broken(*texts: str) -> float:
    raise ZeroDivisionError


async def endless(*texts: str) -> float:
    await asyncio.Event().wait()
    return 1.0


async def nan(*texts: str) -> float:
    return math.nan


def hopeless(*texts: str) -> Any:
    return "yes"


@pytest.mark.parametrize(
    ("verifier", "outcome"),
    [(broken, "failed"), (nan, "failed"), (hopeless, "failed"), (endless, "timeout")],
)
async def test_one_that_fails_is_counted_and_the_decision_made_without_it(
    ask: Ask, verifier: Any, outcome: str
) -> None:
    events, explained, counts = await looked_up(
        ask, VAGUE, verifier=verifier, verifier_timeout=0.05
    )
    _, without, _ = await looked_up(ask, VAGUE)
    assert counts == {outcome: 1}
    assert [event.outcome for event in events if isinstance(event, VerifierEvent)] == [outcome]
    assert explained.scoring == without.scoring


async def test_a_plain_function_that_hangs_holds_no_lookup_and_no_exit(ask: Ask) -> None:
    gate = threading.Event()

    def hangs(*texts: str) -> float:
        gate.wait()
        return 1.0

    _, _, counts = await looked_up(ask, VAGUE, verifier=hangs, verifier_timeout=0.05)
    gate.set()
    assert counts == {"timeout": 1}


async def test_it_is_asked_about_its_share_of_the_judged_requests_at_most(ask: Ask) -> None:
    asked: list[str] = []

    async def verifier(question: str, *others: str) -> float:
        asked.append(question)
        return 0.5

    policy = Verified(max_error=0.0001, reask=0, verifier=verifier, verifier_share=0.25)
    async with create_cache_fabric("memory", policy=policy, config=PATIENT) as fabric:
        await fabric.store(ask(OURS), "At nine.")
        await fabric.flush()
        for times in range(20):
            await fabric.lookup(ask(VAGUE + "?" * times))
    assert 0 < len(asked) <= 5


def test_its_word_has_no_weight_at_first_and_gains_it_by_being_right() -> None:
    family = Verified(reask=0).new_state("")
    model, at = family.matcher.model, NAMES.index("verifier")
    assert model.weights[at] == 0.0
    entry = CacheEntry(
        id="e", exact="x", partition="p", question=OURS, payload="", model="m", created=0.0
    )
    for number in range(40):
        right = number % 2 == 0
        asked = Asked(VAGUE, str(number), None, False, ("e", 2.0 if right else -2.0))
        judged = family.decide(asked, [Candidate(entry, 0.7)]).judged
        assert isinstance(judged, Judgment)
        family.learn(judged, [right], "answer")
    assert model.weights[at] > 0.5


def test_a_weights_file_holds_nothing_of_it() -> None:
    weights, file = prior_for("another embedder"), io.BytesIO()
    write_weights(file, weights)
    read = read_weights(io.BytesIO(file.getvalue()))
    at = NAMES.index("verifier")
    assert (read.mean[at], read.scale[at], read.dense[at]) == (0.0, 1.0, 0.0)
    assert read.variances[at] > read.variances[0]
    assert read.dense == pytest.approx(weights.dense, rel=1e-6)
    with np.load(io.BytesIO(file.getvalue())) as held:
        assert held["names"].tolist() == list(TRAINED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verifier", "a name"),
        ("verifier_timeout", 0),
        ("verifier_timeout", math.inf),
        ("verifier_share", 0),
        ("verifier_share", 1.5),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}: expected"):
        Verified(**{name: value})


def test_a_shadow_has_no_verifier() -> None:
    with pytest.raises(ConfigurationError, match="shadow: expected no verifier"):
        create_cache_fabric("memory", shadow=Verified(verifier=in_doubt))


@pytest.mark.parametrize(
    ("cost", "micros"),
    [
        (0.00125, 1250), (0, 0), (None, None),
        (-1.0, None), (math.nan, None), (math.inf, None), ("1", None), (True, None),
    ],
)  # fmt: skip
async def test_it_may_say_what_it_cost(ask: Ask, cost: Any, micros: int | None) -> None:
    def priced(question: str, kept: str, answer: str) -> Opinion:
        return Opinion(0.9, cost=cost)

    events, explained, counts = await looked_up(ask, VAGUE, verifier=priced)
    (event,) = (one for one in events if isinstance(one, VerifierEvent))
    assert (event.cost_micros, counts) == (micros, {"answered": 1})
    assert told(explained) == pytest.approx(math.log(9))


async def test_a_priced_opinion_that_is_no_probability_is_a_failure_that_was_paid(
    ask: Ask,
) -> None:
    def wrong(question: str, kept: str, answer: str) -> Opinion:
        return Opinion(7.0, cost=0.001)

    events, _, counts = await looked_up(ask, VAGUE, verifier=wrong)
    (event,) = (one for one in events if isinstance(one, VerifierEvent))
    assert (event.cost_micros, counts) == (1000, {"failed": 1})
