"""The embedder contract on the drivers that need no provider, and the contract's own teeth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from cache_fabric.embedders.base import Embedder
from cache_fabric.embedders.callable import CallableEmbedder
from cache_fabric.embedders.langchain import LangChainEmbedder
from cache_fabric.embedders.wordllama import WordllamaEmbedder
from cache_fabric.testing.embedders import EmbedderContract


def vector(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()]


async def async_vector(text: str) -> list[float]:
    return vector(text)


def vectors(texts: Sequence[str]) -> list[list[float]]:
    return [vector(text) for text in texts]


async def async_vectors(texts: Sequence[str]) -> list[list[float]]:
    return vectors(texts)


class AsyncOnly:
    """What a LangChain-like object without blocking methods looks like."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return vectors(texts)


class TestWordllama(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return WordllamaEmbedder()


class TestCallable(EmbedderContract):
    @pytest.fixture(params=[vector, async_vector], ids=["blocking", "async"])
    def embedder(self, request: pytest.FixtureRequest) -> Embedder:
        return CallableEmbedder(request.param)


class TestBatchCallable(EmbedderContract):
    @pytest.fixture(params=[vectors, async_vectors], ids=["blocking", "async"])
    def embedder(self, request: pytest.FixtureRequest) -> Embedder:
        return CallableEmbedder(request.param, batch=True)


class TestLangChain(EmbedderContract):
    @pytest.fixture(
        params=[DeterministicFakeEmbedding(size=32), AsyncOnly()], ids=["fake", "async"]
    )
    def embedder(self, request: pytest.FixtureRequest) -> Embedder:
        return LangChainEmbedder(request.param)


def test_replacing_a_standard_test_is_an_error() -> None:
    with pytest.raises(TypeError, match="test_no_texts_give_no_rows"):

        class Weakened(EmbedderContract):
            async def test_no_texts_give_no_rows(self, opened: Embedder) -> None: ...


def test_an_explained_xfail_may_replace_a_standard_test() -> None:
    class Known(EmbedderContract):
        @pytest.mark.xfail(reason="the provider refuses empty requests")
        async def test_no_texts_give_no_rows(self, opened: Embedder) -> None: ...

    assert issubclass(Known, EmbedderContract)
