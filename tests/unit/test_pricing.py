"""Prices: integer arithmetic by hand and by property, names of models, overrides."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric.errors import ConfigurationError
from cache_fabric.price_rates import Price, Rates
from cache_fabric.pricing import PriceTable
from cache_fabric.types import Usage

Row = Mapping[str, object]

MINI: Row = {
    "litellm_provider": "openai",
    "input_cost_per_token": 1.5e-07,
    "output_cost_per_token": 6e-07,
    "cache_read_input_token_cost": 7.5e-08,
}
CLAUDE: Row = {
    "litellm_provider": "anthropic",
    "input_cost_per_token": 3e-06,
    "output_cost_per_token": 1.5e-05,
    "cache_read_input_token_cost": 3e-07,
    "cache_creation_input_token_cost": 3.75e-06,
}


def table(
    rows: Mapping[str, Row], overrides: Mapping[str, Mapping[str, float]] | None = None
) -> PriceTable:
    """A table over these rows and no others."""
    encoded = {name: msgspec.Raw(json.dumps(row).encode()) for name, row in rows.items()}
    return PriceTable.load(overrides, lambda: encoded)


PRICES = table({"gpt-4o-mini": MINI, "claude-sonnet-4-5": CLAUDE})


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (Usage(input_tokens=1000, output_tokens=0), 150),
        (Usage(input_tokens=1000, output_tokens=0, cache_read_tokens=800), 90),
        (Usage(input_tokens=0, output_tokens=1000), 600),
        (Usage(input_tokens=1_000_000, output_tokens=1_000_000), 750_000),
        (Usage(input_tokens=0, output_tokens=0), 0),
        (Usage(input_tokens=3, output_tokens=0), 0),  # 0.45 micro-dollars
        (Usage(input_tokens=10, output_tokens=0), 2),  # 1.5, a half goes up
        (Usage(input_tokens=0, output_tokens=10, reasoning_tokens=8), 6),
    ],
)
def test_calls_of_gpt_4o_mini_cost_what_they_cost_by_hand(usage: Usage, micros: int) -> None:
    assert PRICES.cost_micros("gpt-4o-mini", usage) == micros


def test_reading_and_writing_a_prompt_cache_have_their_prices() -> None:
    usage = Usage(
        input_tokens=1000, output_tokens=100, cache_read_tokens=600, cache_creation_tokens=300
    )
    by_hand = 100 * 3 + 600 * 0.3 + 300 * 3.75 + 100 * 15
    assert PRICES.cost_micros("claude-sonnet-4-5", usage) == by_hand


def test_writing_for_an_hour_has_a_price_of_its_own_where_it_is_named() -> None:
    usage = Usage(
        input_tokens=1_000, output_tokens=0, cache_creation_tokens=500, cache_hour_tokens=400
    )
    assert PRICES.cost_micros("claude-sonnet-4-5", usage) == 500 * 3 + 500 * 3.75
    hour = {**CLAUDE, "cache_creation_input_token_cost_above_1hr": 6e-06}
    assert table({"m": hour}).cost_micros("m", usage) == 500 * 3 + 100 * 3.75 + 400 * 6


def test_without_a_cache_price_cached_tokens_cost_the_input_price() -> None:
    price = table({"m": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}).find("m")
    names = ("input", "cache_read", "cache_creation", "cache_hour")
    all_alike = dict.fromkeys(names, 10**9)
    rates = Rates(output=2 * 10**9, reasoning=2 * 10**9, **all_alike)
    assert price == Price({"": ((0, rates),)})


def test_more_cached_than_input_tokens_is_not_a_refund() -> None:
    usage = Usage(input_tokens=10, output_tokens=0, cache_read_tokens=1000)
    assert PRICES.cost_micros("gpt-4o-mini", usage) == 75


def test_a_sum_that_floats_get_wrong_is_exact() -> None:
    # 0.1 + 0.2 dollars per million tokens, three million of each: 0.9 dollars, not 0.9000000001.
    prices = table({"m": {"input_cost_per_token": 1e-07, "output_cost_per_token": 2e-07}})
    usage = Usage(input_tokens=3_000_000, output_tokens=3_000_000)
    assert prices.cost_micros("m", usage) == 900_000


TOKENS = st.integers(0, 10**9)
USAGES = st.builds(
    Usage,
    input_tokens=TOKENS,
    output_tokens=TOKENS,
    cache_read_tokens=TOKENS,
    cache_creation_tokens=TOKENS,
)
FEMTO = st.integers(0, 10**13)
ANY_RATES = st.builds(
    Rates,
    input=FEMTO,
    output=FEMTO,
    cache_read=FEMTO,
    cache_creation=FEMTO,
    cache_hour=FEMTO,
    reasoning=FEMTO,
)


@given(ANY_RATES, USAGES)
def test_no_call_costs_less_than_nothing(price: Rates, usage: Usage) -> None:
    cost = price.cost_micros(usage)
    assert isinstance(cost, int)
    assert cost >= 0


@given(ANY_RATES, USAGES, TOKENS, TOKENS)
def test_more_tokens_never_cost_less(price: Rates, usage: Usage, more: int, longer: int) -> None:
    larger = Usage(
        input_tokens=usage.input_tokens + more,
        output_tokens=usage.output_tokens + longer,
        cache_read_tokens=usage.cache_read_tokens,
        cache_creation_tokens=usage.cache_creation_tokens,
    )
    assert price.cost_micros(larger) >= price.cost_micros(usage)


@given(st.integers(0, 10**10))
def test_a_price_survives_the_float_it_is_written_as(micros_per_million: int) -> None:
    per_token = float(f"{micros_per_million}e-12")
    prices = table({}, {"m": {"input_cost_per_token": per_token, "output_cost_per_token": 0.0}})
    price = prices.find("m")
    assert price is not None
    assert price.tiers[""][0][1].input == micros_per_million * 1000


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mini",
        "openai/gpt-4o-mini",
        "gpt-4o-mini-2030-01-01",
        "gpt-4o-mini-20300101",
        "gpt-4o-mini@20300101",
        "openai/gpt-4o-mini-2030-01-01",
        "models/gpt-4o-mini",
    ],
)
def test_a_model_is_found_by_its_forms(model: str) -> None:
    assert PRICES.cost_micros(model, Usage(input_tokens=1000, output_tokens=0)) == 150


@pytest.mark.parametrize(
    "model",
    [
        "",
        "/",
        "gpt-4o-mini-high",
        "gpt-4o",
        "gpt-4o-mini-2030",
        "azure/gpt-4o-mini",
        "ollama/gpt-4o-mini",
        "openai/claude-sonnet-4-5",
        "openai/openai/gpt-4o-mini",
    ],
)
def test_an_unknown_model_costs_none_and_not_0(model: str) -> None:
    assert PRICES.cost_micros(model, Usage(input_tokens=1, output_tokens=1)) is None


def test_a_model_that_only_one_vendor_serves_is_found_without_it() -> None:
    prices = table({"xai/grok-4.5": MINI, "mistral/mistral-small": MINI})
    assert prices.find("grok-4.5") is not None
    assert prices.find("mistral-small") is None


def test_an_exact_name_comes_before_a_shorter_one() -> None:
    prices = table({"m-20240513": CLAUDE, "openai/m": MINI, "m": MINI})
    assert prices.find("m-20240513") == PRICES.find("claude-sonnet-4-5")
    assert prices.find("anthropic/m-20240513") == PRICES.find("claude-sonnet-4-5")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"input_cost_per_token": 1e-06},
        {"output_cost_per_token": 1e-06},
        {"input_cost_per_token": 0, "output_cost_per_token": 0},
        {"input_cost_per_token": -1e-06, "output_cost_per_token": 1e-06},
        {"input_cost_per_token": "1e-06", "output_cost_per_token": 1e-06},
        {"input_cost_per_token": True, "output_cost_per_token": 1e-06},
        [],
    ],
    ids=ascii,
)
def test_a_row_that_is_no_price_is_unknown(row: Row) -> None:
    assert table({"m": row}).find("m") is None


OWN = {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "openai/gpt-4o-mini", "gpt-4o-mini-2024-07-18", "azure/gpt-4o-mini"]
)
def test_an_override_wins_under_every_form_of_its_name(model: str) -> None:
    rows = {"gpt-4o-mini": MINI, "gpt-4o-mini-2024-07-18": MINI, "azure/gpt-4o-mini": MINI}
    prices = table(rows, {"gpt-4o-mini": OWN})
    assert prices.cost_micros(model, Usage(input_tokens=1, output_tokens=1)) == 3


def test_an_override_takes_no_price_from_the_row_it_replaces() -> None:
    prices = table({"gpt-4o-mini": MINI}, {"gpt-4o-mini": OWN})
    usage = Usage(input_tokens=100, output_tokens=0, cache_read_tokens=100)
    assert prices.cost_micros("gpt-4o-mini", usage) == 100


def test_an_override_of_0_is_a_known_price_of_0() -> None:
    free = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0}
    usage = Usage(input_tokens=1000, output_tokens=1000)
    assert table({}, {"llama": free}).cost_micros("llama", usage) == 0


@pytest.mark.parametrize(
    ("given_prices", "says"),
    [
        ({"input_cost_per_token": 1e-06}, "output_cost_per_token"),
        ({**OWN, "input_price": 1e-06}, "input_price"),
        ({**OWN, "input_cost_per_token": -1e-06}, "input_cost_per_token"),
        ({**OWN, "input_cost_per_token": float("nan")}, "input_cost_per_token"),
        ({**OWN, "input_cost_per_token": float("inf")}, "input_cost_per_token"),
        ({**OWN, "input_cost_per_token": 0.15}, "dollars per token"),
        ({**OWN, "input_cost_per_token": "1e-06"}, "input_cost_per_token"),
    ],
    ids=ascii,
)
def test_an_override_that_is_no_price_is_refused_by_name(
    given_prices: dict[str, float], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as raised:
        PriceTable.load({"my-model": given_prices})
    assert "my-model" in str(raised.value)


LONG: Row = {
    **MINI,
    "input_cost_per_token_above_200k_tokens": 3e-07,
    "output_cost_per_token_above_200k_tokens": 9e-07,
    "input_cost_per_token_flex": 7.5e-08,
    "output_cost_per_reasoning_token": 1.2e-06,
    "output_cost_per_token_priority": 9e-07,
}


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (Usage(input_tokens=200_000, output_tokens=0), 30_000),
        (Usage(input_tokens=200_001, output_tokens=0), 60_000),  # every token, not the last
        (Usage(input_tokens=300_000, output_tokens=1_000), 90_900),
        (Usage(input_tokens=300_000, output_tokens=0, cache_read_tokens=300_000), 22_500),
        (Usage(input_tokens=1_000, output_tokens=1_000, tier="flex"), 75 + 600),
        (Usage(input_tokens=1_000, output_tokens=0, tier="priority"), 150),
        (Usage(input_tokens=0, output_tokens=1_000, reasoning_tokens=600, tier="priority"), 900),
        (Usage(input_tokens=0, output_tokens=1_000, reasoning_tokens=600), 240 + 720),
    ],
)
def test_long_prompts_tiers_and_reasoning_cost_what_they_cost_by_hand(
    usage: Usage, micros: int
) -> None:
    assert table({"m": LONG}).cost_micros("m", usage) == micros


def test_a_table_of_ranges_prices_the_whole_call_by_its_prompt() -> None:
    ranges = [
        {"range": [0, 1_000], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
        {"range": [1_000, 9_000], "input_cost_per_token": 3e-06},
    ]
    row = {"output_cost_per_token": 5e-06, "tiered_pricing": ranges}
    prices = table({"m": row})
    short = Usage(input_tokens=1_000, output_tokens=10)
    assert prices.cost_micros("m", short) == 1_020
    assert prices.cost_micros("m", Usage(input_tokens=1_001, output_tokens=10)) == 3_053


def test_a_provider_whose_lengths_begin_where_they_say_is_read_so() -> None:
    prices = table({"m": {**LONG, "litellm_provider": "xai"}})
    assert prices.cost_micros("m", Usage(input_tokens=200_000, output_tokens=0)) == 60_000
