"""What one call asks of the cache: LiteLLM's ``cache={...}`` as `CacheOptions`. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from cache_fabric.errors import NotCacheable, ValidationError
from cache_fabric.options import CacheOptions
from cache_fabric.policy.exact_only import ExactOnly
from cache_fabric.policy.threshold import Threshold
from cache_fabric.validation import check_id

__all__ = ["Controls", "read_controls"]

_MAX_AGES = ("s-maxage", "s-max-age")


@dataclasses.dataclass(frozen=True, slots=True)
class Controls:
    """The controls of one call.

    Attributes:
        options: Those of the installation, with what the call says in their place.
        namespace: Part of the key, inside the call's own tenant; ``None`` for the common one.
        keeps: False where the answer must not be kept.
        looks_up: False where LiteLLM itself does not look up.
    """

    options: CacheOptions
    namespace: str | None = None
    keeps: bool = True
    looks_up: bool = True


def read_controls(kwargs: Mapping[str, Any], base: CacheOptions, longest: float | None) -> Controls:
    """Return the controls in a call's arguments.

    Args:
        kwargs: Of the call.
        base: What holds where the call says nothing.
        longest: Seconds that no ``ttl`` of a call may exceed, ``None`` for no bound.

    Raises:
        NotCacheable: A control has a value that is not usable; the reason names the control.
    """
    given = kwargs.get("cache")
    if given is None or given == {}:
        return Controls(base)
    if not isinstance(given, Mapping):
        raise NotCacheable("cache: expected a mapping")
    try:
        options = dataclasses.replace(
            base,
            ttl=_ttl(given, base.ttl, longest),
            max_age=_max_age(given) or base.max_age,
            refresh=base.refresh or given.get("no-cache") is True or _max_age(given) == 0,
            policy=_policy(given, base.policy),
        )
        name = given.get("namespace")
        namespace = None if name is None else check_id(name, "namespace")
    except (ValidationError, ValueError, TypeError) as error:
        field = error.field if isinstance(error, ValidationError) else "a value"
        raise NotCacheable(f"cache control {field} is not usable") from error
    return Controls(
        options,
        namespace,
        keeps=given.get("no-store") is not True,
        looks_up=given.get("no-cache") is not True,
    )


def _ttl(given: Mapping[str, Any], ttl: float | None, longest: float | None) -> Any:
    asked = given.get("ttl")
    if asked is None:
        return ttl
    if longest is not None and isinstance(asked, int | float) and math.isfinite(asked):
        return min(asked, longest)
    return asked


def _max_age(given: Mapping[str, Any]) -> Any:
    return next((given[name] for name in _MAX_AGES if given.get(name) is not None), None)


def _policy(given: Mapping[str, Any], policy: Any) -> Any:
    asked, similarity = given.get("policy"), given.get("similarity")
    if similarity is not None:
        return Threshold(similarity)
    if asked == "exact":
        return ExactOnly()
    return policy if asked is None else asked
