"""Tokens of one model call, in the one form that everything here reads."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NO_TOKENS", "Usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call.

    Attributes:
        input_tokens: With those read from the provider's cache and written to it.
        output_tokens: With those of reasoning.
        cache_hour_tokens: Of those written to the cache: for an hour, which has a price of its own.
        tier: Of service: ``default``, ``flex``, ``priority`` or ``batches``; ``None`` where nobody
            says.
        estimated: True where nobody counted.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_hour_tokens: int = 0
    reasoning_tokens: int = 0
    tier: str | None = None
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


NO_TOKENS = Usage(input_tokens=0, output_tokens=0)
"""Of what no model said, such as the result of a tool: there is nothing to count or to estimate."""
