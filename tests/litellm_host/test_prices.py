"""Our prices of LiteLLM's own models are those that LiteLLM computes."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from litellm.types.utils import (
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
)
from litellm.types.utils import Usage as HostUsage

from cache_fabric.pricing import PriceTable
from cache_fabric.types import Usage
from litellm_host.asking import litellm

MODELS = 220
APART = frozenset({"perplexity", "bedrock_mantle", "github_copilot", "chatgpt"})
"""LiteLLM passes over the price of cached tokens that the map names for the first, looks the second
up without its region, and wants to log in to the others before it names a price."""

SHAPES = {
    "plain": Usage(input_tokens=1_000, output_tokens=200),
    "cached": Usage(input_tokens=5_000, output_tokens=700, cache_read_tokens=3_000),
    "written": Usage(
        input_tokens=5_000, output_tokens=10, cache_read_tokens=1_000, cache_creation_tokens=2_000
    ),
    "reasoned": Usage(input_tokens=900, output_tokens=3_000, reasoning_tokens=2_500),
    "at a length": Usage(input_tokens=200_000, output_tokens=5),
    "long": Usage(
        input_tokens=300_000, output_tokens=9_000, cache_read_tokens=100_000, reasoning_tokens=8_000
    ),
    "for an hour": Usage(
        input_tokens=5_000, output_tokens=10, cache_creation_tokens=2_000, cache_hour_tokens=1_500
    ),
    **{
        tier: Usage(input_tokens=900, output_tokens=3_000, reasoning_tokens=2_500, tier=tier)
        for tier in ("flex", "priority")
    },
}
PRICES = PriceTable.load()


def priced_models() -> Iterator[str]:
    """Models of every provider in turn, the same in each run, that both price."""
    by_provider: dict[str, list[str]] = {}
    for name, row in sorted(litellm.model_cost.items()):
        if row.get("mode") in ("chat", "completion", "responses") and PRICES.find(name):
            by_provider.setdefault(str(row["litellm_provider"]), []).append(name)
    draw = random.Random(4)
    for names in by_provider.values():
        draw.shuffle(names)
    while any(by_provider.values()):
        yield from (names.pop() for names in by_provider.values() if names)


def theirs(model: str, usage: Usage) -> float | None:
    """Return LiteLLM's cost in dollars, ``None`` where it knows no provider for the bare name."""
    reasoned = CompletionTokensDetailsWrapper(reasoning_tokens=usage.reasoning_tokens)
    given = HostUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=usage.cache_read_tokens,
            cache_creation_tokens=usage.cache_creation_tokens,
            cache_creation_token_details=_by_age(usage),
        ),
        completion_tokens_details=reasoned if usage.reasoning_tokens else None,
        cache_read_input_tokens=usage.cache_read_tokens,
        cache_creation_input_tokens=usage.cache_creation_tokens,
    )
    try:
        return float(
            litellm.completion_cost(
                litellm.ModelResponse(model=model, usage=given),
                model=model,
                service_tier=usage.tier,
            )
        )
    except (litellm.BadRequestError, litellm.ModelNotMappedError):
        return None


def _by_age(usage: Usage) -> CacheCreationTokenDetails | None:
    hour = usage.cache_hour_tokens
    rest = usage.cache_creation_tokens - hour
    return (
        CacheCreationTokenDetails(ephemeral_5m_input_tokens=rest, ephemeral_1h_input_tokens=hour)
        if hour
        else None
    )


@pytest.mark.timeout(240)
def test_over_two_hundred_models_cost_what_litellm_says() -> None:
    compared, unlike = 0, []
    for model in priced_models():
        if compared == MODELS:
            break
        if litellm.model_cost[model]["litellm_provider"] in APART:
            continue
        if theirs(model, SHAPES["plain"]) is None:
            continue
        compared += 1
        for shape, usage in SHAPES.items():
            cost, ours = theirs(model, usage), PRICES.cost_micros(model, usage)
            assert cost is not None
            assert ours is not None
            if abs(ours - cost * 1e6) > 0.51:
                unlike.append((model, shape, ours, cost * 1e6))
    assert compared == MODELS
    assert unlike == []
