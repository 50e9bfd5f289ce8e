"""What was paid and what was saved are the bill of the same traffic without a cache.

A provider that counts what it is owed is asked through LangChain's host, plain and streamed, by
threads of two fabrics over one store, as two processes are; then it is asked the same without them.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from cache_fabric import CacheFabric, ExactOnly, FabricConfig, create_cache_fabric
from cache_fabric.langchain import cached

QUESTIONS, CALLS, THREADS = 25, 400, 4
CENT = 0.01
PRICE = {  # dollars; a cent is less than any call costs
    "input_cost_per_token": 1e-3,
    "output_cost_per_token": 4e-3,
    "cache_read_input_token_cost": 5e-4,
}


class Owed:
    """What a provider is owed in micro-dollars, call by call."""

    def __init__(self) -> None:
        self.micros: list[int] = []
        self.lock = threading.Lock()


class Provider(BaseChatModel):
    """Answers by a number in the question; every sixth question fails and costs nothing."""

    model: str = "counted"
    _owed: Owed = PrivateAttr(default_factory=Owed)

    @property
    def owed(self) -> list[int]:
        return self._owed.micros

    @property
    def _llm_type(self) -> str:
        return "provider"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        message = self._answer(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> Iterator[ChatGenerationChunk]:
        answer = self._answer(messages)
        for word in ("It ", "is ", "so."):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=answer.usage_metadata,
                response_metadata=answer.response_metadata,
            )
        )

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        number = int(str(messages[-1].text).rpartition(" ")[2])
        time.sleep(0.002 * (number % 3))  # so that others come while it thinks
        if number % 6 == 5:
            raise ConnectionError("overloaded")
        given, made, read = 1000 + 37 * number, 11 + number, 400 * (number % 2)
        with self._owed.lock:
            self.owed.append((given - read) * 1000 + read * 500 + made * 4000)
        return AIMessage(
            "It is so.",
            response_metadata={"finish_reason": "stop"},
            usage_metadata={
                "input_tokens": given,
                "output_tokens": made,
                "total_tokens": given + made,
                "input_token_details": {"cache_read": read},
            },
        )


def ask(model: Any, number: int, *, streams: bool) -> None:
    question = f"What of {number}"
    try:
        if streams:
            assert "".join(chunk.text for chunk in model.stream(question)) == "It is so."
        else:
            assert model.invoke(question).text == "It is so."
    except ConnectionError:
        assert number % 6 == 5


def opened(store: str) -> CacheFabric:
    patient = FabricConfig(exact_timeout=30, semantic_timeout=30, open_timeout=60)
    return create_cache_fabric(
        "memory", store=store, policy=ExactOnly(), config=patient, prices={"counted": PRICE}
    )


@pytest.mark.parametrize("streamed", [0.0, 0.5, 1.0])
def test_paid_and_saved_are_the_bill_without_a_cache(tmp_path: Path, streamed: float) -> None:
    draw = random.Random(11)
    traffic = [
        (draw.randrange(QUESTIONS), draw.random() < streamed, draw.randrange(2))
        for _ in range(CALLS)
    ]
    provider, without = Provider(), Provider()
    fabrics = [opened(f"sqlite:///{tmp_path / 'fabric.db'}") for _ in range(2)]
    models = [cached(provider, fabric) for fabric in fabrics]
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [
            pool.submit(ask, models[which], number, streams=streams)
            for number, streams, which in traffic
        ]:
            done.result()
    fabrics[0].sync.close()
    found = fabrics[1].sync.get_metrics()
    fabrics[1].sync.close()

    for number, streams, _ in traffic:
        ask(without, number, streams=streams)
    bill = sum(without.owed) / 1e6
    assert found["scope"] == "fabric"
    assert len(provider.owed) < len(without.owed) / 2
    assert found["cost_spent"] == sum(provider.owed) / 1e6
    assert abs(found["cost_spent"] + found["cost_saved"] - bill) < CENT
    assert found["pricing_coverage"] == 100.0
    assert found["pricing_estimated"] == 0.0
    failed = sum(number % 6 == 5 for number, _, _ in traffic)
    assert found["requests_by_outcome"]["error"] == failed
    assert found["requests_by_outcome"]["miss"] == len(provider.owed)
    assert sum(found["requests_by_outcome"].values()) == CALLS
