"""Times to live and windows, by their bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_fabric import CacheOptions, FabricConfig
from cache_fabric.errors import ConfigurationError
from cache_fabric.freshness import expiry, is_fresh, is_within, must_bypass, ttl_of
from cache_fabric.types import CacheEntry

seconds = st.floats(min_value=0.001, max_value=1e9)
nonces = st.text("0123456789abcdef", min_size=8, max_size=8)


def entry(expires: float | None) -> CacheEntry:
    return CacheEntry(
        id="k.0",
        exact="k",
        partition="p",
        question="q",
        payload="x",
        model="m",
        created=0.0,
        expires=expires,
    )


@given(seconds, st.floats(min_value=0, max_value=0.999), nonces)
def test_jitter_shortens_by_at_most_its_share(ttl: float, jitter: float, nonce: str) -> None:
    found = expiry(0.0, ttl, jitter, nonce)
    assert found is not None
    assert ttl * (1 - jitter) <= found <= ttl
    assert found == expiry(0.0, ttl, jitter, nonce)


@given(st.lists(nonces, min_size=2, max_size=2, unique=True))
def test_entries_born_together_do_not_expire_together(two: list[str]) -> None:
    one, other = (expiry(0.0, 3600.0, 0.1, nonce) for nonce in two)
    assert one != other


def test_without_a_ttl_nothing_expires() -> None:
    assert expiry(0.0, None, 0.1, "ff") is None
    assert is_fresh(entry(None), 1e12)


def test_an_entry_is_fresh_until_its_expiry_and_of_use_until_its_window_ends() -> None:
    one = entry(100.0)
    assert is_fresh(one, 99.9)
    assert not is_fresh(one, 100.0)
    assert is_within(one, 10.0, 109.9)
    assert not is_within(one, 10.0, 110.0)


def test_the_shorter_of_the_two_ttls_is_a_volatile_questions() -> None:
    plain, volatile = "What is a tulip?", "What is the weather today?"
    for configured, rule, expected in [(None, 60.0, 60.0), (10.0, 60.0, 10.0), (90.0, 60.0, 60.0)]:
        config = FabricConfig(ttl=configured, volatile_ttl=rule)
        assert ttl_of(volatile, CacheOptions(), config) == expected
        assert ttl_of(plain, CacheOptions(), config) == configured
        assert ttl_of(None, CacheOptions(), config) == configured


def test_a_requests_own_ttl_stands_above_every_rule() -> None:
    asked = CacheOptions(ttl=5.0)
    for mode, question in itertools.product(
        ("ttl", "bypass", "ignore"), ("the weather today", "tulips")
    ):
        config = FabricConfig(ttl=90.0, volatile=mode)  # type: ignore[arg-type]
        assert ttl_of(question, asked, config) == 5.0
        assert not must_bypass(question, asked, config)


def test_only_a_volatile_question_bypasses_and_only_when_told_to() -> None:
    bypass = FabricConfig(volatile="bypass")
    assert must_bypass("the weather today", CacheOptions(), bypass)
    assert not must_bypass("tulips", CacheOptions(), bypass)
    assert not must_bypass("the weather today", CacheOptions(), FabricConfig())
    ignore = FabricConfig(volatile="ignore", ttl=90.0)
    assert ttl_of("the weather today", CacheOptions(), ignore) == 90.0


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("ttl_jitter", 1.0, "ttl_jitter: expected a share from 0 to below 1"),
        ("ttl_jitter", -0.1, "ttl_jitter: expected a share from 0 to below 1"),
        ("ttl_jitter", "10%", "ttl_jitter: expected a share as a number"),
        ("stale_while_revalidate", -1, "stale_while_revalidate: expected seconds of 0 or more"),
        ("stale_if_error", float("inf"), "stale_if_error: expected seconds of 0 or more"),
        ("join_paraphrases", None, "join_paraphrases: expected seconds as a number"),
        ("volatile_ttl", 0, "volatile_ttl: expected seconds above 0"),
        ("volatile", "never", "volatile: expected one of ttl, bypass, ignore"),
        ("share_flights", "off", "share_flights: expected True or False"),
        ("require_tenant", 1, "require_tenant: expected True or False"),
    ],
)
def test_a_mistake_in_the_config_is_named(option: str, value: object, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FabricConfig(**{option: value})  # type: ignore[arg-type]
    assert named in str(caught.value)
