"""The texts that reading prompts again and again leaves in the memory of a process."""

from __future__ import annotations

from cache_fabric.guard import reading, related
from cache_fabric.matcher import features, profile

__all__ = ["forget_texts"]


def forget_texts() -> None:
    """Let go of all of them; what is needed is read anew."""
    for cache in (reading, related, profile, features):
        cache.forget()
