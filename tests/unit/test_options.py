"""The options of a request: what is accepted, how a mistake is named, and that no key sees them."""

from __future__ import annotations

from typing import Any

import pytest

from cache_fabric import CacheOptions, CacheRequest, ExactOnly
from cache_fabric.errors import ValidationError
from cache_fabric.keys import derive


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"ttl": 0}, "ttl: expected seconds above 0"),
        ({"ttl": float("nan")}, "ttl: expected seconds above 0"),
        ({"ttl": "60"}, "ttl: expected seconds as a number"),
        ({"no_store": 1}, "no_store: expected True or False"),
        ({"refresh": "yes"}, "refresh: expected True or False"),
        ({"refresh": True, "no_store": True}, "refresh: expected no_store or refresh, not both"),
        ({"policy": "loose"}, "policy: expected a policy, got 'loose'"),
        ({"policy": ExactOnly}, "policy: expected a policy, got <class"),
        ({"tags": "news"}, "tags: expected a sequence of texts"),
        ({"tags": [""]}, "tags: expected text"),
        ({"tags": [7]}, "tags: expected text"),
        ({"tags": ["a\x1fb"]}, "tags: expected no control characters"),
        ({"tags": [str(n) for n in range(65)]}, "tags: expected at most 64, got 65"),
    ],
)
def test_a_mistake_is_named_at_construction(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CacheOptions(**given)
    assert named in str(caught.value)


def test_options_of_another_kind_are_named_by_the_request() -> None:
    with pytest.raises(ValidationError, match="options: expected CacheOptions, got dict"):
        CacheRequest(model="m", messages=[], options={"ttl": 1})  # type: ignore[arg-type]


def test_tags_are_kept_once_each_in_order() -> None:
    assert CacheOptions(tags=["b", "a", "b"]).tags == ("a", "b")  # type: ignore[arg-type]


def test_no_key_depends_on_the_options() -> None:
    def keys(options: CacheOptions) -> object:
        messages = [{"role": "user", "content": "q"}]
        request = CacheRequest(model="m", messages=messages, options=options)
        return derive(request, secret=b"s", namespace="n", embedder="e")

    every = CacheOptions(ttl=1, refresh=True, policy=ExactOnly(), tags=("t",))
    assert keys(every) == keys(CacheOptions())
