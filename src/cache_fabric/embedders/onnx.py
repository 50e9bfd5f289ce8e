"""A folder with a sentence-embedding model in ONNX form (MiniLM, BGE, E5, GTE ...)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache_fabric.errors import ConfigurationError, MissingExtraError

try:
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer
except ImportError as error:
    raise MissingExtraError("onnx", "an ONNX embedder") from error

from cache_fabric.embedders._blocking import Matrix, MicroBatcher

__all__ = ["OnnxEmbedder"]

_MODEL_FILES = (
    "model.onnx",
    "onnx/model.onnx",
    "model_quantized.onnx",
    "onnx/model_quantized.onnx",
)
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_POOLED = "sentence_embedding"
_MAX_TOKENS = 512
_INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class OnnxEmbedder:
    """Embeds with ONNX Runtime on the CPU, one thread a text, two texts at once.

    The model's ``sentence_embedding`` output is used if there is one, else the mean over the
    tokens of ``last_hidden_state`` (or the first output of rank 3), as sentence-transformers
    pools. Texts are embedded one by one: an int8 model scales its activations over the whole
    batch, so in company a text would get another vector than alone.

    Making one reads the model file once for the identity: folder name and the first 12 hex digits
    of the file's SHA-256. The model is loaded by `open`.

    Args:
        folder: Holds ``model.onnx`` (or ``onnx/model.onnx``, ``model_quantized.onnx``) and
            ``tokenizer.json``. Texts are cut where the tokenizer says, else at 512 tokens or the
            fewer that ``config.json`` allows.

    Raises:
        ConfigurationError: A file is missing; from `open`, one cannot be read or is not such a
            model.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).expanduser().resolve()
        self._model_file = _found(self._folder, _MODEL_FILES)
        self._tokenizer_file = _found(self._folder, ("tokenizer.json",))
        self.identity = f"onnx/{self._folder.name}/{_fingerprint(self._model_file)}"
        self._lock = threading.Lock()
        self._model: _Model | None = None
        self._threads = MicroBatcher(self.identity, self._rows, max_batch=1)

    async def open(self) -> None:
        if self._model is None:
            await asyncio.to_thread(self._loaded)

    async def embed(self, texts: Sequence[str]) -> Matrix:
        return await self._threads.embed(texts)

    async def aclose(self) -> None:
        self._threads.close()
        self._model = None

    def _rows(self, texts: list[str]) -> list[Matrix]:
        model = self._loaded()
        return [model.row(text) for text in texts]

    def _loaded(self) -> _Model:
        with self._lock:
            if self._model is None:
                tokenizer = _tokenizer(self._tokenizer_file, self._folder / "config.json")
                self._model = _model(self._model_file, tokenizer)
            return self._model


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    session: Any
    tokenizer: Tokenizer
    inputs: dict[str, Any]
    output: str
    pooled: bool

    def row(self, text: str) -> Matrix:
        encoding = self.tokenizer.encode(text)
        mask = encoding.attention_mask
        values = dict(zip(_INPUTS, (encoding.ids, mask, encoding.type_ids), strict=True))
        feed = {name: np.array([values[name]], kind) for name, kind in self.inputs.items()}
        result: Matrix = self.session.run([self.output], feed)[0][0].astype(np.float32)
        if not self.pooled:
            weights = np.array(mask, np.float32)
            result = weights @ result / max(1.0, float(weights.sum()))
        return result


def _found(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationError(f"embedder: {folder} has no {' or '.join(names)}")


def _fingerprint(file: Path) -> str:
    with file.open("rb") as model:
        return hashlib.file_digest(model, "sha256").hexdigest()[:12]


def _tokenizer(file: Path, config: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(file))
        if tokenizer.truncation is None:
            allowed = json.loads(config.read_bytes()) if config.is_file() else {}
            limit = min(_MAX_TOKENS, allowed.get("max_position_embeddings") or _MAX_TOKENS)
            tokenizer.enable_truncation(limit)
    # The library raises the bare Exception.
    except Exception as error:
        raise ConfigurationError(f"embedder: {file} or {config.name} cannot be read") from error
    tokenizer.no_padding()
    return tokenizer


def _model(file: Path, tokenizer: Tokenizer) -> _Model:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
    # The runtime's errors have no base of their own.
    except Exception as error:
        raise ConfigurationError(f"embedder: {file} cannot be read as an ONNX model") from error
    inputs = {}
    for given in session.get_inputs():
        if given.name not in _INPUTS or given.type not in _INTEGERS:
            raise ConfigurationError(
                f"embedder: {file} wants the input {given.name} of {given.type}; "
                f"expected integers for {', '.join(_INPUTS)}"
            )
        inputs[given.name] = _INTEGERS[given.type]
    output = _output(file, {given.name: given.shape or () for given in session.get_outputs()})
    return _Model(session, tokenizer, inputs, output, pooled=output == _POOLED)


def _output(file: Path, shapes: Mapping[str, Sequence[Any]]) -> str:
    per_token = [name for name, shape in shapes.items() if len(shape) == 3]
    for name in (_POOLED, "last_hidden_state", *per_token):
        if name in shapes:
            return name
    raise ConfigurationError(
        f"embedder: {file} has the outputs {', '.join(shapes)}; "
        f"expected {_POOLED} or last_hidden_state"
    )
