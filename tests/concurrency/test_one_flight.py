"""Many callers in many colours, one model call; cancelled ones leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter

import pytest

from cache_fabric import CacheFabric, CacheRequest, FabricConfig, create_cache_fabric
from cache_fabric.instrumentation.events import Event, LookupEvent, StoreEvent
from cache_fabric.types import Ticket


def request(text: str = "How do I return an item?") -> CacheRequest:
    return CacheRequest(model="m", messages=[{"role": "user", "content": text}])


class Model:
    """Counts its calls and answers when everybody has asked."""

    def __init__(self, askers: int) -> None:
        self.calls = 0
        self._lock = threading.Lock()
        self._askers = threading.Barrier(askers + 1)
        self._all_asked = threading.Event()

    def asked(self) -> None:
        """Say that one more caller is about to ask."""
        self._askers.wait(30)

    def __call__(self) -> str:
        with self._lock:
            self.calls += 1
        self._all_asked.wait(30)
        return "By post."

    def release(self) -> None:
        """Wait for the askers, then let the model answer."""
        self._askers.wait(30)
        self._all_asked.set()


@pytest.fixture
def patient() -> CacheFabric:
    config = FabricConfig(exact_timeout=30, semantic_timeout=30, flight_timeout=60)
    return create_cache_fabric("memory", config=config)


async def test_fifty_tasks_make_one_call(patient: CacheFabric) -> None:
    calls = 0
    gate = asyncio.Event()

    async def model() -> str:
        nonlocal calls
        calls += 1
        await gate.wait()
        return "By post."

    tasks = [asyncio.create_task(patient.get_or_call(request(), model)) for _ in range(50)]
    while not calls:
        await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*tasks) == ["By post."] * 50
    assert calls == 1
    await patient.aclose()


def test_twenty_threads_and_two_event_loops_make_one_call(patient: CacheFabric) -> None:
    model = Model(askers=22)
    answers: list[str] = []

    def in_thread() -> None:
        model.asked()
        answers.append(patient.sync.get_or_call(request(), model))

    def in_loop() -> None:
        async def twenty() -> None:
            asking = [
                patient.get_or_call(request(), lambda: asyncio.to_thread(model)) for _ in range(20)
            ]
            answers.extend(await asyncio.gather(*asking))

        model.asked()
        asyncio.run(twenty())

    threads = [threading.Thread(target=in_thread) for _ in range(20)]
    threads += [threading.Thread(target=in_loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    model.release()
    for thread in threads:
        thread.join(60)
    assert answers == ["By post."] * 60
    assert model.calls == 1
    patient.sync.close()


async def test_a_failed_leader_hands_over_to_one_follower(patient: CacheFabric) -> None:
    calls = 0
    gate = asyncio.Event()

    async def model() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            await gate.wait()
            raise ConnectionError
        return "By post."

    tasks = [asyncio.create_task(patient.get_or_call(request(), model)) for _ in range(10)]
    while not calls:
        await asyncio.sleep(0)
    gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(f, ConnectionError) for f in found) == 1
    assert found.count("By post.") == 9
    assert calls == 2
    await patient.aclose()


async def test_callers_cancelled_at_random_leave_no_lease(patient: CacheFabric) -> None:
    rng = random.Random(1)

    async def model() -> str:
        await asyncio.sleep(rng.random() / 200)
        return "By post."

    async def caller(number: int) -> None:
        await patient.get_or_call(request(f"question {number % 20}"), model)

    tasks = [asyncio.create_task(caller(n)) for n in range(200)]
    for task in rng.sample(tasks, 120):
        await asyncio.sleep(rng.random() / 500)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    engine = patient._life().engine
    await patient.flush()
    assert len(engine.flights) == 0
    await patient.aclose()


async def test_each_lookup_ends_in_one_event_though_its_caller_leaves(
    patient: CacheFabric,
) -> None:
    heard: list[Event] = []
    patient.add_hook(heard.append)
    await patient.lookup(request("the contexts are known from here on"))
    gate = asyncio.Event()

    async def model() -> str:
        await gate.wait()
        return "By post."

    ticket = await patient.begin(request("begun and never looked up"))
    assert isinstance(ticket, Ticket)
    leader = asyncio.create_task(patient.get_or_call(request(), model))
    flights = patient._life().engine.flights
    while len(flights) < 2:  # the first lookup was left open
        await asyncio.sleep(0.001)
    followers = [asyncio.create_task(patient.lookup(request())) for _ in range(5)]
    while sum(len(flight.waiters) for flight in flights._flights.values()) < 5:
        await asyncio.sleep(0.001)
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    gate.set()
    await leader
    await patient.release(ticket)
    outcomes = Counter(event.outcome for event in heard if isinstance(event, LookupEvent))
    assert outcomes == {"miss": 2, "bypass": 6}
    assert [event.outcome for event in heard if isinstance(event, StoreEvent)] == ["stored"]
    figures = await patient.get_metrics()
    assert figures["requests_by_outcome"]["error"] == 0
    await patient.aclose()


def test_several_asyncio_runs_share_one_fabric(patient: CacheFabric) -> None:
    async def ask() -> str:
        answer: str = await patient.get_or_call(request(), lambda: "By post.")
        return answer

    assert [asyncio.run(ask()) for _ in range(3)] == ["By post."] * 3
    patient.sync.close()


async def test_a_blocking_call_inside_a_running_loop_works(patient: CacheFabric) -> None:
    assert patient.sync.get_or_call(request(), lambda: "By post.") == "By post."
    await patient.aclose()


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_forked_child_works_on_its_own(patient: CacheFabric) -> None:
    assert patient.sync.get_or_call(request(), lambda: "parent") == "parent"
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = patient.sync.get_or_call(request("in the child"), lambda: "child")
        os.write(write, answer.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"child"
    assert patient.sync.get_or_call(request(), lambda: "again") == "parent"
    patient.sync.close()


def test_sync_and_async_have_the_same_methods() -> None:
    import inspect

    from cache_fabric.sync import SyncCacheFabric

    def signatures(kind: type) -> dict[str, list[str]]:
        return {
            name: [
                str(p.replace(annotation=p.empty)) for p in inspect.signature(f).parameters.values()
            ]
            for name, f in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }

    blocking, awaiting = signatures(SyncCacheFabric), signatures(CacheFabric)
    awaiting["close"] = awaiting.pop("aclose")
    del awaiting["prompt"]  # a Runnable has both colours itself
    del awaiting["use_parts"]  # takes a coroutine; for servers, which are async
    assert blocking == awaiting
