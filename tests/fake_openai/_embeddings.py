"""``/v1/embeddings``: unit vectors from words, so that texts with common words are near."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

_DIMENSIONS = 64


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """The vectors of a body's texts or token lists, as floats or as base64 of float32."""
    told = body["input"]
    inputs = told if isinstance(told, list) and not _is_tokens(told) else [told]
    size = body.get("dimensions") or _DIMENSIONS
    packed = body.get("encoding_format") == "base64"
    used = sum(len(_words(one)) for one in inputs)
    return {
        "object": "list",
        "model": body["model"],
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _written(_vector(_words(one), size), packed=packed),
            }
            for index, one in enumerate(inputs)
        ],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _is_tokens(told: list[Any]) -> bool:
    return bool(told) and isinstance(told[0], int)


def _words(told: Any) -> list[str]:
    return re.findall(r"\w+", told.lower()) if isinstance(told, str) else [str(t) for t in told]


def _vector(words: list[str], size: int) -> Vector:
    total = np.full(size, 1e-3)
    for word in words:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
        total += np.random.default_rng(seed).standard_normal(size)
    unit: Vector = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


def _written(vector: Vector, *, packed: bool) -> Any:
    return base64.b64encode(vector.tobytes()).decode() if packed else vector.tolist()
