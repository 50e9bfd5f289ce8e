"""Vectors as bytes, and back, exactly.

Float32 where every component is one (which is what most models and APIs compute), else float64, so
that a vector from the cache always equals the one that the model gave. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["as_floats", "pack_vector", "read_vector"]

_SINGLE, _DOUBLE = "<f4", "<f8"
_FLOATS = frozenset({float, np.float64, np.float32, np.float16})


def as_floats(vector: Any) -> list[float] | None:
    """Return a vector as a new list of floats; ``None`` if it is no vector of finite floats.

    Whole numbers are not floats: a quantised vector has to come back as it was.
    """
    if not isinstance(vector, list | tuple | np.ndarray) or len(vector) == 0:
        return None
    if not _FLOATS.issuperset(map(type, vector)):
        return None
    array = np.asarray(vector, dtype=_DOUBLE)
    return array.tolist() if np.isfinite(array).all() else None


def pack_vector(vector: list[float]) -> dict[str, bytes]:
    """Return compact plain data for what `as_floats` returned."""
    exact = np.asarray(vector, dtype=_DOUBLE)
    with np.errstate(over="ignore", under="ignore"):
        short = exact.astype(_SINGLE)
    if np.array_equal(short, exact):
        return {_SINGLE: short.tobytes()}
    return {_DOUBLE: exact.tobytes()}


def read_vector(data: Any) -> list[float] | None:
    """Return the vector, ``None`` if the data is nothing that `pack_vector` returns."""
    if not isinstance(data, Mapping) or len(data) != 1:
        return None
    ((form, packed),) = data.items()
    if form not in (_SINGLE, _DOUBLE) or not isinstance(packed, bytes) or not packed:
        return None
    if len(packed) % np.dtype(form).itemsize:
        return None
    vector: list[float] = np.frombuffer(packed, dtype=form).astype(_DOUBLE).tolist()
    return vector
