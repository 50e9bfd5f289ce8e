"""A real LiteLLM proxy whose Redis hangs, dies and comes back; told of it by its environment.

With the budgets that everybody gets. Its tenants are keys.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator

import pytest
from langchain_openai import ChatOpenAI
from litellm.proxy._types import UserAPIKeyAuth

from cache_fabric import ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import FabricCache
from cache_fabric.litellm_proxy._tenants import ProxyTenants
from fake_openai import serving
from litellm_host.proxies import Proxy, proxying
from servers import running

pytestmark = pytest.mark.timeout(300)

BUDGET = 0.1  # seconds that a fault of ours may add to a call
SOON = 2.0  # seconds after which a cache that came back is used again
numbers = itertools.count()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("faults")
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with serving() as upstream, running(folder / "redis", *options) as redis:
        environment = {
            "CACHE_BACKEND": "redis",
            "REDIS_URL": redis.url,
            "CACHE_FABRIC_SIMILARITY": "0.99",
            "CACHE_FABRIC_PROXY_TENANT": "key",
        }
        redis.end(signal.SIGKILL)  # it starts without its cache
        with proxying(folder, upstream, redis, workers=1, environment=environment) as made:
            yield made


@pytest.fixture(scope="module")
def kept(proxy: Proxy) -> Iterator[str]:
    """Questions whose answers are in Redis and in no worker of the proxy: asked by LangChain."""
    if proxy.redis.process is None:
        proxy.redis.start()
    patient = FabricConfig(exact_timeout=10, semantic_timeout=10)
    fabric = create_cache_fabric("redis", url=proxy.redis.url, policy=ExactOnly(), config=patient)
    tenant = ProxyTenants(("key",)).of_key(UserAPIKeyAuth(api_key="sk-blue-one", team_id="blue"))
    model = ChatOpenAI(
        model="gpt-4o",
        base_url=proxy.upstream.url,
        api_key="sk-langchain",  # type: ignore[arg-type]
        cache=FabricCache(fabric, tenant=tenant),
    )
    questions = [f"Kept question number {number}" for number in range(200)]
    model.batch([*questions])
    fabric.sync.close()
    return iter(questions)


def seconds_of_a_miss(proxy: Proxy) -> float:
    begun = time.monotonic()
    said = proxy.ask(f"New question number {next(numbers)}")
    assert said.text
    assert said.fabric() == "miss"
    return time.monotonic() - begun


def seconds_until_a_hit(proxy: Proxy, kept: Iterator[str]) -> float:
    begun = time.monotonic()
    while proxy.ask(next(kept)).fabric() != "hit":
        assert time.monotonic() - begun < 30
        time.sleep(0.02)
    return time.monotonic() - begun


def test_it_starts_without_its_redis(proxy: Proxy) -> None:
    assert "starts without its cache" in proxy.log.read_text()
    seconds_of_a_miss(proxy)


def test_it_takes_its_redis_up_once_it_is_there(proxy: Proxy, kept: Iterator[str]) -> None:
    assert seconds_until_a_hit(proxy, kept) < SOON


def test_a_redis_that_hangs_delays_no_call(proxy: Proxy, kept: Iterator[str]) -> None:
    """Each time anew: a breaker that is open already would delay nothing."""
    healthy = min(seconds_of_a_miss(proxy) for _ in range(10))
    first_hung, all_hung, until_hit = [], [], []
    for _ in range(4):
        proxy.redis.send(signal.SIGSTOP)
        try:
            hung = [seconds_of_a_miss(proxy) for _ in range(8)]
        finally:
            proxy.redis.send(signal.SIGCONT)
        first_hung.append(hung[0])
        all_hung += hung
        until_hit.append(seconds_until_a_hit(proxy, kept))
    # What else the machine does only ever adds to a time, so the least is what we did.
    assert min(first_hung) - healthy <= BUDGET
    assert sorted(all_hung)[len(all_hung) // 2] - healthy <= BUDGET
    assert min(until_hit) < SOON


def test_a_redis_that_dies_delays_no_call_and_is_used_when_it_is_back(
    proxy: Proxy, kept: Iterator[str]
) -> None:
    healthy = min(seconds_of_a_miss(proxy) for _ in range(10))
    proxy.redis.end(signal.SIGKILL)
    dead = [seconds_of_a_miss(proxy) for _ in range(10)]
    proxy.redis.start()
    assert seconds_until_a_hit(proxy, kept) < SOON
    assert min(dead[:3]) - healthy <= BUDGET


def test_two_keys_of_a_team_do_not_share_where_tenants_are_keys(
    proxy: Proxy, kept: Iterator[str]
) -> None:
    question = next(kept)
    assert proxy.ask(question, key="sk-blue-two").fabric() == "miss"
    assert proxy.ask(question, key="sk-red-one").fabric() == "miss"
    assert proxy.ask(question, key="sk-blue-one").fabric() == "hit"
