"""What callables and LangChain objects are called, and what is refused."""

from __future__ import annotations

import asyncio
import functools
import threading
from types import SimpleNamespace

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from cache_fabric.embedders.callable import CallableEmbedder
from cache_fabric.embedders.langchain import LangChainEmbedder
from cache_fabric.errors import BackendError, ConfigurationError


def one(text: str) -> list[float]:
    return [float(len(text))]


def one_of(model: str, text: str) -> list[float]:
    return one(text)


class Model:
    def __call__(self, text: str) -> list[float]:
        return one(text)

    def encode(self, text: str) -> list[float]:
        return one(text)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (one, "one"),
        (functools.partial(one_of, "small"), "one_of"),
        (Model(), "Model"),
        (Model().encode, "Model.encode"),
        (lambda text: [1.0], "<lambda>"),
    ],
)
def test_a_callable_is_named_by_module_and_qualified_name(function: object, name: str) -> None:
    assert callable(function)
    assert CallableEmbedder(function).identity == f"callable/{__name__}.{name}"


def test_a_callable_may_be_given_its_identity() -> None:
    assert CallableEmbedder(one, identity="mine/v2").identity == "mine/v2"


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="str"):
        CallableEmbedder("one")  # type: ignore[arg-type]


async def test_a_blocking_function_runs_in_a_thread() -> None:
    threads = []

    def note(text: str) -> list[float]:
        threads.append(threading.current_thread())
        return one(text)

    embedder = CallableEmbedder(note)
    await embedder.embed(["a"])
    await embedder.aclose()
    assert threads[0] is not threading.current_thread()


async def test_an_object_with_an_async_call_is_awaited_on_this_loop() -> None:
    class AsyncModel:
        async def __call__(self, text: str) -> list[float]:
            loops.append(asyncio.get_running_loop())
            return one(text)

    loops: list[asyncio.AbstractEventLoop] = []
    rows = await CallableEmbedder(AsyncModel()).embed(["abc"])
    assert rows.tolist() == [[3.0]]
    assert loops == [asyncio.get_running_loop()]


async def test_the_error_of_an_async_function_is_translated() -> None:
    async def fails(text: str) -> list[float]:
        raise ValueError("sk-secret")

    with pytest.raises(BackendError) as raised:
        await CallableEmbedder(fails).embed(["a"])
    assert isinstance(raised.value.__cause__, ValueError)
    assert "sk-secret" not in str(raised.value)


async def test_an_error_of_ours_is_not_translated_again() -> None:
    async def fails(text: str) -> list[float]:
        raise ConfigurationError("not like this")

    with pytest.raises(ConfigurationError, match="not like this") as raised:
        await CallableEmbedder(fails).embed(["a"])
    assert raised.value.__cause__ is None


async def test_the_calls_of_a_one_text_function_are_not_joined() -> None:
    started = threading.Semaphore(0)
    go_on = threading.Event()

    def waits(text: str) -> list[float]:
        started.release()
        assert go_on.wait(30)
        return one(text)

    embedder = CallableEmbedder(waits)
    tasks = [asyncio.create_task(embedder.embed([text])) for text in ("a", "b")]
    for _ in tasks:
        assert await asyncio.to_thread(started.acquire, timeout=30)
    go_on.set()
    await asyncio.gather(*tasks)
    await embedder.aclose()


@pytest.mark.parametrize(
    ("attributes", "identity"),
    [
        ({}, "langchain/SimpleNamespace"),
        ({"model": "small"}, "langchain/SimpleNamespace/small"),
        ({"model_name": "small"}, "langchain/SimpleNamespace/small"),
        ({"model": object(), "model_name": "small"}, "langchain/SimpleNamespace/small"),
        ({"model": "small", "dimensions": 256}, "langchain/SimpleNamespace/small/256"),
        ({"model": "small", "dimensions": None}, "langchain/SimpleNamespace/small"),
    ],
)
def test_langchain_embeddings_are_named_by_class_and_model(
    attributes: dict[str, object], identity: str
) -> None:
    embeddings = SimpleNamespace(embed_documents=list, **attributes)
    assert LangChainEmbedder(embeddings).identity == identity


def test_langchain_embeddings_may_be_given_their_identity() -> None:
    embeddings = DeterministicFakeEmbedding(size=4)
    assert LangChainEmbedder(embeddings, identity="mine").identity == "mine"


async def test_the_blocking_method_of_langchain_is_preferred() -> None:
    async def bound_to_another_loop(texts: list[str]) -> list[list[float]]:
        raise RuntimeError

    embeddings = SimpleNamespace(
        embed_documents=lambda texts: [[1.0] for _ in texts],
        aembed_documents=bound_to_another_loop,
    )
    embedder = LangChainEmbedder(embeddings)
    assert (await embedder.embed(["a"])).tolist() == [[1.0]]
    await embedder.aclose()


def test_an_object_that_embeds_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="embed_documents"):
        LangChainEmbedder(object())
