"""The promises of an embedder as a test class to inherit; an embedder exists when this passes.

A driver's whole test is a subclass with one fixture::

    class TestMyEmbedder(EmbedderContract):
        @pytest.fixture
        def embedder(self):
            return MyEmbedder("model")

The fixture gives an embedder that has not been opened; the suite opens and closes it. A subclass
that replaces a standard test is an error where it is defined, unless the replacement is marked
``@pytest.mark.xfail(reason="...")``. Needs pytest and pytest-asyncio (in any mode).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from cache_fabric.embedders.base import Embedder, unit_rows
from cache_fabric.testing._guarded import refuse_weakening

__all__ = ["EmbedderContract"]

QUESTIONS = (
    "How do I reset my password?",
    "What is the capital of France?",
    "Who wrote it?",
    "Why was my card charged twice in March, and who can refund me?",
)

HOSTILE_TEXTS = (
    " ",
    "a",
    "\n\t",
    "a\x00b",
    "\N{GRINNING FACE}" * 3,
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "Wie \N{LATIN SMALL LETTER U WITH DIAERESIS}ber\N{HORIZONTAL ELLIPSIS}",
    "\N{CJK UNIFIED IDEOGRAPH-4F60}\N{CJK UNIFIED IDEOGRAPH-597D}",
    "lone \ud800 surrogate",
    "two \ud83d\ude00 surrogates",
    "<s> [CLS] </s> <unk>",
    "x" * 20_000,
    "What is my balance? " * 5_000,
)
"""Texts that some tokenizer or SDK, some day, could not take."""


@pytest.mark.asyncio
class EmbedderContract:
    """Every promise of `cache_fabric.embedders.base.Embedder`; give it the fixture ``embedder``."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_weakening(cls, EmbedderContract, "embedder")

    @pytest_asyncio.fixture
    async def opened(self, embedder: Embedder) -> AsyncIterator[Embedder]:
        """The embedder under test, open."""
        await embedder.open()
        yield embedder
        await embedder.aclose()

    async def test_it_is_an_embedder(self, opened: Embedder) -> None:
        assert isinstance(opened, Embedder)

    async def test_its_identity_is_known_before_it_loads_and_stays(
        self, embedder: Embedder
    ) -> None:
        before = embedder.identity
        assert isinstance(before, str)
        assert before
        await embedder.open()
        await embedder.embed(QUESTIONS)
        await embedder.aclose()
        assert embedder.identity == before

    async def test_every_text_gives_one_float32_row(self, opened: Embedder) -> None:
        rows = await opened.embed(QUESTIONS)
        assert rows.dtype == np.float32
        assert rows.ndim == 2
        assert len(rows) == len(QUESTIONS)

    async def test_no_texts_give_no_rows(self, opened: Embedder) -> None:
        rows = await opened.embed([])
        assert rows.ndim == 2
        assert len(rows) == 0

    async def test_every_row_has_the_same_size(self, opened: Embedder) -> None:
        sizes = {(await opened.embed([text])).shape for text in QUESTIONS}
        assert len(sizes) == 1

    async def test_rows_can_be_compared(self, opened: Embedder) -> None:
        rows = unit_rows(await opened.embed(QUESTIONS), len(QUESTIONS), None, opened.identity)
        assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)

    async def test_different_texts_have_different_rows(self, opened: Embedder) -> None:
        rows = await opened.embed(QUESTIONS)
        assert len(np.unique(rows, axis=0)) == len(QUESTIONS)

    async def test_the_same_text_has_the_same_row_again(self, opened: Embedder) -> None:
        first = await opened.embed(QUESTIONS)
        assert np.allclose(first, await opened.embed(QUESTIONS), atol=1e-4)

    async def test_rows_come_in_the_order_of_the_texts(self, opened: Embedder) -> None:
        forward = await opened.embed(QUESTIONS)
        backward = await opened.embed(QUESTIONS[::-1])
        assert np.allclose(forward, backward[::-1], atol=1e-4)

    async def test_a_text_has_the_same_row_alone_and_in_company(self, opened: Embedder) -> None:
        together = await opened.embed(QUESTIONS)
        alone = [(await opened.embed([text]))[0] for text in QUESTIONS]
        assert np.allclose(together, alone, atol=1e-4)

    async def test_a_text_twice_in_a_call_has_the_same_row_twice(self, opened: Embedder) -> None:
        rows = await opened.embed([QUESTIONS[0], QUESTIONS[1], QUESTIONS[0]])
        assert np.allclose(rows[0], rows[2], atol=1e-4)

    async def test_three_hundred_texts_in_one_call(self, opened: Embedder) -> None:
        rows = await opened.embed([QUESTIONS[n % len(QUESTIONS)] for n in range(300)])
        assert len(rows) == 300
        assert np.allclose(rows[: len(QUESTIONS)], rows[-len(QUESTIONS) :], atol=1e-4)

    async def test_concurrent_callers_get_their_own_rows(self, opened: Embedder) -> None:
        texts = [f"{QUESTIONS[n % len(QUESTIONS)]} {n}" for n in range(40)]
        expected = await opened.embed(texts)
        rows = await asyncio.gather(*(opened.embed([text]) for text in texts))
        assert np.allclose(np.concatenate(rows), expected, atol=1e-4)

    async def test_changing_a_row_changes_no_later_one(self, opened: Embedder) -> None:
        first = await opened.embed(QUESTIONS)
        expected = first.copy()
        first *= 0
        assert np.allclose(await opened.embed(QUESTIONS), expected, atol=1e-4)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text[:30]))
    async def test_any_text_gives_a_finite_row(self, opened: Embedder, text: str) -> None:
        rows = await opened.embed([text])
        assert len(rows) == 1
        assert np.isfinite(rows).all()

    async def test_opening_twice_is_fine(self, opened: Embedder) -> None:
        before = await opened.embed(QUESTIONS)
        await opened.open()
        assert np.allclose(await opened.embed(QUESTIONS), before, atol=1e-4)

    async def test_closing_twice_is_fine(self, opened: Embedder) -> None:
        await opened.aclose()
        await opened.aclose()

    async def test_closing_what_was_never_opened_is_fine(self, embedder: Embedder) -> None:
        await embedder.aclose()

    async def test_it_opens_again_after_it_was_closed(self, opened: Embedder) -> None:
        before = await opened.embed(QUESTIONS)
        await opened.aclose()
        await opened.open()
        assert np.allclose(await opened.embed(QUESTIONS), before, atol=1e-4)
