"""A model that is none: it answers from the demo's table after a stated time, and says so.

A text that is not in the table is answered like the known one that shares most words with it. The
token counts of both texts are real where tiktoken has its encoding at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cache_fabric.demo.traffic import DemoData
from cache_fabric.stores.documents import words
from cache_fabric.types import Answer, CacheRequest, Usage

__all__ = ["SimulatedModel"]

_ALIKE = 0.34  # share of words below which two texts have nothing to do with each other
_OTHERWISE = {
    "moderation": "safe: nothing in it speaks against it",
    "support": "Please write to the team: this is not among the known questions.",
}


class SimulatedModel:
    """Answers a `CacheRequest` with an `Answer` and its `Usage`.

    Args:
        data: The table.
        count: Tokens of a text.
        seconds: What a call takes.
    """

    def __init__(self, data: DemoData, count: Callable[[str], int], seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._answers = {
            text: (group.app, group.answer) for group in data.groups for text in group.questions
        }
        self._answers |= {trap.question: (trap.app, trap.answer) for trap in data.traps}
        self._words = {text: frozenset(words(text)) for text in self._answers}

    async def __call__(self, request: CacheRequest) -> tuple[Answer, Usage]:
        await asyncio.sleep(self._seconds)
        texts = [_text(message["content"]) for message in request.messages]
        answer = self.answer(texts[-1], app=request.params.get("app", "moderation"))
        usage = Usage(input_tokens=sum(map(self._count, texts)), output_tokens=self._count(answer))
        return Answer(payload=answer, text=answer, finish_reasons=("stop",)), usage

    def answer(self, text: str, app: str = "moderation") -> str:
        """Return what the model says to a text, at once."""
        if text in self._answers:
            return self._answers[text][1]
        asked = frozenset(words(text))
        known = [each for each, (of, _) in self._answers.items() if of == app]
        best = max(known, key=lambda each: _shared(asked, self._words[each]))
        is_alike = _shared(asked, self._words[best]) >= _ALIKE
        return self._answers[best][1] if is_alike else _OTHERWISE[app]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else str(content)


def _shared(one: frozenset[str], two: frozenset[str]) -> float:
    """Jaccard's coefficient of two sets of words."""
    return len(one & two) / len(one | two) if one or two else 0.0
