"""What an embedder must do, and the check that every vector passes before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cache_fabric.errors import BackendError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

__all__ = ["Embedder", "unit_rows"]


@runtime_checkable
class Embedder(Protocol):
    """Texts to vectors. Vectors of two identities are never compared."""

    identity: str
    """Names model and weights, known without loading anything; part of every partition."""

    async def open(self) -> None:
        """Load weights or connect; idempotent, downloads nothing."""

    async def embed(self, texts: Sequence[str]) -> Matrix:
        """One row a text, float32, shape ``(len(texts), dimension)``; any length of row vector."""

    async def aclose(self) -> None:
        """Free what `open` took; idempotent."""


def unit_rows(raw: Any, rows: int, dimension: int | None, embedder: str) -> Matrix:
    """Check an embedder's result and scale every row to length 1.

    Args:
        raw: Anything that numpy reads as a matrix of numbers.
        rows: How many texts were embedded.
        dimension: Size every vector must have, ``None`` when it is not known yet.
        embedder: Identity, for the message.

    Raises:
        BackendError: Wrong shape or size, NaN or infinity, or a zero vector.
    """
    import numpy as np

    try:
        matrix = np.asarray(raw, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BackendError(embedder, "embed", "did not return a matrix of numbers") from error
    if matrix.ndim != 2 or matrix.shape[0] != rows or matrix.shape[1] == 0:
        raise BackendError(
            embedder, "embed", f"returned shape {matrix.shape} for {rows} texts, expected (n, d)"
        )
    if dimension is not None and matrix.shape[1] != dimension:
        raise BackendError(
            embedder, "embed", f"returned {matrix.shape[1]} numbers a text, expected {dimension}"
        )
    if not np.isfinite(matrix).all():
        raise BackendError(embedder, "embed", "returned NaN or infinity")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise BackendError(embedder, "embed", "returned a zero vector")
    unit: Matrix = (matrix / lengths).astype(np.float32, copy=False)
    return unit
