"""Tags of a template, in time that grows with its length whatever is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["tags"]


def tags(text: str, closings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield opening and content of every tag, up to one that is not closed.

    Args:
        text: The template.
        closings: What closes a tag, by what opens it; of two openings that begin alike, the longer
            one first.
    """
    openings = re.compile("|".join(map(re.escape, closings)))
    position = 0
    while found := openings.search(text, position):
        closing = closings[found[0]]
        end = text.find(closing, found.end())
        if end < 0:
            return
        yield found[0], text[found.end() : end]
        position = end + len(closing)
