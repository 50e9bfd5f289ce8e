"""What verdicts forbid and prescribe, in this process: read by every lookup, without I/O.

The records of the store say which answers are quarantined, pinned, and wrong for whom; who follows
the change log brings them here. Written on the home loop, read from any thread: no reader needs two
of the tables to agree, but for the id of a pin, which is checked where the answer is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from cache_fabric import codec
from cache_fabric.errors import CodecError
from cache_fabric.near_twins import NearTwins, Twin
from cache_fabric.stores.base import Record
from cache_fabric.types import CacheEntry
from cache_fabric.verdict_rules import Negative

__all__ = ["MARKS", "LiveVerdicts", "Mark"]

MARKS = "k/"
_MOST_PINNED = 5_000
_MOST_PINNED_BYTES = 64 * 1024 * 1024
if TYPE_CHECKING:
    from cache_fabric.near_twins import Near, Vector

_log = logging.getLogger("cache_fabric")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What every process has to know of one answer.

    Attributes:
        id: Of the entry.
        at: When the verdict was given; of several pins of one key the newest is served.
        pinned: Envelope of a pinned answer; without one the answer is quarantined.
        partition: Of the entry, ``""`` where the answer was gone.
        negatives: The questions that it was wrong for.
    """

    id: str
    at: float
    pinned: bytes | None = None
    partition: str = ""
    negatives: tuple[Negative, ...] = ()

    @property
    def exact(self) -> str:
        """Key of its question."""
        return self.id.partition(".")[0]

    @property
    def place(self) -> str:
        """Where its pairs are looked for: the partition, or else the key of the question."""
        return self.partition or self.exact


class LiveVerdicts:
    """The marks of the namespace.

    Args:
        secret: Authenticates the records.

    Attributes:
        pinned: Envelopes of the pinned answers by exact key.
        marks: By the id of the entry.
        are_known: Whether they have been read; until then nobody can say which hits were wrong.
    """

    def __init__(self, secret: bytes) -> None:
        self.pinned: dict[str, bytes] = {}
        self.marks: dict[str, Mark] = {}
        self.are_known = False
        self._secret = secret
        self._barred: set[str] = set()
        self._pins: dict[str, dict[str, Mark]] = {}
        self._accused: dict[str, dict[str, list[Twin]]] = {}
        self._twins: dict[str, NearTwins] = {}

    def allows(self, entry: CacheEntry) -> bool:
        """Return whether an answer may be served, whoever holds it."""
        if entry.id in self._barred:
            return False
        return not self._pins or self.pin_of(entry.exact) in (None, entry.id)

    def hindrance(self, entry: CacheEntry) -> str | None:
        """Return why a fresh answer must not be kept, if so; from any thread."""
        if entry.exact in self.pinned:
            return "a pinned answer stays"
        return "found bad before it came" if entry.id in self._barred else None

    def is_barred(self, entry_id: str) -> bool:
        """Return whether an answer is quarantined."""
        return entry_id in self._barred

    def pin_of(self, exact: str) -> str | None:
        """Return the id of the pinned answer to a question."""
        pins = self._pins.get(exact)
        return None if pins is None else max(pins.values(), key=_age).id

    def near(self, partition: str, vector: Vector, keys: Iterable[str], least: float) -> list[Near]:
        """Return the pairs that may forbid one of the candidates with these keys."""
        places = [place for place in (partition, *keys) if place in self._accused]
        return [one for place in places for one in self._pairs(place).near(vector, least)]

    @property
    def is_full(self) -> bool:
        """True when no more answers may be pinned: every process holds all of them."""
        sizes = [len(data) for data in self.pinned.values()]
        return len(sizes) >= _MOST_PINNED or sum(sizes) >= _MOST_PINNED_BYTES

    def bar(self, entry_id: str) -> None:
        """Refuse an answer from now on; its mark is on its way."""
        self._barred.add(entry_id)

    def replace(self, records: Sequence[Record]) -> None:
        """Take a snapshot in."""
        found: dict[str, Record | None] = dict.fromkeys(self.marks)
        found |= {record.key.removeprefix(MARKS): record for record in records}
        self._barred &= found.keys()
        for entry_id, record in found.items():
            self.take(entry_id, record)
        self.are_known = True

    def take(self, entry_id: str, record: Record | None) -> None:
        """Take the mark of an answer in, ``None`` where it was lifted."""
        mark = None if record is None else self._read(record)
        before = self.marks.pop(entry_id, None)
        if mark is not None:
            self.marks[entry_id] = mark
        if mark is not None and mark.pinned is None:
            self._barred.add(entry_id)
        else:
            self._barred.discard(entry_id)
        self._pin(entry_id, mark)
        for place in {one.place for one in (before, mark) if one is not None and one.negatives}:
            self._accuse(place, entry_id, mark)

    def _pin(self, entry_id: str, mark: Mark | None) -> None:
        exact = entry_id.partition(".")[0]
        pins = {name: pin for name, pin in self._pins.get(exact, {}).items() if name != entry_id}
        if mark is not None and mark.pinned is not None:
            pins[entry_id] = mark
        if pins:
            self._pins[exact] = pins
            self.pinned[exact] = max(pins.values(), key=_age).pinned or b""
        else:
            self._pins.pop(exact, None)
            self.pinned.pop(exact, None)

    def _accuse(self, place: str, entry_id: str, mark: Mark | None) -> None:
        accused = self._accused.setdefault(place, {})
        accused.pop(entry_id, None)
        if mark is not None and mark.negatives and mark.place == place:
            accused[entry_id] = [Twin(mark.exact, pair) for pair in mark.negatives]
        if not accused:
            del self._accused[place]
        self._twins.pop(place, None)

    def _pairs(self, place: str) -> NearTwins:
        """Return the pairs of a place, put together when they are read: a snapshot changes many."""
        twins = self._twins.get(place)
        if twins is None:
            pairs = [pair for of_one in self._accused[place].values() for pair in of_one]
            twins = self._twins[place] = NearTwins(pairs)
        return twins

    def _read(self, record: Record) -> Mark | None:
        try:
            return msgspec.convert(codec.unpack(record.value, self._secret), Mark)
        except (CodecError, msgspec.ValidationError) as error:
            _log.warning("a verdict cannot be read and does not count: %s", error)
            return None


def _age(mark: Mark) -> tuple[float, str]:
    return mark.at, mark.id
