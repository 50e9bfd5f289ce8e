"""What one model charges for tokens: by the length of the prompt and by tier of service. Pure.

Read from figures that are named as LiteLLM names them, in dollars per token. A name may carry a
length (``input_cost_per_token_above_200k_tokens``: of a prompt that is longer, every token of the
call costs so much), a tier (``input_cost_per_token_flex``), or both. What a tier or a length does
not name costs what it costs without; a cached token without a price of its own costs what any
other costs, and so does a reasoning token; one cached for an hour what a cached one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cache_fabric.types import Usage

__all__ = ["Price", "Rates", "is_figure", "read_price"]

_FEMTO_PER_MICRO = 10**9
_LARGEST = 0.01  # dollars; a larger figure is dollars per million tokens by mistake
_NAMES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_creation",
    "cache_creation_input_token_cost_above_1hr": "cache_hour",
    "output_cost_per_reasoning_token": "reasoning",
}
_FIGURE = re.compile(
    rf"({'|'.join(_NAMES)})(?:_above_(\d+)(k?)_tokens)?(?:_(batches|flex|priority))?"
)

_Given = dict[tuple[str, int], dict[str, int]]
"""Rates by name, of a tier (``""`` for none) and above so many tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Whole femto-dollars (1e-15 dollars) per token.

    Integers keep sums exact: $0.15 per million tokens is 150,000,000 here.
    """

    input: int
    output: int
    cache_read: int
    cache_creation: int
    cache_hour: int
    reasoning: int

    def cost_micros(self, usage: Usage) -> int:
        """Micro-dollars of one call, a half rounded up."""
        cached = usage.cache_read_tokens + usage.cache_creation_tokens
        for_an_hour = min(usage.cache_hour_tokens, usage.cache_creation_tokens)
        reasoned = min(usage.reasoning_tokens, usage.output_tokens)
        femto = (
            max(0, usage.input_tokens - cached) * self.input
            + usage.cache_read_tokens * self.cache_read
            + (usage.cache_creation_tokens - for_an_hour) * self.cache_creation
            + for_an_hour * self.cache_hour
            + (usage.output_tokens - reasoned) * self.output
            + reasoned * self.reasoning
        )
        return (femto + _FEMTO_PER_MICRO // 2) // _FEMTO_PER_MICRO


@dataclass(frozen=True, slots=True)
class Price:
    """What one model charges.

    Attributes:
        tiers: By the name of a tier, ``""`` for the ordinary one: rates, each with the tokens of
            the longest prompt that they are not for, shortest first.
    """

    tiers: Mapping[str, tuple[tuple[int, Rates], ...]]

    def cost_micros(self, usage: Usage) -> int:
        """Micro-dollars of one call; a tier without prices of its own costs what any call does."""
        steps = self.tiers.get(usage.tier or "") or self.tiers[""]
        fitting = [rates for above, rates in steps if usage.input_tokens > above]
        return (fitting[-1] if fitting else steps[0][1]).cost_micros(usage)


def read_price(figures: Mapping[str, Any], *, inclusive: bool = False) -> Price:
    """Return the price that figures say; those with other names are passed over.

    Args:
        figures: Dollars per token; ``tiered_pricing`` may be a list of such figures, each with the
            ``range`` of tokens that it is for.
        inclusive: Whether a length begins with the tokens it names, not one above.

    Raises:
        ValueError: Input or output has no price, or a figure is none; the message names it.
    """
    table = figures.get("tiered_pricing")
    given = _by_range(figures, table) if isinstance(table, list) and table else None
    given = given or _given(figures, inclusive=inclusive)
    tiers = {tier for tier, _ in given}
    return Price({tier: tuple(_steps(given, tier)) for tier in tiers})


def is_figure(name: str) -> bool:
    """Whether a figure of this name is read."""
    return _FIGURE.fullmatch(name) is not None


def _given(figures: Mapping[str, Any], *, inclusive: bool) -> _Given:
    given: _Given = {("", 0): {}}
    for name, value in figures.items():
        found = _FIGURE.fullmatch(name)
        if found is None or value is None:
            continue
        figure, length, thousands, tier = found.groups()
        above = int(length) * (1000 if thousands else 1) - inclusive if length else 0
        given.setdefault((tier or "", above), {})[_NAMES[figure]] = _femto(name, value)
    for name in ("input", "output"):
        if name not in given["", 0]:
            raise ValueError(f"{name}_cost_per_token is required")
    return given


def _by_range(figures: Mapping[str, Any], table: Iterable[Any]) -> _Given | None:
    """Return the rates of a table in which one row is for the whole of a call.

    What a row does not name costs what its input does, but for the output: a row that names none
    leaves the model's own.
    """
    given: _Given = {}
    for row in table:
        if not (isinstance(row, Mapping) and len(row.get("range") or ()) == 2):
            return None
        own = {"output_cost_per_token": figures.get("output_cost_per_token")}
        rates = _given({**own, **row}, inclusive=False)["", 0]
        given["", int(row["range"][0]) if given else 0] = rates
    return given


def _steps(given: _Given, tier: str) -> Iterable[tuple[int, Rates]]:
    lengths = sorted({above for named, above in given if named in ("", tier)})
    known: dict[str, int] = {}
    for above in lengths:
        own = given.get((tier, above), {})
        known |= given.get(("", above), {})
        if tier and "output" in own:
            known.pop("reasoning", None)
        known |= own
        yield above, _rates(known)


def _rates(known: Mapping[str, int]) -> Rates:
    cache_creation = known.get("cache_creation", known["input"])
    return Rates(
        input=known["input"],
        output=known["output"],
        cache_read=known.get("cache_read", known["input"]),
        cache_creation=cache_creation,
        cache_hour=known.get("cache_hour", cache_creation),
        reasoning=known.get("reasoning", known["output"]),
    )


def _femto(name: str, dollars: Any) -> int:
    """Whole femto-dollars; rounding drops the noise of the binary float."""
    if isinstance(dollars, bool) or not isinstance(dollars, int | float):
        raise ValueError(f"{name}: expected a number, got {dollars!r:.40}")
    if not 0 <= dollars <= _LARGEST:
        raise ValueError(f"{name}: expected dollars per token from 0 to {_LARGEST}, got {dollars}")
    return round(dollars * 10**15)
