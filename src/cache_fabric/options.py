"""What one request asks of the cache; never part of its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cache_fabric.errors import ValidationError
from cache_fabric.validation import check_id, check_ttl

__all__ = ["NO_OPTIONS", "CacheOptions"]

_MOST_TAGS = 64
_POLICY = ("name", "semantic", "floor", "decide", "new_state")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """Options of one request.

    Args:
        ttl: Seconds that the answer may be served, counted from its birth; it stands above
            ``FabricConfig.ttl`` and above the rule for volatile questions.
        no_store: The request bypasses the cache: nothing is looked up, nothing is kept.
        refresh: Nothing is looked up; the model's answer replaces the kept one.
        max_age: Seconds; a kept answer of that age or more is no answer to this request.
        policy: A `Policy` that judges the neighbors of this request in place of the fabric's.
        tags: Kept with the answer, for ``invalidate(tag=...)``; at most 64.
        graph: Name of the graph, agent or chain that asks: savings are told by it. Hosts that know
            it fill it in.

    Raises:
        ValidationError: A value is not usable; the message names the field.
    """

    ttl: float | None = None
    no_store: bool = False
    refresh: bool = False
    max_age: float | None = None
    policy: Any = None
    tags: tuple[str, ...] = ()
    graph: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ttl", check_ttl(self.ttl))
        object.__setattr__(self, "max_age", check_ttl(self.max_age, "max_age"))
        for name in ("no_store", "refresh"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise ValidationError(name, f"expected True or False, got {value!r:.40}")
        if self.no_store and self.refresh:
            raise ValidationError("refresh", "expected no_store or refresh, not both")
        if self.policy is not None and not _is_policy(self.policy):
            raise ValidationError("policy", f"expected a policy, got {self.policy!r:.40}")
        object.__setattr__(self, "tags", _checked(self.tags))
        if self.graph is not None:
            check_id(self.graph, "graph")


def _is_policy(given: Any) -> bool:
    # A policy's own module is above this one; its class is not what is asked for.
    return not isinstance(given, type) and all(hasattr(given, name) for name in _POLICY)


def _checked(tags: Any) -> tuple[str, ...]:
    if not isinstance(tags, list | tuple | set | frozenset):
        raise ValidationError("tags", f"expected a sequence of texts, got {tags!r:.40}")
    if len(tags) > _MOST_TAGS:
        raise ValidationError("tags", f"expected at most {_MOST_TAGS}, got {len(tags)}")
    return tuple(sorted({check_id(tag, "tags") for tag in tags}))


NO_OPTIONS = CacheOptions()
