"""Wordings of one question in flight share its call, and nobody waits for ever or for himself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, Hit, Miss, create_cache_fabric
from cache_fabric.policy import Decision, Refuse, Serve
from cache_fabric.policy.base import Asked
from cache_fabric.types import Candidate

TOPICS = {"return": [1.0, 0.0], "hours": [0.0, 1.0]}


class SameTopic:
    """Accepts every neighbor that is near enough to be read."""

    name = "same topic"
    semantic = True
    floor = 0.9

    def __init__(self) -> None:
        self.judged: list[Candidate] = []

    def new_state(self, embedder: str) -> None:
        return None

    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        self.judged += candidates
        return Serve(candidates[0], "same topic") if candidates else Refuse("none")


class Refusing(SameTopic):
    def decide(self, asked: Asked, candidates: Sequence[Candidate], state: Any = None) -> Decision:
        return Refuse("never", candidates[0])


def embed(text: str) -> list[float]:
    return TOPICS.get(text.split()[0], [0.7, 0.7])


def request(topic: str, number: int = 0, **more: Any) -> CacheRequest:
    messages = [{"role": "user", "content": f"{topic} in wording {number}"}]
    return CacheRequest(model="m", messages=messages, **more)


class Model:
    """Answers with the number of its call when it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.may_answer = asyncio.Event()

    async def __call__(self) -> str:
        self.calls += 1
        number = self.calls
        await self.may_answer.wait()
        return f"answer {number}"


Make = Callable[..., CacheFabric]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[CacheFabric] = []

    # Longer than any test may last: who waits for nothing fails by its time-out.
    def one(policy: SameTopic | None = None, *, budget: float = 3600.0) -> CacheFabric:
        config = FabricConfig(
            exact_timeout=30, semantic_timeout=30, flight_timeout=7200, join_paraphrases=budget
        )
        fabric = create_cache_fabric(
            "memory", policy=policy or SameTopic(), embedder=embed, config=config
        )
        made.append(fabric)
        return fabric

    yield one
    for fabric in made:
        await fabric.aclose()


def joined(fabric: CacheFabric) -> int:
    flights = fabric._life().engine.flights._flights.values()
    return sum(len(flight.joined) for flight in list(flights))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def start(fabric: CacheFabric, asked: CacheRequest, model: Model) -> asyncio.Task[Any]:
    """Start a call and return once it is with the model or waits for another wording."""
    before = model.calls + joined(fabric)
    task = asyncio.create_task(fabric.get_or_call(asked, model))
    await until(lambda: model.calls + joined(fabric) > before)
    return task


async def test_fifty_mixed_wordings_make_one_call(make: Make) -> None:
    fabric, model = make(), Model()
    tasks = [
        asyncio.create_task(fabric.get_or_call(request("return", number % 25), model))
        for number in range(50)
    ]
    await until(lambda: joined(fabric) == 24)
    model.may_answer.set()
    assert await asyncio.gather(*tasks) == ["answer 1"] * 50
    assert model.calls == 1
    figures = await fabric.get_metrics()
    assert (figures["misses"], figures["requests"]) == (1, 50)
    assert figures["hits"] + figures["coalesced"] == 49
    await fabric.flush()
    assert len(fabric._life().engine.flights) == 0


async def test_a_joined_answer_is_a_semantic_hit_of_the_right_question(make: Make) -> None:
    policy, model = SameTopic(), Model()
    fabric = make(policy)
    leading = await start(fabric, request("return", 1), model)
    waiting = asyncio.create_task(fabric.lookup(request("return", 2)))
    await until(lambda: joined(fabric) == 1)
    judged = policy.judged[-1]
    assert judged.entry.question == "return in wording 1"
    assert judged.entry.payload is None
    model.may_answer.set()
    await leading
    hit = await waiting
    assert isinstance(hit, Hit)
    assert (hit.tier, hit.entry.payload, hit.similarity) == ("semantic", "answer 1", 1.0)
    assert hit.reason == "in flight: same topic"


@pytest.mark.parametrize(
    "other",
    [
        request("hours", 2),
        request("return", 2, tenant="acme"),
        request("return", 2, params={"temperature": 1}),
    ],
    ids=["another question", "another tenant", "other parameters"],
)
async def test_what_is_not_near_or_not_the_same_context_is_not_joined(
    make: Make, other: CacheRequest
) -> None:
    fabric, model = make(), Model()
    tasks = [await start(fabric, asked, model) for asked in (request("return", 1), other)]
    assert model.calls == 2
    model.may_answer.set()
    await asyncio.gather(*tasks)


async def test_without_a_budget_or_with_a_refusal_everybody_calls(make: Make) -> None:
    for fabric in (make(budget=0.0), make(Refusing())):
        model = Model()
        tasks = [await start(fabric, request("return", number), model) for number in range(3)]
        assert model.calls == 3
        model.may_answer.set()
        await asyncio.gather(*tasks)


async def test_a_budget_ends_and_the_caller_goes_to_the_model(make: Make) -> None:
    fabric, model = make(budget=0.01), Model()
    tasks = [
        asyncio.create_task(fabric.get_or_call(request("return", number), model))
        for number in range(2)
    ]
    await until(lambda: model.calls == 2)
    model.may_answer.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("ending", ["cancelled", "failed", "released", "refused"])
async def test_a_leader_without_an_answer_frees_those_who_joined(make: Make, ending: str) -> None:
    fabric, model = make(), Model()
    leading = await fabric.lookup(request("return", 0))
    assert isinstance(leading, Miss)
    tasks = [
        asyncio.create_task(fabric.get_or_call(request("return", number), model))
        for number in range(1, 10)
    ]
    await until(lambda: joined(fabric) == 9)
    if ending == "cancelled":
        fabric._life().abandon(leading.ticket)
    elif ending == "refused":
        await fabric.store(leading.ticket, "")
    elif ending == "failed":
        assert await fabric.stale(leading.ticket) is None
    else:
        await fabric.release(leading.ticket)
    await until(lambda: joined(fabric) == 8)
    model.may_answer.set()
    assert await asyncio.gather(*tasks) == ["answer 1"] * 9
    assert model.calls == 1


async def test_a_leader_whose_task_is_cancelled_frees_those_who_joined(make: Make) -> None:
    fabric, model = make(), Model()
    leading = await start(fabric, request("return", 0), model)
    waiting = [await start(fabric, request("return", number), model) for number in (1, 2)]
    leading.cancel()
    await until(lambda: model.calls == 2)
    model.may_answer.set()
    assert await asyncio.gather(*waiting) == ["answer 2"] * 2


async def test_a_waiter_that_leaves_holds_nothing(make: Make) -> None:
    fabric, model = make(), Model()
    leading = await start(fabric, request("return", 0), model)
    waiting = await start(fabric, request("return", 1), model)
    follower = asyncio.create_task(fabric.get_or_call(request("return", 1), model))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    model.may_answer.set()
    assert await leading == await follower == "answer 1"
    await fabric.flush()
    assert len(fabric._life().engine.flights) == 0


async def test_a_caller_never_waits_for_itself(make: Make) -> None:
    fabric = make()
    one, two = [await fabric.lookup(request("return", number)) for number in range(2)]
    assert isinstance(one, Miss)
    assert isinstance(two, Miss)


async def test_callers_that_arrive_together_never_wait_in_a_ring(make: Make) -> None:
    fabric = make()

    async def model() -> str:
        await asyncio.sleep(0)
        return "answer"

    for round_number in range(30):
        asking = [
            fabric.get_or_call(request("return", number, tenant=str(round_number)), model)
            for number in (1, 2, 3, 3, 2, 1)
        ]
        assert await asyncio.gather(*asking) == ["answer"] * 6


def test_threads_join_each_other(make: Make) -> None:
    fabric = make()
    calls, answers = [], []
    may_answer = threading.Event()

    def model() -> str:
        calls.append(1)
        may_answer.wait(30)
        return "answer"

    def ask(number: int) -> None:
        answers.append(fabric.sync.get_or_call(request("return", number), model))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    while joined(fabric) < 9:
        pass
    may_answer.set()
    for thread in threads:
        thread.join(30)
    assert answers == ["answer"] * 10
    assert len(calls) == 1
