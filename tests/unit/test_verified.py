"""The default policy names a bad argument, and gives each family a state of its own."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cache_fabric import CacheOptions, Verified
from cache_fabric.errors import ConfigurationError
from cache_fabric.policy.family import Family


def state(policy: Verified) -> Family:
    return policy.new_state("an embedder")


@pytest.mark.parametrize("value", [0, 0.5, 1, -0.1, math.nan, math.inf, True, "0.01", None])
def test_an_error_budget_is_above_0_and_below_one_half(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^max_error: expected a number above 0 and"):
        Verified(max_error=value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("wrong_share", [0, -1, 0.51, math.nan, "0.1", True]),
        ("reask", [-0.01, 0.51, math.inf, None, False]),
        ("alpha", [0, 1, 2, math.nan, "0.1"]),
        ("same_answer", ["equal", 7]),
        ("seed", [1.0, True, None, "1"]),
    ],
)
def test_a_bad_argument_is_named_with_what_was_expected(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigurationError, match=rf"^{name}: expected "):
            Verified(**{name: value})


@pytest.mark.parametrize(
    "given",
    [
        {"max_error": 1e-6},
        {"max_error": 0.499},
        {"wrong_share": 0.5},
        {"reask": 0},
        {"reask": 0.5},
        {"alpha": 0.999},
        {"same_answer": str.__eq__},
        {"seed": -1},
    ],
)
def test_arguments_at_the_edge_are_taken(given: dict[str, Any]) -> None:
    assert state(Verified(**given)).budget.requests == 0


def test_the_share_of_wrong_hits_follows_from_the_error_budget_up_to_one_half() -> None:
    small, twice = (state(Verified(max_error=d)).budget.wrong_share for d in (0.01, 0.02))
    assert small > 0.01
    assert twice == pytest.approx(2 * small)
    assert state(Verified(max_error=0.3)).budget.wrong_share == 0.5
    assert state(Verified(wrong_share=0.03)).budget.wrong_share == 0.03


def test_families_share_nothing() -> None:
    policy = Verified()
    one, two = state(policy), state(policy)
    one.count()
    one.matcher.model.weights[0] += 1
    assert two.budget.requests == 0
    assert two.matcher.model.weights[0] != one.matcher.model.weights[0]


def test_equal_policies_are_one_policy() -> None:
    assert len({Verified(), Verified(max_error=0.01), Verified(max_error=0.02)}) == 2


def test_a_request_may_bring_one() -> None:
    assert CacheOptions(policy=Verified(max_error=0.1)).policy == Verified(max_error=0.1)
