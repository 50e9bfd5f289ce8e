"""One model call over real processes on one store; killed leaders, hung and dead servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cache_fabric import (
    CacheRequest,
    ExactOnly,
    Miss,
    create_cache_fabric,
)
from cache_fabric.stores.redis import RedisStore
from servers import Server, eventually, running

ASK = """
import asyncio, json, os, sys
from pathlib import Path
from cache_fabric import CacheRequest, ExactOnly, FabricConfig, Verified, create_cache_fabric
from cache_fabric.stores.redis import RedisStore
from cache_fabric.stores.sqlite import SqliteStore

url, folder, name, callers, cap, tenant, ending = sys.argv[1:]
folder = Path(folder)

def say(word):
    print(word, flush=True)

def watched(kind):
    class Watched(kind):
        said = False

        async def get_many(self, keys):
            values = await super().get_many(keys)
            if not self.said and any(key.startswith("l/") for key in keys):
                Watched.said = True
                say("in flight")
            return values

    return Watched

async def model():
    calls = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(calls, f"{name}\\n".encode())
    os.close(calls)
    while not (folder / "gate").exists():
        await asyncio.sleep(0.005)
    if ending == "fails":
        raise ConnectionError("the model is down")
    return f"answer of {name}"

async def ask(fabric):
    messages = [{"role": "user", "content": "How do I return an item?"}]
    request = CacheRequest(model="m", messages=messages, tenant=tenant or None)
    try:
        return await fabric.get_or_call(request, model)
    except ConnectionError as error:
        return str(error)

async def main():
    config = FabricConfig(exact_timeout=60, semantic_timeout=60, flight_timeout=float(cap))
    if url.startswith("redis"):
        store, policy = watched(RedisStore)(url, "n", request_timeout=60), Verified()
    else:
        store, policy = watched(SqliteStore)(url, "n"), ExactOnly()
    await store.open()
    async with create_cache_fabric("memory", store=store, policy=policy, config=config) as fabric:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        answers = await asyncio.gather(*(ask(fabric) for _ in range(int(callers))))
    await store.aclose()
    say(json.dumps(answers))

asyncio.run(main())
"""


MESSAGE = {"role": "user", "content": "How do I return an item?"}


class Asker:
    """A process whose callers all ask one question when it is told to."""

    def __init__(
        self, url: str, folder: Path, name: str, *, callers: int, cap: float, **more: str
    ) -> None:
        self.name = name
        told = {"tenant": "", "ending": "answers", **more}
        arguments = [url, folder, name, callers, cap, told["tenant"], told["ending"]]
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answers(self) -> list[str]:
        output, _ = self.process.communicate(timeout=100)
        assert self.process.returncode == 0
        answers: list[str] = json.loads(output.splitlines()[-1])
        return answers


class Askers:
    """The processes of one test, and what their models were called for."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._all: list[Asker] = []

    def start(
        self, count: int = 1, *, callers: int, cap: float = 600.0, **more: str
    ) -> list[Asker]:
        """Start processes that wait for `ask`; ``cap`` is longer than the test may last."""
        first = len(self._all)
        new = [
            Asker(self._url, self._folder, str(first + n), callers=callers, cap=cap, **more)
            for n in range(count)
        ]
        self._all += new
        for asker in new:
            asker.hear("ready")
        return new

    def ask(self, askers: Sequence[Asker]) -> None:
        """Let them ask, and return once each of them calls the model or waits for one that does."""
        for asker in askers:
            asker.go()
        for asker in askers:
            asker.hear("in flight")

    def calls(self) -> list[str]:
        """Names of the processes that called the model, one for each call."""
        file = self._folder / "calls"
        return file.read_text().split() if file.exists() else []

    def let_the_model_answer(self) -> None:
        (self._folder / "gate").touch()

    def end(self) -> None:
        for asker in self._all:
            asker.process.kill()
            asker.process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("valkey")) as one:
        yield one


@pytest.fixture(params=["redis", "sqlite"])
def askers(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Askers]:
    server.flush()
    made = Askers(server.url if request.param == "redis" else str(tmp_path / "s.db"), tmp_path)
    yield made
    made.end()


def test_fifty_callers_in_each_of_four_processes_make_one_call(askers: Askers) -> None:
    asking = askers.start(4, callers=50)
    askers.ask(asking)
    askers.let_the_model_answer()
    answers = [answer for asker in asking for answer in asker.answers()]
    assert len(askers.calls()) == 1
    assert answers == [f"answer of {askers.calls()[0]}"] * 200


def test_a_killed_leader_costs_one_more_call_and_nobody_their_answer(askers: Askers) -> None:
    (leader,) = askers.start(callers=10, cap=6.0)
    others = askers.start(3, callers=10, cap=6.0)
    askers.ask([leader])
    eventually(askers.calls, "the first call")
    askers.ask(others)
    leader.process.send_signal(signal.SIGKILL)
    askers.let_the_model_answer()
    answers = [answer for asker in others for answer in asker.answers()]
    assert len(askers.calls()) == 2
    assert answers == [f"answer of {askers.calls()[1]}"] * 30


def test_a_failed_leader_is_taken_over_from_at_once_in_every_process(askers: Askers) -> None:
    (leader,) = askers.start(callers=1, ending="fails")
    others = askers.start(2, callers=10)
    askers.ask([leader])
    eventually(askers.calls, "the first call")
    askers.ask(others)
    askers.let_the_model_answer()
    assert leader.answers() == ["the model is down"]
    answers = [answer for asker in others for answer in asker.answers()]
    assert len(askers.calls()) == 2
    assert answers == [f"answer of {askers.calls()[1]}"] * 20


def test_two_tenants_never_share_a_call(askers: Askers) -> None:
    acme, globex = (
        *askers.start(callers=5, tenant="acme"),
        *askers.start(callers=5, tenant="globex"),
    )
    askers.ask([acme, globex])
    askers.let_the_model_answer()
    for asker in (acme, globex):
        assert asker.answers() == [f"answer of {asker.name}"] * 5
    assert sorted(askers.calls()) == sorted([acme.name, globex.name])


class Interrupted(RedisStore):
    """A store whose server is hung or killed right before one of its calls."""

    def __init__(self, server: Server, call: str, number: signal.Signals) -> None:
        super().__init__(server.url, "n")
        for name in ("get", "add", "get_many"):
            setattr(
                self, name, self._interrupted(server, getattr(self, name), name == call, number)
            )

    def _interrupted(
        self, server: Server, call: Callable[..., Any], now: bool, number: signal.Signals
    ) -> Callable[..., Any]:
        async def interrupted(*arguments: Any) -> Any:
            if now:
                server.send(number)
            return await call(*arguments)

        return interrupted


@pytest.mark.parametrize("call", ["get", "add", "get_many"])
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["hung", "dead"])
async def test_a_server_that_goes_at_any_moment_costs_a_miss_its_budget_at_most(
    tmp_path: Path, call: str, number: signal.Signals
) -> None:
    times = []
    for attempt in range(3):  # the best: what the fabric does, not what else the machine was doing
        with running(tmp_path / str(attempt)) as server:
            store = Interrupted(server, call, number)
            await store.open()
            await RedisStore.get(store, "k")  # connects
            fabric = create_cache_fabric("memory", store=store, policy=ExactOnly())
            async with fabric:
                started = time.monotonic()
                miss = await fabric.lookup(CacheRequest(model="m", messages=[MESSAGE]))
                times.append(time.monotonic() - started)
                assert isinstance(miss, Miss)
                assert miss.degraded == ("lease" if call == "add" else "store")
                server.send(signal.SIGCONT)
            await store.aclose()
    assert min(times) < 0.1
