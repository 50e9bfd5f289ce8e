"""Embeddings that ask their model for a text only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from langchain_core.embeddings import Embeddings

from cache_fabric.errors import ValidationError
from cache_fabric.fabric import CacheFabric
from cache_fabric.langchain._identity import identity_of
from cache_fabric.langchain._seam import FailOpen, Seam
from cache_fabric.langchain._vectors import as_floats, pack_vector, read_vector
from cache_fabric.validation import check_ttl

__all__ = ["FabricEmbeddings", "cached_embeddings"]

_KIND = "embeddings"
_SAME_VECTORS = frozenset(
    {
        "cache_folder",
        "chunk_size",
        "multi_process",
        "retry_max_seconds",
        "retry_min_seconds",
        "show_progress",
        "show_progress_bar",
    }
)
Use = Literal["documents", "query"]


def cached_embeddings(
    embeddings: Embeddings,
    fabric: CacheFabric,
    *,
    name: str | None = None,
    ttl: float | None = None,
) -> Embeddings:
    """Return embeddings that keep the vectors of their texts in a fabric.

    A vector is found by its model's identity and its text, byte for byte, and shared by everybody
    who uses the same store, namespace and secret. It equals the model's own, to the last bit.
    Texts and queries are kept apart: some models embed them differently.

    Args:
        embeddings: The model. Its identity is its class and the fields that it declares (model,
            dimensions, base URL ...), without secrets.
        fabric: Used as it is and never closed.
        name: Stands for what cannot be read of the identity. Change it when the model behind the
            same settings changes.
        ttl: Seconds that a vector may be served, ``None`` for ever.

    Raises:
        ConfigurationError: No stable identity can be read and there is no name.
        ValidationError: An argument is not usable.
    """
    return FabricEmbeddings(embeddings, fabric, name=name, ttl=ttl)


class FabricEmbeddings(Embeddings):
    """See `cached_embeddings`. A fault of ours only makes the model be asked; it is counted."""

    def __init__(
        self,
        embeddings: Embeddings,
        fabric: CacheFabric,
        *,
        name: str | None = None,
        ttl: float | None = None,
    ) -> None:
        given: object = embeddings
        if not isinstance(given, Embeddings):
            found = type(given).__name__
            raise ValidationError("embeddings", f"expected LangChain Embeddings, got {found}")
        self._embeddings = embeddings
        self._fabric = fabric
        self._name = name
        self._ttl = check_ttl(ttl)
        self._seam = Seam(fabric)
        self._whose("documents")  # tells now of an identity that cannot be read

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return a vector a text; the model is asked once, for the distinct texts it must see."""
        batch = _Batch(texts)
        with self._harmless():
            whose = self._whose("documents")
            batch.recall(self._fabric.sync.lookup_values(_KIND, whose, batch.missing))
        if missing := batch.missing:
            vectors = self._embeddings.embed_documents(missing)
            if not batch.take(vectors):
                self._unfit()
                whole = missing == batch.texts
                return vectors if whole else self._embeddings.embed_documents(batch.texts)
            self._keep("documents", batch.of(missing))
        return batch.vectors()

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """As `embed_documents`, without blocking the running loop."""
        batch = _Batch(texts)
        with self._harmless():
            whose = self._whose("documents")
            batch.recall(await self._fabric.lookup_values(_KIND, whose, batch.missing))
        if missing := batch.missing:
            vectors = await self._embeddings.aembed_documents(missing)
            if not batch.take(vectors):
                self._unfit()
                whole = missing == batch.texts
                return vectors if whole else await self._embeddings.aembed_documents(batch.texts)
            self._keep("documents", batch.of(missing))
        return batch.vectors()

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        with self._harmless():
            (kept,) = self._fabric.sync.lookup_values(_KIND, self._whose("query"), [text])
            if (vector := read_vector(kept)) is not None:
                return vector
        return self._fresh(text, self._embeddings.embed_query(text))

    async def aembed_query(self, text: str) -> list[float]:
        """As `embed_query`, without blocking the running loop."""
        with self._harmless():
            (kept,) = await self._fabric.lookup_values(_KIND, self._whose("query"), [text])
            if (vector := read_vector(kept)) is not None:
                return vector
        return self._fresh(text, await self._embeddings.aembed_query(text))

    def __getattr__(self, name: str) -> Any:
        """Read the rest (``model``, ``dimensions``) from the model, for who tells models apart."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._embeddings, name)

    def _fresh(self, text: str, vector: list[float]) -> list[float]:
        floats = as_floats(vector)
        if floats is None:
            return vector  # as the model meant it, and not for the cache
        self._keep("query", {text: floats})
        return floats

    def _keep(self, use: Use, vectors: Mapping[str, list[float]]) -> None:
        with self._harmless():
            packed = {text: pack_vector(vector) for text, vector in vectors.items()}
            self._fabric.store_values(_KIND, self._whose(use), packed, ttl=self._ttl)

    def _unfit(self) -> None:
        """Count an answer that is the caller's as it stands: as if there were no cache."""
        with self._harmless():
            self._fabric.bypass(self._model(), "not one like vector a text")

    def _harmless(self) -> FailOpen:
        return self._seam.harmless(self._model)

    def _model(self) -> str:
        return type(self._embeddings).__name__

    def _whose(self, use: Use) -> dict[str, Any]:
        """Read at every call: the fields of a model can be changed."""
        return {
            "use": use,
            **identity_of(self._embeddings, "embeddings", self._name, _SAME_VECTORS),
        }


class _Batch:
    """The texts of one call, and the vectors that are known of them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self._known: dict[str, list[float]] = {}

    @property
    def missing(self) -> list[str]:
        """Distinct texts without a vector, in the order of the call."""
        return [text for text in dict.fromkeys(self.texts) if text not in self._known]

    def recall(self, kept: Sequence[Any]) -> None:
        """Take what was kept for the missing texts."""
        vectors = map(read_vector, kept)
        found = {t: v for t, v in zip(self.missing, vectors, strict=True) if v is not None}
        if _are_of_one_length(found.values()):
            self._known = found

    def take(self, vectors: Any) -> bool:
        """Take the model's vectors for the missing texts.

        Returns:
            False, and takes nothing, if they are not one vector a text, or not as long as those
            that are known: the model is another one than it was.
        """
        missing = self.missing
        if not isinstance(vectors, list | tuple | np.ndarray) or len(vectors) != len(missing):
            return False
        fresh = [floats for vector in vectors if (floats := as_floats(vector)) is not None]
        if len(fresh) < len(missing) or not _are_of_one_length([*self._known.values(), *fresh]):
            return False
        self._known |= zip(missing, fresh, strict=True)
        return True

    def of(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Return the vectors of texts that are known."""
        return {text: self._known[text] for text in texts}

    def vectors(self) -> list[list[float]]:
        """Return a list of its own for every text of the call."""
        return [list(self._known[text]) for text in self.texts]


def _are_of_one_length(vectors: Any) -> bool:
    return len({len(vector) for vector in vectors}) <= 1
