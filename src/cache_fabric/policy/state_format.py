"""What a family has learned as plain data, for a store, and back.

Only what differs from the prior is written, so that a family with ten labels takes ten kilobytes
and one that has seen everything less than a megabyte. Numbers are little endian; the dense
covariance keeps its lower triangle, the centers half precision (they enter a cosine). There is no
word in it: answers are named by digests, questions are there as sums of vectors and hashed counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from cache_fabric.matcher.features import NAMES
from cache_fabric.matcher.weights import Weights
from cache_fabric.policy.audit import Audit
from cache_fabric.policy.state import Gaussian, Learned

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FORMAT", "StateError", "digest_of_prior", "plain", "read"]

FORMAT = 1
_CENTER_BYTES = 512 * 1024
_LARGEST_HALF = 60_000.0
_DOUBLE, _FLOAT, _HALF = np.dtype("<f8"), np.dtype("<f4"), np.dtype("<f2")
_BUCKET, _COUNT = np.dtype("<u2"), np.dtype("<u4")


class StateError(ValueError):
    """What is stored cannot be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    format: int
    embedder: str
    prior: str
    dense: tuple[bytes, bytes]
    sparse: tuple[bytes, bytes, bytes]
    rarity: tuple[bytes, bytes]
    texts: int
    base_rate: float
    answers: tuple[str, ...]
    centers: bytes
    calibration: tuple[bytes, bytes]
    labels: int
    requests: int
    judged: int
    spent: float
    recent: bytes
    audit: Audit


def digest_of_prior(prior: Weights) -> str:
    """Return a short name of a prior; what was learned on one prior means nothing on another."""
    mark = hashlib.blake2b("\n".join(NAMES).encode(), digest_size=8)
    for array in (prior.mean, prior.scale, prior.dense, prior.variances, prior.sparse):
        mark.update(array.astype(_DOUBLE).tobytes())
    mark.update(prior.sparse_variance.astype(_DOUBLE).tobytes())
    return mark.hexdigest()


def plain(state: Learned, embedder: str, prior: Weights) -> Any:
    """Return a state as data that `codec.pack` takes.

    Args:
        state: What was learned.
        embedder: Identity of what its similarities come from.
        prior: What it started from.
    """
    touched = (state.variances != prior.sparse_variance) | (state.sparse != prior.sparse)
    buckets, counted = np.flatnonzero(touched), np.flatnonzero(state.rarity)
    answers, centers = _kept(state.centers)
    return _Plain(
        format=FORMAT,
        embedder=embedder,
        prior=digest_of_prior(prior),
        dense=_bytes_of(state.dense),
        sparse=(
            _bytes(buckets, _BUCKET),
            _bytes(state.sparse[buckets], _FLOAT),
            _bytes(state.variances[buckets], _FLOAT),
        ),
        rarity=(_bytes(counted, _BUCKET), _bytes(state.rarity[counted], _COUNT)),
        texts=state.texts,
        base_rate=state.base_rate,
        answers=answers,
        centers=centers,
        calibration=_bytes_of(state.calibration),
        labels=state.labels,
        requests=state.requests,
        judged=state.judged,
        spent=state.spent,
        recent=_bytes(state.recent, _FLOAT),
        audit=state.audit,
    )


def read(data: Any, embedder: str, prior: Weights) -> Learned:
    """Return the state that `plain` made, for the same embedder and prior.

    Raises:
        StateError: Of another version, another embedder or another prior, or damaged.
    """
    version = data.get("format") if isinstance(data, dict) else None
    if version != FORMAT:
        raise StateError(f"format {version!r}, this release reads {FORMAT}")
    try:
        kept = msgspec.convert(data, _Plain)
        if (kept.embedder, kept.prior) != (embedder, digest_of_prior(prior)):
            raise StateError("learned with another embedder, or from other weights")
        return _checked(_state(kept, prior))
    except (ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
        if isinstance(error, StateError):
            raise
        raise StateError(f"damaged ({type(error).__name__})") from error


def _state(kept: _Plain, prior: Weights) -> Learned:
    sparse, variances = prior.sparse.copy(), prior.sparse_variance
    buckets = np.frombuffer(kept.sparse[0], _BUCKET)
    sparse[buckets] = np.frombuffer(kept.sparse[1], _FLOAT)
    variances[buckets] = np.frombuffer(kept.sparse[2], _FLOAT)
    rarity = np.zeros(len(prior.sparse), np.uint32)
    rarity[np.frombuffer(kept.rarity[0], _BUCKET)] = np.frombuffer(kept.rarity[1], _COUNT)
    return Learned(
        dense=_gaussian(kept.dense, len(prior.dense)),
        sparse=sparse,
        variances=variances,
        rarity=rarity,
        texts=kept.texts,
        base_rate=kept.base_rate,
        centers=_centers(kept),
        calibration=_gaussian(kept.calibration, 2),
        labels=kept.labels,
        requests=kept.requests,
        judged=kept.judged,
        spent=kept.spent,
        recent=tuple(np.frombuffer(kept.recent, _FLOAT).tolist()),
        audit=kept.audit,
    )


def _checked(state: Learned) -> Learned:
    """Return the state if every number in it can be reckoned with; raises ValueError otherwise."""
    np.linalg.cholesky(state.dense.covariance)
    np.linalg.cholesky(state.calibration.covariance)
    sums = [state.texts, state.labels, state.requests, state.judged, state.spent]
    sums += [getattr(state.audit, f.name) for f in fields(Audit)]
    arrays = [state.dense.mean, state.calibration.mean, state.sparse, state.variances]
    arrays += [np.array(state.recent), np.array(sums), *state.centers.values()]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a number that is not finite")
    if min(sums) < 0 or state.audit.stake < 1.0 or not (state.variances > 0).all():
        raise ValueError("a number out of its bounds")
    if not 0.0 <= state.base_rate <= 1.0:
        raise ValueError("a share out of its bounds")
    return state


def _kept(centers: dict[str, NDArray[Any]]) -> tuple[tuple[str, ...], bytes]:
    """Return the names and the vectors of the newest centers, as many as there is room for."""
    if not centers:
        return (), b""
    size = len(next(reversed(centers.values())))
    room = max(1, _CENTER_BYTES // (size * _HALF.itemsize))
    newest = [item for item in reversed(centers.items()) if len(item[1]) == size]
    kept = list(islice(newest, room))[::-1]
    vectors = np.clip(np.array([vector for _, vector in kept]), -_LARGEST_HALF, _LARGEST_HALF)
    return tuple(answer for answer, _ in kept), _bytes(vectors, _HALF)


def _centers(kept: _Plain) -> dict[str, NDArray[Any]]:
    if not kept.answers:
        return {}
    rows = np.frombuffer(kept.centers, _HALF).reshape(len(kept.answers), -1)
    return dict(zip(kept.answers, rows.astype(np.float32), strict=True))


def _bytes(numbers: NDArray[Any] | Sequence[float], kind: np.dtype[Any]) -> bytes:
    return np.asarray(numbers).astype(kind).tobytes()


def _bytes_of(gaussian: Gaussian) -> tuple[bytes, bytes]:
    triangle = gaussian.covariance[np.tril_indices(len(gaussian.mean))]
    return _bytes(gaussian.mean, _DOUBLE), _bytes(triangle, _DOUBLE)


def _gaussian(kept: tuple[bytes, bytes], size: int) -> Gaussian:
    mean = np.frombuffer(kept[0], _DOUBLE)
    if mean.shape != (size,):
        raise ValueError("of another size")
    covariance = np.zeros((size, size))
    covariance[np.tril_indices(size)] = np.frombuffer(kept[1], _DOUBLE)
    return Gaussian(mean, covariance + np.tril(covariance, -1).T)
