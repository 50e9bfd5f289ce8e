"""How often each key was asked for lately, remembered beyond the keys that are kept.

A count-min sketch (Cormode, Muthukrishnan 2005) with conservative update (Estan, Varghese 2002):
it may say too much of a key, never too little. It counts with forward decay (Cormode et al. 2009):
a request weighs ``2 ** (t / half_life)``, so an old one is worth ever less next to a new one while
nothing stored has to change, and two counts compare the same way for ever. This is the combined
recency and frequency of LRFU (Lee et al. 2001) with the memory of TinyLFU (Einziger et al. 2017).
"""

from __future__ import annotations

import math
from array import array
from hashlib import blake2b

import numpy as np

__all__ = ["FrequencySketch"]

_ROWS = 4
_LEAST_WIDTH = 1 << 10
_MOST_WIDTH = 1 << 20
_CELLS_PER_ENTRY = 8
_HALF_LIFE = 10
"""Requests an entry kept: the sample size of TinyLFU, between a steady and a changing world."""
_HEADROOM = 40.0
"""How far weights may grow, as a logarithm, before all cells are scaled down (float32 holds 88)."""


class FrequencySketch:
    """Decayed counts in at most 16 MiB.

    Args:
        seed: Of the hash; the same requests under the same seed give the same counts.
    """

    def __init__(self, seed: int = 0) -> None:
        self._salt = seed.to_bytes(8, "big")
        self._rows = [array("f", bytes(4 * _LEAST_WIDTH)) for _ in range(_ROWS)]
        self._width = _LEAST_WIDTH
        self._now = 0.0
        self._base = 0.0

    def add(self, key: str, kept: int) -> float:
        """Count one request; returns the logarithm of the key's count.

        The unit of counts grows with time: compare them with each other, never with a number.

        Args:
            key: What was asked for.
            kept: How many entries the cache holds now; width and half-life follow it.
        """
        if kept * _CELLS_PER_ENTRY > self._width < _MOST_WIDTH:
            self._widen()
        self._now += math.log(2) / (_HALF_LIFE * max(kept, 1))
        if self._now - self._base > _HEADROOM:
            self._scale_down()
        cells = self._cells(key)
        count = min(row[cell] for row, cell in zip(self._rows, cells, strict=True))
        count += math.exp(self._now - self._base)
        for row, cell in zip(self._rows, cells, strict=True):
            row[cell] = max(row[cell], count)
        return math.log(count) + self._base

    @property
    def bytes(self) -> int:
        """Memory of the cells."""
        return _ROWS * self._width * 4

    def _cells(self, key: str) -> list[int]:
        data = key.encode("utf-8", "surrogatepass")
        digest = blake2b(data, digest_size=4 * _ROWS, salt=self._salt).digest()
        return [
            int.from_bytes(digest[start : start + 4], "big") % self._width
            for start in range(0, 4 * _ROWS, 4)
        ]

    def _widen(self) -> None:
        # A key's cell of the doubled row is its old one or the one a width further on.
        self._rows = [row + row for row in self._rows]
        self._width *= 2

    def _scale_down(self) -> None:
        factor = math.exp(self._base - self._now)
        self._base = self._now
        for row in self._rows:
            np.frombuffer(row, dtype=np.float32)[:] *= np.float32(factor)
