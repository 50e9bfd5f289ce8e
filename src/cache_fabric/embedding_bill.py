"""What embedding costs: tokens as they are estimated, at the price of the embedder's model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from cache_fabric.embedders.base import Embedder
from cache_fabric.instrumentation.events import EmbeddingEvent, Event
from cache_fabric.pricing import PriceTable
from cache_fabric.token_estimates import by_script, sampled
from cache_fabric.types import Usage

__all__ = ["EmbeddingBill"]

_MOST_TOKENS = 100_000  # on one bill: beyond that some prices are those of long prompts


class EmbeddingBill:
    """Tells what was embedded by a model that is paid for; nothing of an embedder without one.

    A single question costs less than a micro-dollar, so it is the sum that is rounded.

    Args:
        embedder: Names what it is priced as by an attribute ``model``.
        prices: What tokens cost.
        emit: Hears of it.
    """

    def __init__(
        self, embedder: Embedder, prices: PriceTable, emit: Callable[[Event], None]
    ) -> None:
        self._model: str | None = getattr(embedder, "model", None)
        self._prices = prices
        self._emit = emit
        self._lock = threading.Lock()
        self._tokens = 0
        self._micros = 0

    def count(self, texts: Sequence[str]) -> None:
        """Count texts that were embedded."""
        model = self._model
        if not isinstance(model, str) or not texts:
            return
        tokens = sum(max(1, sampled(text, by_script)) for text in texts)
        cost = self._charged(model, tokens)
        self._emit(EmbeddingEvent(model=model, texts=len(texts), tokens=tokens, cost_micros=cost))

    def _charged(self, model: str, tokens: int) -> int | None:
        with self._lock:
            if self._tokens + tokens > _MOST_TOKENS:
                self._tokens = self._micros = 0
            self._tokens += tokens
            usage = Usage(input_tokens=self._tokens, output_tokens=0, estimated=True)
            total = self._prices.cost_micros(model, usage)
            if total is None:
                return None
            cost, self._micros = total - self._micros, total
            return cost
