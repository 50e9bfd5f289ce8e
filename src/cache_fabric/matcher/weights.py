"""What the matcher knows before its first label: the shipped weights, or a careful guess.

`weights.npz` was made by ``cache-fabric bench train`` from CLINC150 (Larson et al. 2019, CC BY 3.0)
and HWU64 (Liu et al. 2019, CC BY 4.0); it holds figures about words and no text. It belongs to one
embedder, for a similarity of 0.8 means another thing to each. Any other embedder starts from the
same weights for what the texts say, from nothing for what the vectors say, and from a low estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from cache_fabric.errors import ConfigurationError
from cache_fabric.matcher.features import BUCKETS, NAMES, TRAINED, VECTOR_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Weights", "prior_for", "read_weights", "write_weights"]

_FORMAT = 1
_VARIANCE = 0.02
_BIAS_VARIANCE = 1.0
_SIMILARITY_VARIANCE = 0.1
_SPARSE_VARIANCE = 0.1
_UNKNOWN_VARIANCE = 0.5
_CAUTION = 1.5
"""Log odds by which an embedder is mistrusted that the weights were not trained with."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A Gaussian over the matcher's weights, and the scale of its features.

    Attributes:
        embedder: Identity of the embedder that they were trained with; ``""`` for the guess.
        mean, scale: Of each dense feature, shape (d,).
        dense: Weight of each, and the bias last; shape (d + 1,).
        variances: Of the dense weights, shape (d + 1,).
        sparse: Weights of the hashed features, shape (BUCKETS,).
        base_rate: Share of questions whose nearest neighbor was right.
    """

    embedder: str
    mean: Floats
    scale: Floats
    dense: Floats
    variances: Floats
    sparse: Floats
    base_rate: float

    @property
    def covariance(self) -> Floats:
        return np.diag(self.variances)

    @property
    def sparse_variance(self) -> Floats:
        return np.full(len(self.sparse), _SPARSE_VARIANCE)


def prior_for(embedder: str) -> Weights:
    """Return what is known of an embedder: the shipped weights if they were made with it.

    Raises:
        ConfigurationError: The package's weights file is damaged.
    """
    shipped = _shipped()
    return shipped if shipped.embedder == embedder else _guess(shipped)


@lru_cache(maxsize=1)
def _shipped() -> Weights:
    file = resources.files("cache_fabric.matcher").joinpath("weights.npz")
    with file.open("rb") as stream:
        return read_weights(stream)


def _guess(shipped: Weights) -> Weights:
    dense, variances = shipped.dense.copy(), shipped.variances.copy()
    unknown = [NAMES.index(name) for name in VECTOR_NAMES]
    dense[unknown] = 0.0
    variances[unknown] = _UNKNOWN_VARIANCE
    dense[-1] -= _CAUTION
    return replace(shipped, embedder="", dense=dense, variances=variances)


def read_weights(source: IO[bytes]) -> Weights:
    """Read a weights file.

    Raises:
        ConfigurationError: It is damaged, or of another version of the features.
    """
    try:
        with np.load(source, allow_pickle=False) as file:
            held: dict[str, Any] = {name: file[name] for name in file.files}
        if int(held["format"]) != _FORMAT or tuple(held["names"].tolist()) != TRAINED:
            raise ConfigurationError(
                "matcher weights: the file was made for other features, train new ones with this "
                "version"
            )
        return made(
            embedder=str(held["embedder"]),
            mean=held["mean"],
            scale=held["scale"],
            dense=held["dense"],
            sparse=held["sparse"],
            base_rate=float(held["base_rate"]),
        )
    except ConfigurationError:
        raise
    except Exception as error:  # numpy and zipfile raise nearly anything for damaged bytes
        raise ConfigurationError(
            f"matcher weights: the file is damaged ({type(error).__name__}), install the package "
            "again or train new ones"
        ) from error


def made(
    *, embedder: str, mean: Any, scale: Any, dense: Any, sparse: Any, base_rate: float
) -> Weights:
    """Return weights with the prior's variances; raises ValueError for wrong shapes or numbers.

    The figures are those of `TRAINED`. What a verifier's word is worth is learned online, from
    nothing: its log odds stay as they are, their weight starts at 0 with a wide variance.
    """
    arrays = [np.asarray(array, np.float64) for array in (mean, scale, dense, sparse)]
    width = len(TRAINED)
    shapes = [(width,), (width,), (width + 1,), (BUCKETS,)]
    if [array.shape for array in arrays] != shapes:
        raise ValueError(f"shapes {[array.shape for array in arrays]}, expected {shapes}")
    if not all(np.isfinite(array).all() for array in arrays) or not (arrays[1] > 0).all():
        raise ValueError("a figure is not finite, or a scale is not above 0")
    if not 0.0 <= base_rate <= 1.0:
        raise ValueError(f"base rate {base_rate}, expected a share")
    variances = np.full(len(NAMES) + 1, _VARIANCE)
    variances[NAMES.index("similarity")] = _SIMILARITY_VARIANCE
    variances[NAMES.index("verifier")] = _UNKNOWN_VARIANCE
    variances[-1] = _BIAS_VARIANCE
    return Weights(
        embedder=embedder,
        mean=np.append(arrays[0], 0.0),
        scale=np.append(arrays[1], 1.0),
        dense=np.insert(arrays[2], width, 0.0),
        variances=variances,
        sparse=arrays[3],
        base_rate=base_rate,
    )


def write_weights(target: IO[bytes], weights: Weights) -> None:
    """Write a weights file; sparse weights are kept to half precision."""
    np.savez_compressed(
        target,
        format=np.array(_FORMAT),
        names=np.array(TRAINED),
        embedder=np.array(weights.embedder),
        mean=weights.mean[:-1].astype(np.float32),
        scale=weights.scale[:-1].astype(np.float32),
        dense=np.delete(weights.dense, len(TRAINED)).astype(np.float32),
        sparse=weights.sparse.astype(np.float16),
        base_rate=np.array(weights.base_rate),
    )
