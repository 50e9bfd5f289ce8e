"""What the state of a run says of it, under the names that hosts use. Pure; unknown is ``None``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from cache_fabric.provenance import Served, served_in

__all__ = ["RunState"]

_QUESTIONS = ("question", "input", "query", "text", "content")
_ASKS = ("user", "human")


class RunState:
    """Reads ``self.state``, which may hold anything that JSON can say."""

    __slots__ = ()
    state: Mapping[str, Any]

    @property
    def status(self) -> str | None:
        """How it ended; ``running`` until then."""
        return _text(self.state.get("status"))

    @property
    def agent(self) -> str | None:
        """The agent that ran."""
        return _text(self.state.get("agent"))

    @property
    def conversation(self) -> str | None:
        """The conversation, or thread, that it belongs to."""
        return _text(self.state.get("conversation")) or _text(self.state.get("thread_id"))

    @property
    def input(self) -> Any:
        """What the run was given."""
        return self.state.get("input")

    @property
    def output(self) -> Any:
        """What came of it."""
        return self.state.get("output")

    @property
    def error(self) -> Any:
        """What went wrong."""
        return self.state.get("error")

    @property
    def steps(self) -> tuple[Any, ...]:
        """The steps, in order."""
        steps = self.state.get("steps")
        return tuple(steps) if isinstance(steps, list | tuple) else ()

    @property
    def tokens(self) -> int | None:
        """Tokens that were spent."""
        said = self.state.get("tokens")
        total = said.get("total") if isinstance(said, Mapping) else said
        return total if isinstance(total, int) and not isinstance(total, bool) else None

    @property
    def cost(self) -> float | None:
        """Dollars that were spent."""
        return self.number("cost")

    @property
    def contexts(self) -> tuple[tuple[str, int | None], ...]:
        """Keys of the contexts that it used, each with the version where that is known."""
        return tuple(_contexts(self.state.get("contexts")))

    @property
    def answers(self) -> tuple[Served, ...]:
        """The kept answers that it was given or made."""
        return tuple(served_in(self.state))

    @property
    def question(self) -> str | None:
        """What the run was asked, in words: its input, or the last message of a user in it."""
        return _question(self.state.get("input")) or _question(self.state.get("messages"))

    def number(self, name: str) -> float | None:
        """Return a number of the state; one that is not finite is none."""
        value = self.state.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if abs(value) <= sys.float_info.max else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _contexts(said: Any) -> Iterator[tuple[str, int | None]]:
    for one in said if isinstance(said, list | tuple) else ():
        if isinstance(one, str) and one:
            key, _, number = one.rpartition("@")
            yield (key, int(number)) if key and number.isdecimal() else (one, None)
        elif isinstance(one, Mapping) and isinstance(one.get("key"), str):
            version = one.get("version")
            yield one["key"], version if isinstance(version, int) else None


def _question(given: Any) -> str | None:
    """Return the text of an input; of messages that of the last one by a user."""
    if isinstance(given, str):
        return given.strip() or None
    if isinstance(given, Mapping):
        named = [given.get("messages"), *(given.get(name) for name in _QUESTIONS)]
        return next((found for one in named if (found := _question(one)) is not None), None)
    for message in reversed(given) if isinstance(given, list | tuple) else ():
        if isinstance(message, Mapping):
            said_by = message.get("role") or message.get("type")
            if said_by in _ASKS or said_by == "text":
                return _question(message.get("content") or message.get("text"))
    return None
