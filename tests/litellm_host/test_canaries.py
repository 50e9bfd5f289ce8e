"""No secret of a call is kept, logged or named."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cache_fabric import CacheFabric, ExactOnly, create_cache_fabric
from cache_fabric.instrumentation.events import Event
from cache_fabric.litellm import completion, enable
from cache_fabric.stores.memory import MemoryStore
from fake_openai import Upstream
from litellm_host.asking import aeventually, asked, litellm, stores

CANARY = "sk-canary-1234567890"


class ListeningStore(MemoryStore):
    """Remembers every byte that it was handed."""

    def __init__(self) -> None:
        super().__init__("canaries")
        self.heard: list[str] = []
        self._put = self.documents.put
        self.documents.put = self._listen  # type: ignore[method-assign]

    async def _listen(self, kind: str, documents: Any) -> None:
        self.heard += [repr(document) for document in documents]
        await self._put(kind, documents)

    async def set_many(self, writes: Any) -> None:
        self.heard += [repr(write) for write in writes]
        await super().set_many(writes)

    async def get(self, key: str) -> bytes | None:
        self.heard.append(key)
        return await super().get(key)


def secrets(call: dict[str, Any]) -> dict[str, Any]:
    return {
        **call,
        "api_key": CANARY,
        "extra_headers": {"Authorization": f"Bearer {CANARY}", "x-api-key": CANARY},
        "proxy_server_request": {"headers": {"authorization": CANARY}, "body": {"key": CANARY}},
        "secret_fields": {"raw_headers": {"authorization": CANARY}},
        "metadata": {"headers": {"authorization": CANARY}, "user_api_key": "hash"},
        "langfuse_secret_key": CANARY,
    }


@pytest.mark.parametrize("outcome", ["success", "failure", "unusable"])
async def test_no_secret_leaves_the_call(
    events: list[Event],
    upstream: Upstream,
    call: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    outcome: str,
) -> None:
    store = ListeningStore()
    hooks = [events.append]
    fabric = create_cache_fabric("memory", policy=ExactOnly(), store=store, hooks=hooks)
    enable(fabric)
    keys: list[str] = []
    named = litellm.cache.get_cache_key

    def listen(**kwargs: Any) -> str:
        keys.append(named(**kwargs))
        return keys[-1]

    litellm.cache.get_cache_key = listen
    await fabric.set_context("router", "Be brief.")  # so that a recipe is kept as well
    messages = [{"role": "system", "content": "Be brief."}, *asked("hi")]
    asking = {"messages": messages, **secrets(call)}
    if outcome == "unusable":
        asking["unheard_of"] = object
    if outcome != "success":
        upstream.fail("500", 9)
    with caplog.at_level(logging.DEBUG, "cache_fabric"):
        for _ in range(2):
            try:
                await litellm.acompletion(**asking, num_retries=0)
            except Exception as error:  # noqa: BLE001 - LiteLLM's own
                assert outcome != "success", error
        if outcome == "success":
            await aeventually(lambda: stores(events) == ["stored"])
            completion(fabric, **asking)
        await aeventually(lambda: "kept" in [getattr(e, "outcome", "") for e in events])
        await fabric.flush()
    told = [*store.heard, *keys, caplog.text, *map(repr, events)]
    told += [repr(await fabric.search_executions()), repr(await fabric.list_answers())]
    assert keys
    assert store.heard
    assert ("r/" in "\n".join(store.heard)) == (outcome == "success")
    assert CANARY not in "\n".join(told)
    await fabric.aclose()


def test_a_key_of_litellm_names_its_call_and_nothing_else(
    enabled: CacheFabric, upstream: Upstream, call: dict[str, Any]
) -> None:
    keys = set()
    for _ in range(3):
        response = litellm.completion(messages=asked("hi"), **call)
        keys.add(response._hidden_params.get("cache_key"))
    assert len(keys) == 3
    assert len(upstream.calls) == 1
