"""LangChain ``Embeddings`` as an embedder, by its methods: LangChain is not imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cache_fabric.embedders._blocking import Matrix, MicroBatcher, await_rows
from cache_fabric.errors import ConfigurationError

__all__ = ["LangChainEmbedder"]


class LangChainEmbedder:
    """Embeds with an object that has ``embed_documents`` or ``aembed_documents``.

    The blocking method is preferred, in threads: an asynchronous client belongs to the loop that
    first used it, which is seldom the fabric's. Questions are embedded as documents, never as
    queries: a cache compares questions with questions, and both sides must be embedded alike.

    Args:
        embeddings: The LangChain object; it is not closed.
        identity: Names class and model; its default reads ``model`` or ``model_name``, and
            ``dimensions``, from the object.

    Raises:
        ConfigurationError: The object has neither method.
    """

    def __init__(self, embeddings: Any, *, identity: str | None = None) -> None:
        self.identity = identity or _identity(embeddings)
        self.model = _model(embeddings)
        blocking: Any = getattr(embeddings, "embed_documents", None)
        self._async: Any = getattr(embeddings, "aembed_documents", None)
        if blocking is None and self._async is None:
            raise ConfigurationError(
                f"embedder: {type(embeddings).__name__} has no method embed_documents"
            )
        self._threads = MicroBatcher(self.identity, blocking) if blocking else None

    async def open(self) -> None:
        """Nothing to load: the object is ready as it was handed in."""

    async def embed(self, texts: Sequence[str]) -> Matrix:
        if self._threads is None:
            return await await_rows(self.identity, self._async, texts)
        return await self._threads.embed(texts)

    async def aclose(self) -> None:
        if self._threads is not None:
            self._threads.close()


def _model(embeddings: Any) -> str | None:
    names = [getattr(embeddings, name, None) for name in ("model", "model_name")]
    return next((name for name in names if isinstance(name, str) and name), None)


def _identity(embeddings: Any) -> str:
    size = getattr(embeddings, "dimensions", None)
    parts = ["langchain", type(embeddings).__qualname__, _model(embeddings), size]
    return "/".join(str(part) for part in parts if part is not None)
