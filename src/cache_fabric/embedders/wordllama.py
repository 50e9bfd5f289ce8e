"""The bundled embedder: the static word vectors that lie inside the wordllama wheel."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cache_fabric.errors import ConfigurationError, MissingExtraError

try:
    import numpy as np
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer
except ImportError as error:
    raise MissingExtraError("embed", "the bundled embedder") from error

from cache_fabric.embedders._blocking import Matrix, MicroBatcher, well_formed

__all__ = ["WordllamaEmbedder"]

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_INLINE_CHARACTERS = 2_000
_GATHERED_TOKENS = 4_096


class WordllamaEmbedder:
    """Embeds with wordllama's 256-dimensional token vectors, some 25 us a question.

    A text's vector is the mean of its tokens' vectors without special tokens, as
    ``WordLlamaInference.embed`` computes it (wordllama 0.4.0, ``inference.py``). An empty text is a
    zero row. The two files are read from the installed wheel; wordllama itself is not imported,
    because its loader downloads what it does not find. Texts are never cut.

    Short texts are embedded on the spot, as a thread would take longer than the work.

    Raises:
        MissingExtraError: wordllama is not installed.
        ConfigurationError: The installed wheel lacks a file, or it cannot be read (by `open`).
    """

    identity: str = "wordllama/l2_supercat_256"

    def __init__(self) -> None:
        self._weights_file = _bundled(_WEIGHTS)
        self._tokenizer_file = _bundled(_TOKENIZER)
        self._lock = threading.Lock()
        self._model: _Model | None = None
        self._threads = MicroBatcher(self.identity, self._rows)

    async def open(self) -> None:
        if self._model is None:
            await asyncio.to_thread(self._loaded)

    async def embed(self, texts: Sequence[str]) -> Matrix:
        model = self._model
        if model is not None and sum(map(len, texts)) <= _INLINE_CHARACTERS:
            return model.rows(well_formed(texts))
        return await self._threads.embed(texts)

    async def aclose(self) -> None:
        self._threads.close()
        self._model = None

    def _rows(self, texts: list[str]) -> Matrix:
        return self._loaded().rows(texts)

    def _loaded(self) -> _Model:
        with self._lock:
            if self._model is None:
                self._model = _load(self._weights_file, self._tokenizer_file)
            return self._model


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    table: Matrix
    tokenizer: Tokenizer

    def rows(self, texts: list[str]) -> Matrix:
        rows = np.zeros((len(texts), self.table.shape[1]), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            tokens = self.tokenizer.encode(text, add_special_tokens=False).ids
            if tokens:
                row[:] = self._sum(tokens) / len(tokens)
        return rows

    def _sum(self, tokens: list[int]) -> Matrix:
        if len(tokens) <= _GATHERED_TOKENS:
            total: Matrix = self.table.take(tokens, axis=0).sum(axis=0)
        else:
            # A kilobyte a token would be gathered; counting needs no more than the table itself.
            counts = np.bincount(tokens, minlength=len(self.table)).astype(np.float32)
            total = counts @ self.table
        return total


def _bundled(name: str) -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("embed", "the bundled embedder")
    path = Path(spec.submodule_search_locations[0], name)
    if not path.is_file():
        raise ConfigurationError(f"embedder: the installed wordllama has no file {name}")
    return path


def _load(weights: Path, tokenizer: Path) -> _Model:
    try:
        table = load_file(weights)["embedding.weight"].astype(np.float32)
        return _Model(table, Tokenizer.from_file(str(tokenizer)))
    # Both libraries raise their own errors, tokenizers the bare Exception.
    except Exception as error:
        raise ConfigurationError(
            f"embedder: {weights.name} or {tokenizer.name} of wordllama cannot be read"
        ) from error
