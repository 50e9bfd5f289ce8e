"""Numbers with their units, made comparable: 48 hours is two days, 2 kg is 2,000 g."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["Quantity", "quantities", "unmatched"]


class Quantity(NamedTuple):
    """A number.

    Attributes:
        dimension: What is measured, ``"year"`` for a year of the calendar, ``""`` if unknown.
        value: In the dimension's base unit; ``nan`` if it is none.
        text: As it is shown.
    """

    dimension: str
    value: float
    text: str


def _units(dimension: str, **units: float) -> dict[str, tuple[str, float]]:
    return {name: (dimension, factor) for name, factor in units.items()}


_HOUR, _DAY = 3_600, 86_400
_UNITS = MappingProxyType(
    _units("time", second=1, sec=1, minute=60, min=60, hour=_HOUR, hr=_HOUR, h=_HOUR)
    | _units("time", day=_DAY, night=_DAY, week=7 * _DAY, fortnight=14 * _DAY)
    | _units("time", month=30 * _DAY, year=365 * _DAY, yr=365 * _DAY, decade=3_650 * _DAY)
    | _units("mass", mg=0.001, g=1, gram=1, kg=1_000, kilo=1_000, kilogram=1_000, tonne=1_000_000)
    | _units("mass", lb=453.6, pound=453.6, oz=28.35, ounce=28.35)
    | _units("length", mm=0.001, cm=0.01, m=1, metre=1, meter=1, km=1_000, kilometre=1_000)
    | _units(
        "length", kilometer=1_000, mile=1_609, inch=0.0254, foot=0.3048, feet=0.3048, ft=0.3048
    )
    | _units("volume", ml=0.001, l=1, litre=1, liter=1, gallon=3.785)
    | _units("data", kb=0.001, mb=1, gb=1_000, tb=1_000_000)
    | _units("percent", percent=1)
    | _units("money", dollar=1, euro=1, yen=1, rupee=1, rs=1, inr=1, usd=1, eur=1, gbp=1)
)
_FIRST_YEAR, _LAST_YEAR = 1_500, 2_100
_LONGEST = 15
_PLAIN = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
# A month has 28 to 31 days, and 12 months of 30 days are no year.
_TOLERANCE = 0.02
_MONEY_FIRST = ("rs", "inr", "usd", "eur", "gbp")


def quantities(terms: Sequence[str]) -> tuple[Quantity, ...]:
    """The numbers among the terms of a text, of which each stands in digits."""
    return tuple(_quantities(terms))


def _quantities(terms: Sequence[str]) -> Iterator[Quantity]:
    for at, term in enumerate(terms):
        if not ("0" <= term[0] <= "9") or len(term) > _LONGEST:
            continue
        value = float(term) if _PLAIN.fullmatch(term) else math.nan  # 3/4, 3.10.2
        after = terms[at + 1] if at + 1 < len(terms) else ""
        unit = _UNITS.get(after) or _UNITS.get(after.removesuffix("s"))
        if unit is None and at and terms[at - 1] in _MONEY_FIRST:
            unit = ("money", 1.0)
        if unit:
            yield Quantity(unit[0], value * unit[1], term)
        elif _FIRST_YEAR <= value <= _LAST_YEAR and term.isdigit() and len(term) == 4:
            yield Quantity("year", value, term)
        else:
            yield Quantity("", value, term)


def unmatched(
    ours: Sequence[Quantity], theirs: Sequence[Quantity]
) -> tuple[list[Quantity], list[Quantity]]:
    """What each side has beyond the other, every number matched once, the same unit first."""
    left, right = list(ours), list(theirs)
    for same in (_equal, _similar):
        for one in tuple(left):
            match = next((other for other in right if same(one, other)), None)
            if match is not None:
                left.remove(one)
                right.remove(match)
    return left, right


def _equal(left: Quantity, right: Quantity) -> bool:
    return left.dimension == right.dimension and left.text == right.text


def _similar(left: Quantity, right: Quantity) -> bool:
    """48 hours and two days; a bare number may be short for a measured one."""
    if "" in (left.dimension, right.dimension):
        return left.text == right.text
    if left.dimension != right.dimension or left.dimension == "year":
        return False
    return abs(left.value - right.value) <= _TOLERANCE * max(left.value, right.value)
