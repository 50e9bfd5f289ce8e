"""Decisions whose outcome is known: what a policy learned from, in a form that can be kept.

One JSON object a line, so that a live cache can append to it and `cache-fabric tune` read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from cache_fabric.errors import ValidationError

__all__ = ["Judged", "dump_judged", "load_judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One neighbor of a question, and whether its answer turned out to be right.

    Attributes:
        probability: The policy's own P(right), 0 to 1, made before the verdict was known.
        similarity: Cosine similarity of the two questions, -1 to 1.
        right: Whether the fresh answer equalled the neighbor's.
        weight: How many requests this one stands for: 1 for every miss, 1 / rate for a hit that
            was asked again at a rate.
        at: When, in seconds since the epoch.
    """

    probability: float
    similarity: float
    right: bool
    weight: float = 1.0
    at: float = 0.0


def dump_judged(records: Iterable[Judged]) -> Iterator[str]:
    """Yield one line a record, each with its line end."""
    for record in records:
        yield msgspec.json.encode(record).decode() + "\n"


def load_judged(lines: Iterable[str]) -> list[Judged]:
    """Return the records of these lines; blank ones are skipped.

    Raises:
        ValidationError: A line that is no such record; names the line and what was expected.
    """
    return [_record(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _record(number: int, line: str) -> Judged:
    try:
        record = msgspec.json.decode(line, type=Judged)
    except msgspec.MsgspecError as error:
        raise ValidationError(f"line {number}", f"not a judged decision: {error}") from None
    if not 0 <= record.probability <= 1:
        raise ValidationError(f"line {number}", "probability: expected a number from 0 to 1")
    if not -1.001 <= record.similarity <= 1.001:
        raise ValidationError(f"line {number}", "similarity: expected a number from -1 to 1")
    if not (record.weight > 0 and math.isfinite(record.weight)):
        raise ValidationError(f"line {number}", "weight: expected a number above 0")
    return record
