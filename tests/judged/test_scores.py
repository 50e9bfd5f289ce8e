"""`feedback_summary`: what feedback says of each version."""

from __future__ import annotations

import time

import pytest

from cache_fabric import CacheFabric, ContextScope
from cache_fabric.errors import ValidationError
from cache_fabric.policy.intervals import share_interval
from cache_fabric.version_records import VersionScore
from judged.conftest import KEY, judge, judged


async def test_each_version_has_its_score_newest_first(shop: CacheFabric) -> None:
    await judge(shop, 1, 5, 3)
    await judge(shop, 2, 1, 2)
    await judged(shop, "even", 2, {"user_rating": 3})
    await judged(shop, "said", 2, {"comment": "hm"})
    low, high = share_interval(0, 2)
    assert await shop.feedback_summary(KEY) == [
        VersionScore(key=KEY, version=2, count=4, good=0, bad=2, mean=0.5 / 3, low=low, high=high),
        VersionScore(
            key=KEY,
            version=1,
            count=3,
            good=3,
            bad=0,
            mean=1.0,
            low=share_interval(3, 3)[0],
            high=1,
        ),
    ]


async def test_nothing_is_said_of_a_version_that_is_not_named(shop: CacheFabric) -> None:
    await judged(shop, "x", None, {"user_rating": 1})
    await judged(shop, "y", 1, {"user_rating": 1}, key="another")
    assert await shop.feedback_summary(KEY) == []


async def test_it_reads_pages(shop: CacheFabric, monkeypatch: pytest.MonkeyPatch) -> None:
    await judge(shop, 1, 5, 5)
    monkeypatch.setattr("cache_fabric.kept_feedback._PAGE", 2)
    assert [score.count for score in await shop.feedback_summary(KEY)] == [5]


async def test_since_leaves_out_what_was_said_before(shop: CacheFabric) -> None:
    await judge(shop, 1, 5, 2)
    assert await shop.feedback_summary(KEY, since=time.time() + 60) == []
    [score] = await shop.feedback_summary(KEY, since=time.time() - 60)
    assert score.count == 2


async def test_tenants_with_a_context_of_their_own_count_for_it_alone(shop: CacheFabric) -> None:
    await shop.set_context(KEY, "Their own.", ContextScope.TENANT, tenant="acme")
    await judge(shop, 1, 1, 2, tenant="acme")
    await judge(shop, 1, 5, 3, tenant="globex")
    [everybodys] = await shop.feedback_summary(KEY)
    assert (everybodys.good, everybodys.bad) == (3, 0)
    [theirs] = await shop.feedback_summary(KEY, tenant="acme")
    assert (theirs.good, theirs.bad) == (0, 2)
    [others] = await shop.feedback_summary(KEY, tenant="globex")
    assert others.count == 3


async def test_a_key_that_is_none_is_named(shop: CacheFabric) -> None:
    with pytest.raises(ValidationError, match="key"):
        await shop.feedback_summary("")


def test_the_blocking_view_says_the_same(shop: CacheFabric) -> None:
    assert shop.sync.feedback_summary(KEY) == []
