"""What providers and hosts say of a call's tokens, in the one form that is read here. Pure.

They disagree on whether the input includes cached tokens and the output those of reasoning. Here
both do, and no part is larger than its whole, so that what is left of the input is never negative.

A count is a whole number from 0 to 10**9. Input and output must be such, else nothing is known of
the call: ``None``. A detail that is none says nothing and counts as 0; one that is larger than what
it is a part of is cut to that. Nothing in and nothing out is what is made up where nobody counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cache_fabric.types import Usage

__all__ = ["read_usage", "tier_of"]

_MOST = 10**9
_TIERS = {
    **dict.fromkeys(("default", "on_demand", "standard"), "default"),
    **dict.fromkeys(("batch", "batches"), "batches"),
    **{tier: tier for tier in ("flex", "priority")},
}
_Said = Mapping[Any, Any]


def read_usage(said: object, tier: object = None) -> Usage | None:
    """Return the tokens of a call, ``None`` where they are not known.

    Args:
        said: Usage as LangChain (``usage_metadata``), OpenAI (either API), Anthropic, Gemini or
            LiteLLM have it: a mapping, or an object with ``model_dump``.
        tier: The tier of service, as the response names it outside its usage.
    """
    usage = said if isinstance(said, Mapping) else _dumped(said)
    for read in (_openai_chat, _gemini, _by_input_tokens):
        found = read(usage)
        if found is not None:
            return _whole(found, tier_of(tier) or _tier_within(usage))
    return None


def tier_of(said: object) -> str | None:
    """Return a tier of service by the name that `Usage` has for it, ``None`` for no known one."""
    return _TIERS.get(said) if isinstance(said, str) else None


class _Parts(NamedTuple):
    given: int
    made: int
    read: int = 0
    written: int = 0
    for_an_hour: int = 0
    reasoned: int = 0


def _openai_chat(usage: _Said) -> _Parts | None:
    """Read OpenAI's chat form, and LiteLLM's, which adds Anthropic's names to it."""
    whole = _pair(usage, "prompt_tokens", "completion_tokens")
    if whole is None:
        return None
    given, made = _under(usage, "prompt_tokens_details"), _under(usage, "completion_tokens_details")
    return _Parts(
        *whole,
        read=_first((given, "cached_tokens"), (usage, "cache_read_input_tokens")),
        written=_first(
            (given, "cache_write_tokens"),
            (given, "cache_creation_tokens"),
            (usage, "cache_creation_input_tokens"),
        ),
        for_an_hour=_first((_under(given, "cache_creation_token_details"), _HOUR)),
        reasoned=_first((made, "reasoning_tokens")),
    )


def _gemini(usage: _Said) -> _Parts | None:
    """Read Gemini's form in either spelling; thoughts and what tools read are counted apart."""
    whole = _pair(usage, "prompt_token_count", "candidates_token_count")
    if whole is None:
        usage = {_snake(name): usage[name] for name in usage if isinstance(name, str)}
        whole = _pair(usage, "prompt_token_count", "candidates_token_count")
    if whole is None:
        return None
    given = whole[0] + _first((usage, "tool_use_prompt_token_count"))
    thoughts = _first((usage, "thoughts_token_count"))
    # On Vertex some models count their thoughts among the candidates; the total tells.
    are_within = _first((usage, "total_token_count")) == given + whole[1]
    made = whole[1] if are_within else whole[1] + thoughts
    read = _first((usage, "cached_content_token_count"))
    return _Parts(given, made, read=read, reasoned=thoughts)


def _by_input_tokens(usage: _Said) -> _Parts | None:
    """Read the forms that say ``input_tokens``: LangChain's, OpenAI's Responses, Anthropic's."""
    whole = _pair(usage, "input_tokens", "output_tokens")
    if whole is None:
        return None
    if "input_token_details" in usage or "output_token_details" in usage:
        return _langchain(usage, whole)
    given, made = _under(usage, "input_tokens_details"), _under(usage, "output_tokens_details")
    if given or made:
        return _Parts(
            *whole,
            read=_first((given, "cached_tokens")),
            written=_first((given, "cache_write_tokens")),
            reasoned=_first((made, "reasoning_tokens")),
        )
    read, by_age = _first((usage, "cache_read_input_tokens")), _under(usage, "cache_creation")
    written = _first((usage, "cache_creation_input_tokens")) or _sum(by_age, _BY_AGE)
    return _Parts(
        whole[0] + read + written,
        whole[1],
        read=read,
        written=written,
        for_an_hour=_first((by_age, _HOUR)),
    )


_HOUR = "ephemeral_1h_input_tokens"
_BY_AGE = ("ephemeral_5m_input_tokens", _HOUR)
_PREFIXES = ("", "flex_", "priority_")  # LangChain names details by the tier


def _langchain(usage: _Said, whole: tuple[int, int]) -> _Parts:
    given, made = _under(usage, "input_token_details"), _under(usage, "output_token_details")
    written = _sum(given, [f"{prefix}cache_creation" for prefix in _PREFIXES])
    return _Parts(
        *whole,
        read=_sum(given, [f"{prefix}cache_read" for prefix in _PREFIXES]),
        written=written or _sum(given, _BY_AGE),
        for_an_hour=_first((given, _HOUR)),
        reasoned=_sum(made, [f"{prefix}reasoning" for prefix in _PREFIXES]),
    )


def _tier_within(usage: _Said) -> str | None:
    """Return the tier that usage itself names: Anthropic by a word, LangChain by its details."""
    details = _under(usage, "input_token_details")
    named = next((tier for tier in ("flex", "priority") if _count(details.get(tier))), None)
    return tier_of(usage.get("service_tier")) or tier_of(named)


def _whole(parts: _Parts, tier: str | None) -> Usage | None:
    if not parts.given and not parts.made:
        return None
    read = min(parts.read, parts.given)
    written = min(parts.written, parts.given - read)
    return Usage(
        input_tokens=parts.given,
        output_tokens=parts.made,
        cache_read_tokens=read,
        cache_creation_tokens=written,
        cache_hour_tokens=min(parts.for_an_hour, written),
        reasoning_tokens=min(parts.reasoned, parts.made),
        tier=tier,
    )


def _pair(usage: _Said, given: str, made: str) -> tuple[int, int] | None:
    """Return input and output; Gemini leaves out an output of nothing."""
    tokens_in = _count(usage.get(given))
    tokens_out = _count(usage.get(made, 0 if made == "candidates_token_count" else None))
    return None if tokens_in is None or tokens_out is None else (tokens_in, tokens_out)


def _first(*places: tuple[_Said, str]) -> int:
    return next((found for place, name in places if (found := _count(place.get(name)))), 0)


def _sum(place: _Said, names: tuple[str, ...] | list[str]) -> int:
    return sum(_count(place.get(name)) or 0 for name in names)


def _count(value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    return value if is_count else None  # type: ignore[return-value]


def _under(usage: _Said, name: str) -> _Said:
    value = usage.get(name)
    return value if isinstance(value, Mapping) else _dumped(value)


def _dumped(value: object) -> _Said:
    """Return what a model of pydantic holds; nothing for anything else, or for one that fails."""
    try:
        dumped = value.model_dump()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - foreign code
        return {}
    return dumped if isinstance(dumped, Mapping) else {}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
